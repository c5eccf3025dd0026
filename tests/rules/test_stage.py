"""STG: the recorded stage against label, status, evidence and history; and who is judged at all."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from syncd.model import Edit
from syncd.policy import Policy
from syncd.rules.base import Trail
from tests.rules.cases import (
    ASSESSMENT,
    COURT,
    FIGURES,
    FIRES,
    HOLDS,
    LETTER,
    NOT_DUE,
    OUTCOMES,
    PIPELINE,
    STAGES,
    STATES,
    UNKNOWN,
    Case,
    Court,
    check,
    combinations,
    day,
    record,
    through,
    told,
    trail_of,
    verdict_of,
    visit,
)

SPONSOR = OUTCOMES["prospect"][0]


@pytest.mark.parametrize("label", [None, "Negotiation/Review"])
@pytest.mark.parametrize("status", ["open", "won"])
def test_stage_not_recognised(label, status):
    """A blank or unknown stage is STG001, an error without a fix, and no other rule is due."""
    opportunity = record(
        None, through(None), stage_label=label, status=status, probability=50, forecast=True, decision_due=day(-1)
    )

    verdict = COURT.verdict(opportunity, trail_of("solution", from_creation=True))

    finding = COURT.finding("STG001", opportunity)
    assert (finding.field, finding.actual, finding.severity) == ("stage", label, "error")
    assert (finding.phrase, finding.fix) == ("Sales Cycle Stage", None)
    assert (verdict.due, verdict.proven, verdict.possible) == ({"STG001"}, None, None)


def test_stage_recognised():
    """STG001 is due and holds for every record of a readable stage; lost records are not judged by it."""
    said = {stage: COURT.says("STG001", record(stage)) for stage in STAGES}
    lost = {COURT.says("STG001", record(stage, status="lost")) for stage in STAGES}

    assert said == dict.fromkeys(STAGES, HOLDS)
    assert lost == {NOT_DUE}


@pytest.mark.parametrize("stage", STAGES)
def test_lost_records_are_frozen(stage):
    """A lost record that breaks everything else is due for STG004 alone, with proven and possible stage still told."""
    facts = through("qualify") | {"proof.proposal_issued": True, "develop.v_team": False}
    opportunity = record(
        stage, facts, status="lost", probability=50, forecast=True, closed=True, unreadable=(("amount", "x"),)
    )

    verdict = COURT.verdict(opportunity, trail_of("solution", stage, from_creation=True))

    assert verdict.due == {"STG004"}
    assert (verdict.proven, verdict.possible) == ("develop", "develop")


def test_a_lost_record_without_a_stage():
    """A lost record whose stage is not recognised is judged by no rule but STG004, which cannot tell."""
    verdict = COURT.verdict(record(None, stage_label="Negotiation", status="lost"))

    assert verdict.findings == ()
    assert verdict.unknown == {"STG004"}


@pytest.mark.parametrize("from_creation", [True, False, None])
def test_first_stage(from_creation):
    """STG002 fires for a record seen to appear past Prospect; of one that was there before nothing is known."""

    def cases() -> Iterator[Case]:
        for first, stage, status in itertools.product(STAGES, STAGES, ("open", "won", "lost")):
            late = first not in ("demand_generation", "prospect")
            expected = NOT_DUE if status == "lost" else verdict_of(late if from_creation else None)
            trail = None if from_creation is None else trail_of(first, stage, from_creation=from_creation)
            yield Case((first, stage, status), record(stage, status=status), expected, trail)

    check("STG002", cases(), answers={FIRES, HOLDS, NOT_DUE} if from_creation else {UNKNOWN, NOT_DUE})


def test_first_stage_finding():
    """STG002 is a warning about the first stage, with the words of the chart and no fix."""
    finding = COURT.finding("STG002", record("proof"), trail_of("develop", "proof", from_creation=True))

    assert (finding.field, finding.actual, finding.severity, finding.fix) == ("stage", "develop", "warning", None)
    assert finding.phrase == "Enter MQP/SQP into Siebel · Identify SQP via account plan or prospecting"


def histories() -> Iterator[tuple[str, ...]]:
    """Every way to rise through the chart, skipping any of its stages."""
    for length in range(1, len(STAGES) + 1):
        yield from itertools.combinations(STAGES, length)


@pytest.mark.parametrize("from_creation", [True, False])
def test_skipped_stages(from_creation):
    """STG003 fires where a stage between the first and the recorded one was never visited."""

    def cases() -> Iterator[Case]:
        for stages in histories():
            span = STAGES.index(stages[-1]) - STAGES.index(stages[0]) + 1
            nothing_seen = len(stages) == 1 and not from_creation
            expected = UNKNOWN if nothing_seen else verdict_of(len(stages) < span)
            yield Case(stages, record(stages[-1]), expected, trail_of(*stages, from_creation=from_creation))
            lost = record(stages[-1], status="lost")
            yield Case(("lost", *stages), lost, NOT_DUE, trail_of(*stages, from_creation=from_creation))
        yield Case("no history", record("solution"), UNKNOWN)

    check("STG003", cases())


def test_a_skipped_outcome_that_is_denied_makes_it_an_error():
    """STG003 is an error where an outcome of a skipped stage is known not to be met, else a warning."""
    trail = trail_of("prospect", "solution")
    facts_of_skipped = (LETTER, ASSESSMENT, OUTCOMES["develop"][0])
    for facts in combinations(facts_of_skipped):
        letter, assessment, plan = facts.values()
        finding = COURT.finding("STG003", record("solution", through("prospect") | facts), trail)
        denied = plan is False or (letter is False and assessment is False)
        assert finding.severity == ("error" if denied else "warning"), facts
        assert finding.expected == ["qualify", "develop"]
        assert finding.fix is None


def test_a_skipped_outcome_of_tomorrow_is_denied():
    """A skipped stage's outcome that is dated tomorrow is not met today, so STG003 is an error."""
    severities = [
        COURT.finding(
            "STG003", record("develop", through("prospect", qualify=when)), trail_of("prospect", "develop")
        ).severity
        for when in (day(0), day(1))
    ]

    assert severities == ["warning", "error"]


