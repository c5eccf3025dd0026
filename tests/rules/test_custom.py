"""Rules of a company's own: what their conditions decide, how mistakes in them are told, what they report and set."""

import itertools
import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from syncd.errors import ConfigError
from syncd.facts import Fact, all_of, any_of
from syncd.model import FIELD_BIT, Edit, Finding, Fix, Opportunity
from syncd.process import Process, load_process
from syncd.rules.custom import CustomRuleSpec, compile_custom
from syncd.rules.custom.variables import variables

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "custom-rules.md"
APPROVAL = "proof.verbal_approval"
ISSUED = "proof.proposal_issued"
PAIN = "qualify.sponsor_pain"

MSSP = load_process(ROOT / "mappings" / "mssp.toml")
OTHER = load_process(ROOT / "tests" / "data" / "other-process.toml")

DERIVED = {
    "today": date(2026, 11, 23),
    "proven_stage": "solution",
    "possible_stage": "close",
    "stage_index": 6,
    "proven_index": 4,
    "possible_index": 6,
}

BASE = Opportunity(
    id="1-A1",
    name="Datacentre",
    account="Contoso",
    owner="kim",
    territory="north",
    stage="close",
    probability=80,
    amount=Decimal("300000.50"),
    currency="EUR",
    close_date=date(2026, 11, 1),
    closed=False,
    created_at=datetime(2026, 1, 5, 9, 30, tzinfo=UTC),
    stage_entered_at=date(2026, 6, 1),
    source_type="MQP",
    forecast=True,
)


ISSUED_IN_MAY = {MSSP.evidence_index[ISSUED]: date(2026, 5, 4)}


def bits(*names: str, process: Process = MSSP) -> int:
    return sum(1 << process.evidence_index[name] for name in names)


def lacking(*fields: str) -> int:
    return sum(FIELD_BIT[field] for field in fields)


def opportunity(**changes) -> Opportunity:
    return msgspec.structs.replace(BASE, **changes)


def spec(condition: str = "true", **changes) -> CustomRuleSpec:
    rule = CustomRuleSpec(code="ACME001", severity="error", message="broken", condition=condition)
    return replace(rule, file="syncd.toml", line=10, rule_line=7, **changes)


def check(condition: str, record: Opportunity = BASE, derived=DERIVED, **changes) -> Finding | Fact:
    (rule,) = compile_custom([spec(condition, **changes)], MSSP)
    return rule.check(record, derived)


def outcome(condition: str, record: Opportunity = BASE, derived=DERIVED) -> str:
    said = check(condition, record, derived)
    return "fires" if isinstance(said, Finding) else {Fact.MET: "holds", Fact.UNKNOWN: "unknown"}[said]


def problems(*specs: CustomRuleSpec, process: Process = MSSP):
    with pytest.raises(ConfigError) as caught:
        compile_custom(specs, process)
    return caught.value.problems


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('stage == "close" && amount > 250000.0', "fires"),
        ('stage == "close" && amount > 300000.5', "holds"),
        ('stage in ["proof", "deploy"]', "holds"),
        ("probability == 80.0", "fires"),
        ("proven_index < stage_index", "fires"),
        ('proven_stage == "solution" && possible_stage == "close"', "fires"),
        ('status == "open" && !closed && forecast', "fires"),
        ('currency != "EUR" || territory != "north"', "holds"),
        ('owner.startsWith("k") && name.matches("(?i)DATA.*")', "fires"),
        ('account.size() > 40 || source_type == "SQP" || id == "2"', "holds"),
        ("close_date < today", "fires"),
        ('today - stage_entered_at > duration("4200h")', "holds"),
        ('today - stage_entered_at > duration("4199h")', "fires"),
        ("close_date == timestamp('2026-11-01T00:00:00Z')", "fires"),
        ("created_at.getHours() == 9 && created_at.getMinutes() == 30", "fires"),
        ("today == timestamp('2026-11-23T00:00:00Z')", "fires"),
        ("updated_at < today", "unknown"),
        ("updated_at < today && stage == 'proof'", "holds"),
        ("decision_due < today || stage == 'close'", "fires"),
        (APPROVAL, "unknown"),
        (f"!{APPROVAL}", "unknown"),
        (f"{APPROVAL} ? true : stage == 'close'", "unknown"),
        (f"{APPROVAL}.date < today", "unknown"),
        (f"[false, true].exists(one, one || {PAIN})", "fires"),
        (f"[{PAIN}, true].exists(one, one)", "unknown"),
        (f"stage == 'close' // as {APPROVAL}\n && amount > 1.0", "fires"),
        ("1 / (stage_index - 6) > 3", "unknown"),
        ("1 / (stage_index - 6) > 3 || stage == 'close'", "fires"),
        ("timestamp(owner) < today", "unknown"),
    ],
)
def test_a_condition_fires_holds_or_is_unknown(condition, expected):
    """A true condition is a finding, a false one holds, and one that hangs on what is unknown is not decided."""
    assert expected == outcome(condition)


