"""Policy: which rules run, how grave they are, and complaints about rules that do not exist."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.policy import Limits, Policy, check_policy, did_you_mean

KNOWN = ("PRB001", "PRB002", "STG005", "CHK010", "CHK013", "OUT110", "ACME001")


def selected(policy: Policy) -> set[str]:
    return {code for code in KNOWN if policy.selected(code)}


def messages(policy: Policy) -> list[str]:
    return [problem.message for problem in check_policy(policy, KNOWN)]


def test_the_default_policy_selects_everything_at_its_base_severity():
    """`Policy()` runs every rule, at base severity, with its own grade of fix and the limits of the contract."""
    policy = Policy()

    assert selected(policy) == set(KNOWN)
    assert policy.severity_of("PRB001", "error") == "error"
    assert policy.grade_of("PRB001", "unsafe") == "unsafe"
    assert policy.option("STG005", "grace_days", 14) == 14
    assert policy.outcome_semantics == "exit"
    assert Limits() == Limits(max_changes=500, max_percent=30.0, max_weighted_change={}, canary=10, halt_percent=20.0)


@pytest.mark.parametrize(
    ("select", "ignore", "expected"),
    [
        (["PRB"], [], {"PRB001", "PRB002"}),
        (["PRB001"], [], {"PRB001"}),
        (["CHK01"], [], {"CHK010", "CHK013"}),
        (["ALL"], ["CHK", "ACME"], {"PRB001", "PRB002", "STG005", "OUT110"}),
        (["ALL", "CHK010"], ["CHK"], {"PRB001", "PRB002", "STG005", "OUT110", "ACME001", "CHK010"}),
        (["PRB001"], ["ALL"], {"PRB001"}),
        (["PRB"], ["PRB"], set()),
        (["ALL"], ["ALL"], set()),
        (["PRB", "PRB002"], ["PRB00"], {"PRB002"}),
        ([], [], set()),
        (["P"], [], set()),
        (["AC"], [], set()),
        (["prb"], [], set()),
    ],
)
def test_the_longest_selector_wins_and_ignore_wins_ties(select, ignore, expected):
    """For each rule the longest selector that covers it decides; between equals `ignore` does; families are whole."""
    assert selected(Policy(select=tuple(select), ignore=tuple(ignore))) == expected


def test_severity_off_deselects_even_what_is_selected_by_name():
    """A rule that is `off` does not run, and has its base severity where someone asks all the same."""
    policy = Policy(select=("CHK010", "PRB"), severity={"CHK010": "off", "PRB001": "info"})

    assert selected(policy) == {"PRB001", "PRB002"}
    assert policy.severity_of("PRB001", "error") == "info"
    assert policy.severity_of("CHK010", "warning") == "warning"


def test_fixes_are_promoted_and_demoted_and_options_read():
    """Grades and options come from the policy where it names them."""
    policy = Policy(fix={"PRB001": "safe", "STG005": "none"}, options={"STG005": {"grace_days": 3}})

    assert policy.grade_of("PRB001", "unsafe") == "safe"
    assert policy.grade_of("STG005", "unsafe") == "none"
    assert policy.option("STG005", "grace_days", 14) == 3
    assert policy.option("STG005", "other", 7) == 7


def test_the_command_line_replaces_select_and_adds_to_ignore():
    """`--select` takes the place of `select`; `--ignore` is added; without either nothing changes."""
    policy = Policy(select=("PRB", "STG"), ignore=("PRB002",))

    assert policy.narrowed() == policy
    assert selected(policy.narrowed(select=["CHK"])) == {"CHK010", "CHK013"}
    assert selected(policy.narrowed(ignore=["STG005"])) == {"PRB001"}
    assert selected(policy.narrowed(select=["PRB"])) == {"PRB001"}


def test_a_rule_asked_for_by_name_runs_although_the_file_ignores_it():
    """`--select CHK013` with `ignore = ["CHK013"]` in the file does not answer with a false clean."""
    policy = Policy(ignore=("CHK013",))

    assert selected(policy.narrowed(select=["CHK013"])) == {"CHK013"}
    assert selected(policy.narrowed(select=["CHK013"], ignore=["CHK013"])) == set()


def test_the_digest_ignores_order_and_notices_content():
    """The digest is the same for the same content in any order, and another for each change of content."""
    one = Policy(select=("PRB", "STG"), severity={"PRB001": "info", "STG005": "error"}, ignore=("CHK", "ACME"))
    same = Policy(select=("STG", "PRB", "PRB"), severity={"STG005": "error", "PRB001": "info"}, ignore=("ACME", "CHK"))
    others = [
        Policy(),
        Policy(select=("PRB",)),
        Policy(ignore=("PRB",)),
        Policy(severity={"PRB001": "info"}),
        Policy(fix={"PRB001": "none"}),
        Policy(options={"STG005": {"grace_days": 3}}),
        Policy(options={"STG005": {"grace_days": 4}}),
        Policy(outcome_semantics="entry"),
        one,
    ]

    assert one.digest() == same.digest()
    assert len({policy.digest() for policy in others}) == len(others)
    assert Policy(options={"STG005": {}}).digest() == Policy().digest()


@settings(deadline=None)
@given(st.permutations(["PRB", "STG005", "ALL", "CHK01"]), st.permutations(["CHK013", "OUT", "ACME001"]))
def test_selection_does_not_depend_on_the_order_of_selectors(select, ignore):
    """Selectors in any order select the same rules."""
    policy = Policy(select=tuple(select), ignore=tuple(ignore))

    assert selected(policy) == {"PRB001", "PRB002", "STG005", "CHK010"}


def test_every_unknown_code_is_reported_with_the_nearest_one():
    """Unknown selectors, codes and options are all reported, each with what was probably meant."""
    policy = Policy(
        select=("PRX", "prb001", "ALL", "OUT1", "P"),
        ignore=("CHK014",),
        severity={"CHK10": "info", "ACME001": "off"},
        fix={"PRB": "none"},
        options={"STG005": {"grace_day": 3}, "PRB001": {"grace_days": 3}, "STG006": {"grace_days": 1}},
    )

    assert messages(policy) == [
        "select: there is no rule or family 'PRX'; did you mean 'PRB'?",
        "select: there is no rule or family 'prb001'; did you mean 'PRB001'?",
        "select: there is no rule or family 'P'",
        "ignore: there is no rule or family 'CHK014'; did you mean 'CHK013'?",
        "severity: there is no rule 'CHK10'; did you mean 'CHK010'?",
        "fix: there is no rule 'PRB'; did you mean 'PRB002'?",
        "options: there is no rule 'STG006'; did you mean 'STG005'?",
        "options: STG005 has no option 'grace_day'; did you mean 'grace_days'?",
        "options: PRB001 has no option 'grace_days'; it takes none",
    ]


@pytest.mark.parametrize("value", [-1, True, "14", 1.5])
def test_an_option_of_the_wrong_kind_is_reported(value):
    """Grace days are a whole number from 0 up; true is no number."""
    (message,) = messages(Policy(options={"STG005": {"grace_days": value}}))

    assert message == f"options: STG005.grace_days: a whole number from 0 up, not {value!r}"


def test_problems_carry_the_file_and_the_line_of_each_selector():
    """Each problem names the line that the given locator finds for its key path."""
    lines = {("rules", "select", 1): 4, ("rules", "fix", "XYZ001"): 9}
    problems = check_policy(
        Policy(select=("ALL", "XYZ"), fix={"XYZ001": "safe"}),
        KNOWN,
        file="syncd.toml",
        locate=lambda *path: lines[path],
    )

    assert [(problem.file, problem.line) for problem in problems] == [("syncd.toml", 4), ("syncd.toml", 9)]


def test_a_policy_that_selects_nothing_is_a_problem():
    """Judging by no rule at all would look clean, so it is refused."""
    assert messages(Policy(ignore=("ALL",))) == ["select: no rule is left to judge by"]
    assert messages(Policy(select=())) == ["select: no rule is left to judge by"]
    assert messages(Policy(ignore=("CHK",))) == []


def test_did_you_mean_is_silent_when_nothing_is_near():
    """A word like no other gets no guess."""
    assert did_you_mean("Slect", ["select", "ignore"]) == "; did you mean 'select'?"
    assert did_you_mean("zzzz", ["select", "ignore"]) == ""