def test_outcomes_of_visited_stages_leave_it_a_warning():
    """Denied outcomes of stages that were visited do not make STG003 an error."""
    facts = through(None, rest=None, prospect=False, solution=False)

    finding = COURT.finding("STG003", record("solution", facts), trail_of("prospect", "develop", "solution"))

    assert finding.severity == "warning"
    assert finding.phrase == "Prospect Qualify Develop Solution Proof Close Deploy Support"


def test_status_against_stage():
    """STG004: won belongs in Deploy and Support, lost before them, open anywhere; no known status is unknown."""
    vague = {"missing": {"missing": ("status",)}, "unreadable": {"unreadable": (("status", "paused"),)}}

    def cases() -> Iterator[Case]:
        for stage in STAGES:
            late = stage in ("deploy", "support")
            yield Case(("open", stage), record(stage), HOLDS)
            yield Case(("won", stage), record(stage, status="won"), verdict_of(not late))
            yield Case(("lost", stage), record(stage, status="lost"), verdict_of(late))
            for name, fields in vague.items():
                yield Case((name, stage), record(stage, **fields), UNKNOWN)
        yield Case("no stage", record(None, status="won"), NOT_DUE)

    check("STG004", cases())


@pytest.mark.parametrize("rest", [False, None])
@pytest.mark.parametrize("reach", [None, *PIPELINE])
@pytest.mark.parametrize("stage", STAGES[:7])
def test_a_won_record_moves_only_on_proof(stage, reach, rest):
    """A won record moves to Deploy, unsafely and with its figure, only where Deploy or Support is proven."""
    finding = COURT.finding("STG004", record(stage, through(reach, rest=rest), status="won"))

    fix = finding.fix
    assert (finding.severity, finding.phrase) == ("error", "Signed documents")
    if reach not in ("close", "deploy"):
        assert fix is None
        return
    wanted = {"stage": Edit(stage, "deploy"), "probability": Edit(FIGURES[stage], 100)}
    assert (fix.safety, fix.set) == ("unsafe", wanted)