@pytest.mark.parametrize(("first", "second"), list(itertools.product(Fact, Fact)))
def test_conditions_follow_three_valued_logic(first, second):
    """`&&`, `||` and `!` over evidence say what Kleene's logic says, for every pair of facts."""

    def record(state_of: dict[str, Fact]) -> Opportunity:
        met = bits(*(name for name, state in state_of.items() if state is Fact.MET))
        return opportunity(met=met, not_met=bits(*(name for name, state in state_of.items() if state is Fact.NOT_MET)))

    said = {Fact.MET: "fires", Fact.NOT_MET: "holds", Fact.UNKNOWN: "unknown"}
    opposite = {Fact.MET: "holds", Fact.NOT_MET: "fires", Fact.UNKNOWN: "unknown"}
    given = record({APPROVAL: first, PAIN: second})

    assert said[all_of((first, second))] == outcome(f"{APPROVAL} && {PAIN}", given)
    assert said[any_of((first, second))] == outcome(f"{APPROVAL} || {PAIN}", given)
    assert opposite[first] == outcome(f"!{APPROVAL}", given)


@pytest.mark.parametrize(
    ("condition", "blank", "missing", "unreadable"),
    [
        ('owner == ""', "fires", "unknown", "unknown"),
        ("blank.owner", "fires", "unknown", "holds"),
        ("amount < 1.0", "unknown", "unknown", "unknown"),
        ("blank.amount", "fires", "unknown", "holds"),
        ("probability < 1.0", "unknown", "unknown", "unknown"),
        ("blank.probability", "fires", "unknown", "holds"),
        ("close_date < today", "unknown", "unknown", "unknown"),
        ("blank.close_date", "fires", "unknown", "holds"),
        ("closed", "holds", "unknown", "unknown"),
        ("blank.closed", "fires", "unknown", "holds"),
        ("forecast", "unknown", "unknown", "unknown"),
        ("blank.forecast", "fires", "unknown", "holds"),
        ('stage == ""', "fires", "unknown", "unknown"),
        ("blank.stage", "fires", "unknown", "holds"),
    ],
)
def test_blank_missing_and_unreadable_are_told_apart(condition, blank, missing, unreadable):
    """A blank text is the empty text, other blanks are asked for by `blank.`, and what is not there is unknown."""
    field = re.findall("owner|amount|probability|close_date|closed|forecast|stage", condition)[0]
    empty = opportunity(**{field: None})

    assert blank == outcome(condition, empty)
    assert missing == outcome(condition, msgspec.structs.replace(empty, missing=lacking(field)))
    assert unreadable == outcome(condition, msgspec.structs.replace(empty, unreadable=((field, "?"),)))


def test_a_value_that_is_there_is_not_blank():
    """`blank.` is false where the field holds something."""
    assert outcome("blank.owner || blank.amount || blank.close_date || blank.forecast || blank.closed") == "holds"


@pytest.mark.parametrize("changes", [{"missing": lacking("status")}, {"unreadable": (("status", "maybe"),)}])
def test_a_status_that_was_only_assumed_is_unknown(changes):
    """A record without a readable status is judged as open, yet no condition may rest on that."""
    assert outcome('status == "open"', opportunity(**changes)) == "unknown"


def test_a_stage_that_the_mapping_does_not_know_is_unknown():
    """A stage label that means no stage is neither blank nor any stage."""
    strange = opportunity(stage=None, stage_label="Stage 9¾")

    assert [outcome('stage == ""', strange), outcome("blank.stage", strange)] == ["unknown", "holds"]