@pytest.mark.parametrize("stage", ["deploy", "support"])
def test_a_lost_record_has_no_fix(stage):
    """A lost record in Deploy or Support breaks STG004, whatever it proves, and nothing is proposed."""
    finding = COURT.finding("STG004", record(stage, through("deploy"), status="lost"))

    assert (finding.field, finding.actual, finding.severity, finding.fix) == ("status", "lost", "error", None)


def lagging(column: str, **changed: object) -> dict[str, object]:
    """Every outcome up to and including a column met long ago; `changed` by column."""
    return through(column, met=day(-30), **changed)


@pytest.mark.parametrize("stage", PIPELINE)
@pytest.mark.parametrize(
    ("offset", "expected"), [(-400, FIRES), (-15, FIRES), (-14, HOLDS), (-1, HOLDS), (0, HOLDS), (1, HOLDS)]
)
def test_grace(stage, offset, expected):
    """STG005 fires more than 14 days after the outcome of the recorded stage; exactly 14 days are within the grace."""
    facts = lagging(stage, **{stage: day(offset)})

    assert COURT.says("STG005", record(stage, facts)) == expected


@pytest.mark.parametrize(
    ("grace", "offset", "expected"), [(0, 0, HOLDS), (0, -1, FIRES), (30, -30, HOLDS), (30, -31, FIRES)]
)
def test_grace_as_configured(grace, offset, expected):
    """The grace of STG005 is a setting, in days."""
    court = Court(Policy(options={"STG005": {"grace_days": grace}}))

    assert court.says("STG005", record("develop", lagging("develop", develop=day(offset)))) == expected


@pytest.mark.parametrize("status", ["open", "won", "lost"])
@pytest.mark.parametrize("stage", STAGES)
def test_who_can_lag(stage, status):
    """STG005 is due for open records in Prospect to Deploy only."""
    due = FIGURES[stage] is not None and status == "open"

    assert COURT.says("STG005", record(stage, lagging("deploy"), status=status)) == (FIRES if due else NOT_DUE)


@pytest.mark.parametrize("stage", PIPELINE)
@pytest.mark.parametrize("reach", ["own", "deploy"])
def test_one_step(stage, reach):
    """STG005 proposes, unsafely, exactly one stage up with its figure, however much more is proven."""
    following = STAGES[STAGES.index(stage) + 1]

    finding = COURT.finding("STG005", record(stage, lagging(stage if reach == "own" else "deploy")))

    wanted = {"stage": Edit(stage, following), "probability": Edit(FIGURES[stage], FIGURES[following])}
    assert (finding.fix.safety, finding.fix.set) == ("unsafe", wanted)
    assert (finding.severity, finding.field, finding.expected) == ("warning", "stage", following)
    assert finding.phrase == "Confirm verifiable outcome and update Siebel"


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param(lagging("develop", develop=True), UNKNOWN, id="undated"),
        pytest.param(lagging("develop", develop=False), HOLDS, id="own outcome not met"),
        pytest.param(lagging("develop", develop=None), UNKNOWN, id="own outcome unknown"),
        pytest.param(lagging("develop", prospect=False), HOLDS, id="an earlier outcome not met"),
        pytest.param(lagging("develop", prospect=None), UNKNOWN, id="an earlier outcome unknown"),
        pytest.param(lagging("develop", demand_generation=False), FIRES, id="demand generation holds nobody back"),
        pytest.param(through("develop", met=True, develop=day(-30)), FIRES, id="only the own date matters"),
        pytest.param(lagging("develop") | {"develop.power_access": day(-1)}, FIRES, id="a checkpoint's date"),
    ],
)
def test_what_lags(facts, expected):
    """STG005 needs every outcome through the recorded stage met, and the own one dated."""
    assert COURT.says("STG005", record("develop", facts)) == expected


def test_the_earliest_date_counts():
    """In Qualify the earlier date among the met facts starts the grace."""
    facts = lagging("prospect") | {LETTER: day(-20), ASSESSMENT: day(-3)}

    assert COURT.says("STG005", record("qualify", facts)) == FIRES
    assert COURT.says("STG005", record("qualify", facts | {LETTER: False})) == HOLDS


def test_ahead_of_the_evidence():
    """STG006 fires for open records from Qualify on with an earlier outcome not met; unknown ones leave it open."""
    names = (SPONSOR, LETTER, ASSESSMENT, OUTCOMES["develop"][0])
    columns = ("prospect", "qualify", "develop")

    def cases() -> Iterator[Case]:
        for stage, status, facts in itertools.product(STAGES[:5], ("open", "won", "lost"), combinations(names)):
            earlier = columns[: max(0, STAGES.index(stage) - 1)]
            outcomes = [told(lambda *legs: any(legs), (facts[name] for name in OUTCOMES[one])) for one in earlier]
            fault = True if False in outcomes else None if None in outcomes else False
            due = bool(earlier) and status == "open"
            yield Case(
                (stage, status, facts), record(stage, facts, status=status), verdict_of(fault) if due else NOT_DUE
            )

    check("STG006", cases())


@pytest.mark.parametrize("rest", STATES)
def test_back_to_the_possible_stage(rest):
    """STG006 proposes, unsafely, the possible stage with its figure, whatever the later outcomes."""
    finding = COURT.finding("STG006", record("deploy", through("prospect", rest=rest, qualify=False)))

    assert (finding.fix.safety, finding.severity) == ("unsafe", "error")
    assert finding.fix.set == {"stage": Edit("deploy", "qualify"), "probability": Edit(100, 10)}
    assert finding.message == "recorded Deploy, evidence allows Qualify"
    assert finding.phrase == "Verifiable Outcomes"


@pytest.mark.parametrize("column", PIPELINE)
@pytest.mark.parametrize(("state", "expected"), [(True, 1), (False, 0), (None, 0), (day(1), 0)])
def test_proven_stage(column, state, expected):
    """The proven stage passes a column whose outcome is met, and stops at one not met, unknown or in the future."""
    verdict = COURT.verdict(record("prospect", through(column, **{column: state})))

    assert verdict.proven == STAGES[STAGES.index(column) + expected]


@pytest.mark.parametrize("column", PIPELINE)
@pytest.mark.parametrize(("state", "expected"), [(True, 1), (False, 0), (None, 1), (day(1), 0)])
def test_possible_stage(column, state, expected):
    """The possible stage passes a column whose outcome is met or unknown, and stops at one not met."""
    verdict = COURT.verdict(record("prospect", through(column, **{column: state})))

    assert verdict.possible == STAGES[STAGES.index(column) + expected]


def test_won_records_are_judged_like_open_ones():
    """Every rule but STG005 and STG006 is due for a won record exactly where it is for an open one."""
    for stage in STAGES:
        facts = through("develop", met=day(-30))
        by_status = [COURT.verdict(record(stage, facts, status=status)).due for status in ("open", "won")]
        assert by_status[0] - by_status[1] <= {"STG005", "STG006"}
        assert by_status[1] <= by_status[0]


def test_a_stage_the_chart_no_longer_has():
    """A history that begins in a stage the chart does not know leaves STG002 undecided."""
    trail = Trail((visit("negotiation", day(-7)), visit("proof", day(0))), from_creation=True)

    assert COURT.says("STG002", record("proof"), trail) == UNKNOWN