def test_what_the_judge_could_not_derive_is_unknown():
    """Derived values that are None decide nothing."""
    assert outcome("proven_index > 0", derived={**DERIVED, "proven_index": None}) == "unknown"


@pytest.mark.parametrize(
    ("day", "met", "dated"),
    [
        (date(2026, 11, 22), "fires", "fires"),
        (date(2026, 11, 23), "fires", "holds"),
        (date(2026, 11, 24), "holds", "holds"),
        (None, "fires", "unknown"),
    ],
)
def test_evidence_is_read_as_of_the_day_of_the_run(day, met, dated):
    """A fact dated in the future is not met yet; an undated one is met and its date unknown."""
    dates = {} if day is None else {MSSP.evidence_index[APPROVAL]: day}
    record = opportunity(met=bits(APPROVAL), dates=dates)

    assert [met, dated] == [outcome(APPROVAL, record), outcome(f"{APPROVAL}.date < today", record)]


def test_the_date_of_a_fact_that_is_not_met_is_unknown():
    """Only facts that are met have a date."""
    record = opportunity(not_met=bits(APPROVAL), dates={MSSP.evidence_index[APPROVAL]: date(2026, 1, 1)})

    assert outcome(f"{APPROVAL}.date < today", record) == "unknown"


def test_the_names_follow_the_chart():
    """A condition speaks of the stages and facts of the process it is compiled for, and of no other's."""
    name = OTHER.evidence[0]
    (rule,) = compile_custom([spec(name)], OTHER)

    assert isinstance(rule.check(opportunity(met=1), DERIVED), Finding)
    assert problems(spec(APPROVAL), process=OTHER)[0].message.startswith("rules.custom.ACME001.when: there is no name")


@pytest.mark.parametrize(
    ("condition", "line", "column", "words"),
    [
        ("stage == 'close' &&", 10, 20, "ends too early"),
        ("(closed", 10, 8, "ends too early"),
        ("", 10, 1, "ends too early"),
        ("closed)", 10, 7, "')' does not fit here"),
        ("stage == . 'close'", 10, 12, "does not fit here"),
        ("closed @ forecast", 10, 8, "'@' means nothing here"),
        ("owner == 'kim", 10, 10, "quotation mark is missing"),
        ("owner == \N{LEFT DOUBLE QUOTATION MARK}kim\N{RIGHT DOUBLE QUOTATION MARK}", 10, 10, "plain quotation marks"),
        ("owner = 'kim'", 10, 7, "write =="),
        ("closed and forecast", 10, 8, "write &&"),
        ("closed or forecast", 10, 8, "write ||"),
        ("not closed", 10, 5, "write !"),
        ("owner <> 'kim'", 10, 8, "write !="),
        ("stage in ('close', 'deploy')", 10, 18, "in brackets"),
        ("stagee == 'close'", 10, 1, "there is no name 'stagee'; did you mean 'stage'?"),
        ("closed && Owner == ''", 10, 11, "did you mean 'owner'?"),
        ("closed && proof.verbal_aproval", 10, 11, "did you mean 'proof.verbal_approval'?"),
        ("verbal_approval", 10, 1, "did you mean 'proof.verbal_approval'?"),
        ("proof.verbal_approval.day < today", 10, 1, "no name 'proof.verbal_approval.day'"),
        ("owner.email == ''", 10, 1, "there is no name 'owner.email'; did you mean 'owner'?"),
        ("stage == close", 10, 10, 'the stage is "close" with quotation marks'),
        ("version == ''", 10, 1, "there is no name 'version'"),
        ("blank.status", 10, 1, "there is no name 'blank.status'"),
        ("owner.match('k')", 10, 7, "there is no function 'match'; did you mean 'matches'?"),
        ("upper(owner) == 'K'", 10, 1, "there is no function 'upper'"),
        ("owner.contains('k', 'i')", 10, 7, "contains is not used like this"),
        ("amount > 250000", 10, 8, "`>` does not go with a number and a whole number; write 50.0"),
        ("stage > 3", 10, 7, "`>` does not go with a text and a whole number"),
        ("!owner", 10, 1, "`!` does not go with a text"),
        ("closed == 'no'", 10, 8, "write true and false without quotation marks"),
        ("close_date < '2026-12-31'", 10, 12, 'timestamp("2026-12-31T00:00:00Z")'),
        ("close_date < today + 30", 10, 20, 'duration("720h")'),
        ("owner", 10, 1, "the condition is a text, where something true or false is needed"),
        ("  amount - 1.0", 10, 3, "the condition is a number"),
        ("dyn(closed)", 10, 1, "where something true or false is needed"),
        ("close_date == null", 10, 15, "nothing is ever null here"),
        ("has(proof.verbal_approval)", 10, 1, "has() tells nothing here"),
        ("today - close_date > duration('30d')", 10, 31, "not a duration"),
        ("close_date < timestamp('2026-12-31')", 10, 24, "not a time"),
        ("name.matches('[')", 10, 14, "not a regular expression"),
        ("stage == 'Close'", 10, 10, "stage is never 'Close'; did you mean 'close'?"),
        ('"clsoe" != proven_stage', 10, 1, "proven_stage is never 'clsoe'; did you mean 'close'?"),
        ("stage in ['close', 'won']", 10, 20, "stage is never 'won'; there are demand_generation, prospect"),
        ("status == 'Won'", 10, 11, "status is never 'Won'; did you mean 'won'?"),
        ("'日本' == owner && amuont > 1.0", 10, 18, "did you mean 'amount'?"),
        ("(" * 200 + "closed" + ")" * 200, 10, 0, "nested too deeply"),
        ("closed && " * 20000 + "closed", 10, 0, "limit"),
    ],
)
def test_a_mistake_is_named_at_its_place(condition, line, column, words):
    """Each kind of mistake is refused at the start, with the line in the file and the column in the condition."""
    (problem,) = problems(spec(condition))

    assert (problem.file, problem.line, problem.column) == ("syncd.toml", line, column)
    assert problem.message.startswith("rules.custom.ACME001.when: ")
    assert words in problem.message


def test_mistakes_in_a_condition_of_several_lines_are_all_named_with_a_caret():
    """Each mistake is told with its own line of the file and a caret below it, after tabs and wide letters as well."""
    found = problems(
        spec("closed\n\t&& stage > 3 // 'not closed\n && proof\n  . verbal && '日本' == ownr\n && stage == 'x'")
    )

    assert [(one.line, one.column) for one in found] == [(11, 11), (12, 5), (13, 23), (14, 14)]
    assert found[0].message.splitlines()[1:] == ["    \t&& stage > 3 // 'not closed", "    \t         ^"]
    assert found[2].message.splitlines()[1:] == ["      . verbal && '日本' == ownr", " " * 28 + "^"]


def test_words_in_texts_and_comments_are_no_mistakes():
    """What looks like a mistake inside a text or a comment is left alone."""
    comment = "// stagee = null, has(x), duration('30d')\n"
    texts = ["'null'", '"has(x) // and"', r"r'\d = null'", "'''it's null'''", r"'a\'null'", "\"duration('30d')\""]

    assert outcome(comment + " || ".join(f"owner == {text}" for text in texts)) == "holds"


def test_every_mistake_of_every_rule_is_told_at_once():
    """Nothing is left for a second attempt: all mistakes of all rules come together."""
    bad = spec("amount > 5", message="{ownr}", fix_safety="safe", fix_set={"stage": "clse"}, field="stagee")
    found = problems(bad, spec(), replace(spec("owner"), code="ACME002"))

    assert [one.message.split(":")[0] for one in found] == [
        "rules.custom.ACME001.when",
        "rules.custom.ACME001.field",
        "rules.custom.ACME001.message",
        "rules.custom.ACME001.fix.set.stage",
        "rules.custom.ACME002.when",
    ]
    assert [one.line for one in found] == [10, 7, 7, 7, 10]


def test_no_line_is_invented():
    """Where the lines are not known, the column is told and no line."""
    (problem,) = problems(replace(spec("closed &&\n stage > 3"), line=0, rule_line=0))

    assert (problem.line, problem.column) == (0, 8)


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"message": "{ownr} is late"}, "message", "there is no name 'ownr' to put in; did you mean 'owner'?"),
        ({"message": "{owner.__class__}"}, "message", "there is no name 'owner.__class__'"),
        ({"message": "{amount:>99999999}"}, "message", "there is no name 'amount:>99999999'"),
        ({"message": "{owner!r}"}, "message", "there is no name 'owner!r'"),
        ({"message": "{}"}, "message", "there is no name ''"),
        ({"message": "a { b"}, "message", "a single '{'"),
        ({"message": "a } b"}, "message", "a single '}'"),
        ({"field": "proof.verbal"}, "field", "did you mean 'proof.verbal_approval'?"),
        ({"fix_set": {"stage": "qualify"}}, "fix", "safety is missing"),
        ({"fix_safety": "safe"}, "fix", "set is missing"),
        ({"fix_set": {"stage": "Close"}}, "fix.set.stage", "there is no stage 'Close'; did you mean 'close'?"),
        ({"fix_set": {"stage": 6}}, "fix.set.stage", "a stage id, not 6"),
        ({"fix_set": {"owner": " "}}, "fix.set.owner", "a text, not ' '"),
        ({"fix_set": {"probability": 101}}, "fix.set.probability", "a number from 0 to 100, not 101"),
        ({"fix_set": {"probability": True}}, "fix.set.probability", "not True"),
        ({"fix_set": {"probability": float("nan")}}, "fix.set.probability", "not nan"),
        ({"fix_set": {"amount": "1,000"}}, "fix.set.amount", "not '1,000'"),
        ({"fix_set": {"amount": "NaN"}}, "fix.set.amount", "not 'NaN'"),
        ({"fix_set": {"amount": False}}, "fix.set.amount", "not False"),
        ({"fix_set": {"close_date": "31.12.2026"}}, "fix.set.close_date", "a day such as 2026-12-31"),
        ({"fix_set": {"close_date": 20261231}}, "fix.set.close_date", "a day such as 2026-12-31"),
        ({"fix_set": {APPROVAL: True}}, f"fix.set.{APPROVAL}", "never evidence"),
        ({"fix_set": {"ownr": "kim"}}, "fix.set.ownr", "did you mean 'owner'?"),
        ({"fix_set": {"status": "won"}}, "fix.set.status", "a fix can set stage, probability"),
    ],
)
def test_a_mistake_outside_the_condition_is_named_by_its_key(changes, key, words):
    """Unknown names in a message, impossible fields and impossible fixes are refused at the start."""
    safety = "unsafe" if key.startswith("fix.") else None
    (problem,) = problems(spec(**{"fix_safety": safety, **changes}))

    assert (problem.file, problem.line, problem.column) == ("syncd.toml", 7, 0)
    assert problem.message.startswith(f"rules.custom.ACME001.{key}: ")
    assert words in problem.message


def test_a_finding_says_what_was_found_and_what_would_hold():
    """A finding carries the values the condition looked at, as plain JSON data, and the condition's opposite."""
    condition = f'stage == "close" && amount > 1.0 && close_date < today && !{APPROVAL} || decision_due < today'
    record = opportunity(not_met=bits(APPROVAL))
    said = check(condition, record, severity="info", field="amount", phrase="Large deals")

    assert said == Finding(
        rule="ACME001",
        severity="info",
        field="amount",
        actual={
            "stage": "close",
            "amount": "300000.50",
            "close_date": "2026-11-01",
            "decision_due": None,
            "today": "2026-11-23",
            APPROVAL: False,
        },
        expected=f"not ({condition})",
        message="broken",
        phrase="Large deals",
    )
    assert msgspec.json.encode(said)


def test_times_are_reported_in_utc():
    """A time in a finding ends in Z."""
    said = check("created_at < today")

    assert isinstance(said, Finding)
    assert said.actual["created_at"] == "2026-01-05T09:30:00Z"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{owner}: {amount} {currency} in {stage}", "kim: 300000.50 EUR in Close"),
        ("proven {proven_stage}, column {proven_index}, {probability} %", "proven Solution, column 4, 80 %"),
        ("{ close_date } and {today}", "2026-11-01 and 2026-11-23"),
        ("{territory}/{updated_at}/{decision_due}", "(unknown)/(blank)/(blank)"),
        ("{closed} {forecast} {proof.verbal_approval}", "no yes (unknown)"),
        ("100% {{owner}} }}", "100% {owner} }"),
        ("%s %(owner)s $owner", "%s %(owner)s $owner"),
    ],
)
def test_a_message_is_filled_in(template, expected):
    """Names in braces become values; what is blank or unknown is called so; nothing else is a template."""
    said = check("true", opportunity(territory=None, missing=lacking("territory")), message=template)

    assert isinstance(said, Finding)
    assert expected == said.message


@pytest.mark.parametrize(
    "text",
    [
        '" || true || "',
        "{amount} {0.__class__} %s",
        "<script>alert(1)</script>",
        "=cmd()",
        "x\0y",
        "\ud800x",
        "🙂" * 5000,
    ],
)
def test_text_of_a_record_is_only_ever_text(text):
    """Whatever a record says is compared and reported as text: never run, never filled in, never cut by a NUL."""
    record = opportunity(owner=text)
    said = check('owner != "kim"', record, message="owner {owner}.")

    assert isinstance(said, Finding)
    shown = said.message.removeprefix("owner ").removesuffix(".")
    assert len(shown) <= 200
    assert shown[:40] == text.replace("\0", "\ufffd").encode("utf-8", "surrogatepass").decode("utf-8", "replace")[:40]
    assert len(said.actual["owner"]) <= 200
    assert msgspec.json.encode(said)
    assert outcome('owner == "x" || owner == "" || owner.size() == 1', record) == "holds"


def test_lines_in_a_records_text_do_not_break_a_message():
    """A message stays on one line."""
    said = check("true", opportunity(owner="kim\r\n2026-11-23 ERROR\tforged"), message="by {owner}")

    assert isinstance(said, Finding)
    assert said.message == "by kim 2026-11-23 ERROR forged"


def test_a_fix_sets_what_differs_as_plain_data():
    """A fix names the old and the new value of each field that differs, and leaves the others out."""
    wanted = {
        "stage": "proof",
        "probability": 60.0,
        "amount": "1000.50",
        "close_date": "2026-12-31",
        "owner": "lee",
        "name": "Datacentre",
    }
    said = check("true", fix_safety="unsafe", fix_set=wanted)

    assert isinstance(said, Finding)
    assert said.fix == Fix(
        "unsafe",
        {
            "stage": Edit("close", "proof"),
            "probability": Edit(80, 60),
            "amount": Edit("300000.50", "1000.50"),
            "close_date": Edit("2026-11-01", "2026-12-31"),
            "owner": Edit("kim", "lee"),
        },
    )
    assert b'"probability":{"from":80,"to":60}' in msgspec.json.encode(said)


@pytest.mark.parametrize(
    ("fix_set", "record", "expected"),
    [
        ({"probability": 80, "amount": Decimal("300000.5")}, BASE, None),
        ({"close_date": date(2026, 11, 1)}, BASE, None),
        ({"owner": "lee"}, opportunity(owner=None), {"owner": Edit(None, "lee")}),
        ({"owner": "lee"}, opportunity(owner=None, missing=lacking("owner")), None),
        (
            {"probability": 60},
            opportunity(probability=None, unreadable=(("probability", "?"),)),
            {"probability": Edit(None, 60)},
        ),
        ({"name": "n" * 500}, BASE, {"name": Edit("Datacentre", "n" * 500)}),
        ({"amount": 5}, BASE, {"amount": Edit("300000.50", "5")}),
    ],
    ids=["all there already", "day there already", "blank", "no such field", "unreadable", "whole text", "number"],
)
def test_a_fix_is_proposed_only_where_it_changes_something(fix_set, record, expected):
    """No fix is proposed where every value is there already or the source lacks the field; values are written whole."""
    said = check("true", record, fix_safety="safe", fix_set=fix_set)

    assert isinstance(said, Finding)
    assert said.fix == (Fix("safe", expected) if expected else None)


def test_a_fix_graded_none_is_no_fix():
    """A rule whose fix is graded `none` reports and proposes nothing."""
    said = check("true", fix_safety="none", fix_set={"owner": "lee"})

    assert isinstance(said, Finding)
    assert said.fix is None


def test_the_code_of_a_rule_is_that_of_its_specification():
    """The judge asks a rule for its code."""
    (rule,) = compile_custom([spec()], MSSP)

    assert (rule.code, rule.spec) == ("ACME001", spec())


def test_rules_keep_their_order():
    """The rules come in the order of their specifications; none from none."""
    codes = ["ZED002", "ACME001", "BETA003"]

    assert [rule.code for rule in compile_custom([replace(spec(), code=code) for code in codes], MSSP)] == codes
    assert compile_custom([], MSSP) == ()


def test_the_library_is_loaded_only_when_there_is_a_rule():
    """A run without rules of its own does not pay for loading the CEL library."""
    script = (
        "import sys; from pathlib import Path; from syncd.process import load_process;"
        "from syncd.rules.custom import compile_custom;"
        "compile_custom([], load_process(Path('mappings/mssp.toml')));"
        "sys.exit(any(name.startswith('cel_expr') for name in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0


def documented_rules() -> dict[str, dict]:
    blocks = re.findall(r"^```toml\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return {code: rule for block in blocks for code, rule in tomllib.loads(block)["rules"]["custom"].items()}


def documented_specs() -> list[CustomRuleSpec]:
    return [
        CustomRuleSpec(
            code=code,
            severity=rule["severity"],
            message=rule["message"],
            condition=rule["when"],
            field=rule.get("field", ""),
            phrase=rule.get("phrase", ""),
            fix_safety=rule.get("fix", {}).get("safety"),
            fix_set=rule.get("fix", {}).get("set", {}),
        )
        for code, rule in documented_rules().items()
    ]


def test_the_examples_of_the_manual_compile():
    """Every rule in the manual can be copied as it is."""
    assert len(compile_custom(documented_specs(), MSSP)) >= 5


@pytest.mark.parametrize(
    ("code", "record", "expected"),
    [
        ("ACME001", opportunity(not_met=bits(APPROVAL)), "broken"),
        ("ACME001", opportunity(met=bits(APPROVAL)), Fact.MET),
        ("ACME001", BASE, Fact.UNKNOWN),
        ("ACME002", BASE, "broken"),
        ("ACME002", opportunity(close_date=date(2026, 11, 23)), Fact.MET),
        ("ACME002", opportunity(close_date=None), "broken"),
        ("ACME003", BASE, "broken"),
        ("ACME003", opportunity(stage="demand_generation"), Fact.MET),
        ("ACME004", opportunity(owner=None), "broken"),
        ("ACME004", opportunity(owner=None, missing=lacking("owner")), Fact.UNKNOWN),
        ("ACME005", BASE, "broken"),
        ("ACME005", opportunity(forecast=False), Fact.MET),
        ("ACME006", opportunity(met=bits(ISSUED), not_met=bits(APPROVAL), dates=ISSUED_IN_MAY), "broken"),
        ("ACME006", opportunity(met=bits(ISSUED, APPROVAL), dates=ISSUED_IN_MAY), Fact.MET),
        ("ACME006", opportunity(met=bits(ISSUED), not_met=bits(APPROVAL)), Fact.UNKNOWN),
        ("ACME006", opportunity(not_met=bits(ISSUED)), Fact.MET),
    ],
)
def test_the_examples_of_the_manual_do_what_it_says(code, record, expected):
    """The rules in the manual fire, hold and stay undecided as described there."""
    rule = {one.code: one for one in compile_custom(documented_specs(), MSSP)}[code]
    said = rule.check(record, DERIVED)

    assert expected == ("broken" if isinstance(said, Finding) else said)


def test_the_manual_lists_the_names_there_are():
    """The tables of the manual name every variable, none besides, and each with its type."""
    section = DOCS.read_text(encoding="utf-8").split("\n## Names\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+`) \| (\w[^|]*) \|", section, re.MULTILINE)
    listed = {name: kind.strip() for names, kind in rows for name in re.findall(r"`([a-z_]+)`", names)}
    kinds = {"string": "text", "double": "number", "int": "whole number", "bool": "true or false", "timestamp": "time"}

    assert listed == {name: kinds[one.kind] for name, one in variables(MSSP).items() if "." not in name}
