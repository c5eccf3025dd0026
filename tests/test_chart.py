"""The shipped chart is the sheet, word for word, and its coverage table is complete and true to it."""

import html
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

import mappings
from syncd.coverage import load_coverage
from syncd.errors import ConfigError
from syncd.process import KeyStep, Process, load_process
from syncd.rules import catalogue

CHART = Path(mappings.__file__).with_name("mssp.toml")
COVERAGE = CHART.with_name("mssp-coverage.toml")
SEED = Path(__file__).parent / "data" / "mssp-seed.txt"

STAGES = ["demand_generation", "prospect", "qualify", "develop", "solution", "proof", "close", "deploy", "support"]

EVIDENCE = {
    "demand_generation": "qualified_prospect | campaigns_executed",
    "prospect": "sponsor_identified | in_territory_or_account | meets_criteria",
    "qualify": "sponsor_letter_agreed assessment_completed | sponsor_pain compelling_event | sponsor_vision"
    " | sponsor_explores | power_access_negotiated",
    "develop": "eval_plan_agreed | power_access | power_pain | power_vision"
    " | partner_selected services_selected expectations_agreed | eval_plan_proposed",
    "solution": "preliminary_solution_agreed | eval_plan_underway",
    "proof": "verbal_approval | eval_plan_completed | proposal_reviewed | business_asked | proposal_issued",
    "close": "documents_signed | contract_final deployment_sow_final support_plan_final",
    "deploy": "deployed | new_prospects_captured | conditions_determined | readiness_reassessed",
    "support": "supportability_review | plan_reviewed | feedback_loop | conditions_reviewed",
}
"""Of each stage the facts of its outcome, then those of each checkpoint."""


def fold(text: str) -> str:
    return " ".join(text.split())


class Lists(HTMLParser):
    """Reads a cell of nested lists into (text, items within) pairs; refuses text that is in no item."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[list] = []
        self.open: list[list] = []

    def handle_starttag(self, tag, attrs):  # noqa: ARG002 - the signature of HTMLParser
        if tag == "li":
            item = ["", []]
            (self.open[-1][1] if self.open else self.items).append(item)
            self.open.append(item)

    def handle_endtag(self, tag):
        if tag == "li":
            self.open.pop()

    def handle_data(self, data):
        if self.open:
            self.open[-1][0] += data
        else:
            assert not data.strip()


def listed(cell: str) -> list:
    parser = Lists()
    parser.feed(cell)
    parser.close()
    return folded(parser.items)


def folded(items: list) -> list:
    return [(fold(text), folded(within)) for text, within in items]


def sheet() -> dict[str, list[str]]:
    lines = [line.split("\t") for line in SEED.read_text(encoding="utf-8").splitlines() if "\t" in line]
    return {heading: cells for heading, *cells in lines}


def sheet_text() -> str:
    """The whole sheet as one line: tags stripped, entities resolved, white space folded."""
    return fold(html.unescape(re.sub(r"<[^>]*>", " ", SEED.read_text(encoding="utf-8"))))


def columns_of_sheet() -> list[dict]:
    rows = sheet()
    return [
        {
            "name": rows["Sales Cycle Stage"][at],
            "probability": None if rows["Probability"][at] == "NA" else int(rows["Probability"][at].removesuffix("%")),
            "objective": fold(html.unescape(rows["Sales Stage Objective"][at])),
            "outcome": fold(html.unescape(rows["Verifiable Outcomes"][at])),
            "checkpoints": listed(rows["Checkpoints"][at]),
            "key_steps": listed(rows["Key Steps"][at]),
        }
        for at in range(len(rows["Sales Cycle Stage"]))
    ]


def nested(steps: tuple[KeyStep, ...]) -> list:
    return [(step.text, nested(step.steps)) for step in steps]


def columns_of_chart(process: Process) -> list[dict]:
    return [
        {
            "name": stage.name,
            "probability": stage.probability,
            "objective": stage.objective,
            "outcome": stage.outcome,
            "checkpoints": [(one.text, []) for one in stage.checkpoints],
            "key_steps": nested(stage.key_steps),
        }
        for stage in process.stages
    ]


def altered(tmp_path: Path, path: Path, old: str, new: str) -> Path:
    """A copy of a shipped file with one place changed."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    copy = tmp_path / path.name
    copy.write_text(text.replace(old, new), encoding="utf-8")
    return copy


@pytest.fixture(name="process", scope="module")
def mssp() -> Process:
    return load_process(CHART)


def test_the_sheet_has_the_rows_and_columns_it_is_read_by():
    """The sheet is a table of six rows with nine cells each, so that no cell goes uncompared."""
    assert {heading: len(cells) for heading, cells in sheet().items()} == {
        "Sales Cycle Stage": 9,
        "Probability": 9,
        "Sales Stage Objective": 9,
        "Verifiable Outcomes": 9,
        "Checkpoints": 9,
        "Key Steps": 9,
    }


@pytest.mark.parametrize("row", ["name", "probability", "objective", "outcome", "checkpoints", "key_steps"])
def test_the_chart_equals_the_sheet_cell_by_cell(process, row):
    """Every cell of the sheet stands in the chart in its own words, lists in their order and nesting."""
    assert [column[row] for column in columns_of_chart(process)] == [column[row] for column in columns_of_sheet()]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('products/ solutions"\noutcomes', 'products/solutions"\noutcomes'),
        ('SOW issued \N{EN DASH} decision due", facts', 'SOW issued - decision due", facts'),
        ("probability = 40", "probability = 45"),
        ('    { text = "Screen raw prospects" },\n', ""),
        (
            '        { text = "Build value proposition" },\n    ',
            '    ] },\n    { text = "Build value proposition", steps = [',
        ),
    ],
    ids=["spacing", "dash", "figure", "lost key step", "nesting"],
)
def test_a_drifted_chart_is_not_the_sheet(tmp_path, old, new):
    """The comparison notices a changed space, dash, figure, a lost entry and a changed nesting."""
    drifted = load_process(altered(tmp_path, CHART, old, new))

    assert columns_of_chart(drifted) != columns_of_sheet()


def test_the_counts_of_the_sheet(process):
    """The chart has 24 checkpoints and 64 key steps, nested ones included, column by column as the sheet has."""
    kinds = [Counter(name.split(".")[1] for name, _, _ in stage.phrases()) for stage in process.stages]

    assert [stage.id for stage in process.stages] == STAGES
    assert [kind["checkpoint"] for kind in kinds] == [1, 2, 4, 5, 1, 4, 1, 3, 3]
    assert [kind["key_step"] for kind in kinds] == [8, 6, 6, 13, 8, 8, 4, 6, 5]


def test_na_is_absent_and_zero_is_a_figure(process):
    """The two NA columns have no probability, which is not the 0 of Prospect."""
    assert [stage.probability for stage in process.stages] == [None, 0, 10, 20, 40, 60, 80, 100, None]
    assert (process.first_index, process.last_index) == (1, 7)


def test_a_won_record_belongs_in_deploy(process):
    """The process is `mssp` and a won record belongs in Deploy or after."""
    assert (process.name, process.stages[process.won_index].id) == ("mssp", "deploy")


@pytest.mark.parametrize("stage", STAGES)
def test_the_evidence_ids_stand_where_the_contract_puts_them(process, stage):
    """Each outcome and each checkpoint consists of the evidence ids that mappings and waivers are written against."""
    column = process.stages[process.stage_index[stage]]

    facts = [[one.fact for one in column.outcomes], *(list(one.facts) for one in column.checkpoints)]

    assert facts == [group.split() for group in EVIDENCE[stage].split("|")]


def test_each_evidence_id_stands_once(process):
    """No fact is listed in two places, and beyond outcomes and checkpoints only the two v-teams leave one."""
    facts = [fact for stage in process.stages for _, _, ids in stage.phrases() for fact in ids]
    expected = {f"{stage}.{fact}" for stage, row in EVIDENCE.items() for fact in row.replace("|", "").split()}

    assert [fact for fact, count in Counter(facts).items() if count > 1] == []
    assert set(facts) == expected | {"qualify.v_team", "develop.v_team"}
    assert set(process.evidence) == set(facts)


def test_the_v_teams_are_facts_of_their_key_steps(process):
    """The two key steps that set up a team leave a fact behind."""
    found = {text: ids for stage in process.stages for name, text, ids in stage.phrases() if ids and "key_step" in name}

    assert found == {
        "Establish qualification v-team (including services)": ("qualify.v_team",),
        "Establish opty v-team": ("develop.v_team",),
    }


def test_only_qualify_has_alternatives(process):
    """Qualify's outcome has two facts, either of which suffices; its phrase and every other outcome stay whole."""
    alternatives = {stage.id: [one.text for one in stage.outcomes] for stage in process.stages}

    assert alternatives.pop("qualify") == ["Sponsor letter agreed upon", "Opportunity Assessment completed"]
    assert alternatives == {stage.id: [stage.outcome] for stage in process.stages if stage.id != "qualify"}


def test_the_coverage_table_is_complete_and_in_chart_order(process):
    """Every name, probability and phrase of the chart has one entry: rules, or the reason why there are none."""
    expected = []
    for stage in process.stages:
        figure = "NA" if stage.probability is None else f"{stage.probability}%"
        expected += [(f"{stage.id}.name", stage.name), (f"{stage.id}.probability", figure)]
        expected += [(name, text) for name, text, _ in stage.phrases()]

    entries = load_coverage(COVERAGE, process)

    assert [(entry.id, entry.text) for entry in entries] == expected
    assert [entry.id for entry in entries if bool(entry.rules) == bool(entry.reason)] == []
    assert [entry.id for entry in entries if entry.id.split(".")[:2] != [entry.stage, entry.kind]] == []


def test_how_much_of_the_chart_is_checked(process):
    """All names, probabilities and outcomes, 19 of 24 checkpoints and 14 of 64 key steps are checked; aims are not."""
    entries = load_coverage(COVERAGE, process)

    totals = Counter(entry.kind for entry in entries)
    checked = Counter(entry.kind for entry in entries if entry.rules)

    assert {kind: (checked[kind], totals[kind]) for kind in totals} == {
        "name": (9, 9),
        "probability": (9, 9),
        "objective": (0, 9),
        "outcome": (9, 9),
        "checkpoint": (19, 24),
        "key_step": (14, 64),
    }


def test_which_checkpoints_no_rule_checks(process):
    """The five checkpoints without a rule are the ones named in the reading of the chart."""
    entries = load_coverage(COVERAGE, process)

    assert [entry.text for entry in entries if entry.kind == "checkpoint" and not entry.rules] == [
        "Campaigns executed",
        "Ask for business",
        "Support plan reviewed with customer",
        "Feedback loop established with partner",
        "Conditions of satisfaction reviewed with customer",
    ]


def test_each_outcome_is_checked_by_the_rule_of_its_column(process):
    """The rule that asks for a column's outcome is among those listed for it."""
    entries = {entry.id: entry for entry in load_coverage(COVERAGE, process)}

    lacking = [stage.id for stage in process.stages if stage.outcome_rule not in entries[f"{stage.id}.outcome"].rules]

    assert lacking == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"close.outcome" = { phrase = "Signed documents"',
            '"close.outcme" = { phrase = "Signed documents"',
            "close.outcome?",
        ),
        ('"close.outcome" = {', '# "close.outcome" = {', "close.outcome: no entry says what checks the phrase"),
        (
            '"close.objective" = { phrase = "Conduct n',
            '"close.objective" = { phrase = "N',
            "close.objective: the chart says",
        ),
        (
            'rules = ["CHK011"]',
            "rules = []",
            "close.checkpoint.1: needs either rules or not_checkable, and has neither",
        ),
        (
            'rules = ["CHK011"]',
            'rules = ["CHK011"], not_checkable = "no"',
            "close.checkpoint.1: needs either rules or not_checkable, and has both",
        ),
        ('rules = ["CHK011"]', 'rule = ["CHK011"]', "close.checkpoint.1: Object contains unknown field `rule`"),
        ('rules = ["CHK011"]', 'rules = "CHK011"', "close.checkpoint.1: Expected `array`, got `str`"),
        ('rules = ["CHK011"]', "rules = [", "line"),
    ],
    ids=["unknown phrase", "no entry", "other text", "neither", "both", "unknown key", "wrong type", "not TOML"],
)
def test_a_drifted_coverage_table_is_refused(tmp_path, process, old, new, message):
    """A table that does not fit the chart is refused, naming file and phrase."""
    path = altered(tmp_path, COVERAGE, old, new)

    with pytest.raises(ConfigError) as caught:
        load_coverage(path, process)

    assert {problem.file for problem in caught.value.problems} == {str(path)}
    assert message in str(caught.value)


def test_a_fault_in_the_coverage_table_says_its_line(tmp_path, process):
    """An error about an entry carries the line the entry stands on."""
    path = altered(tmp_path, COVERAGE, 'rules = ["CHK011"]', "rules = []")
    lines = path.read_text(encoding="utf-8").splitlines()

    with pytest.raises(ConfigError) as caught:
        load_coverage(path, process)

    assert [lines[problem.line - 1].split(" ")[0] for problem in caught.value.problems] == ['"close.checkpoint.1"']


@pytest.mark.parametrize(
    ("old", "new", "entries"),
    [
        ('{ text = "Ask for business"', '{ text = "Ask for the business"', ["proof.checkpoint.3"]),
        ('    { text = "Monitor support plan progress" },\n', "", ["support.key_step.5", "support.key_step.4"]),
        ("probability = 40", "probability = 45", ["solution.probability"]),
    ],
    ids=["reworded", "removed", "figure"],
)
def test_a_drifted_chart_no_longer_fits_its_coverage_table(tmp_path, old, new, entries):
    """A chart that was reworded, shortened or given other figures is refused until its table is looked at again."""
    drifted = load_process(altered(tmp_path, CHART, old, new))

    with pytest.raises(ConfigError) as caught:
        load_coverage(COVERAGE, drifted)

    assert [problem.message.split(":")[0] for problem in caught.value.problems] == entries


def test_a_coverage_table_that_cannot_be_read_is_named(tmp_path, process):
    """A path that leads nowhere gives an error naming it."""
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read: No such file"):
        load_coverage(tmp_path / "nowhere.toml", process)


def test_every_quoted_phrase_stands_in_the_sheet(process):
    """What a rule says the chart says, the chart says, to the letter."""
    text = sheet_text()
    quoted = [(rule.code, phrase) for rule in catalogue(process) for phrase in rule.phrases]

    assert quoted
    assert [(code, phrase) for code, phrase in quoted if phrase not in text] == []


def test_the_coverage_table_names_only_rules_that_exist(process):
    """Each code in the table, in its reasons too, is a rule of the catalogue."""
    codes = {rule.code for rule in catalogue(process)}
    entries = load_coverage(COVERAGE, process)
    named = {code for entry in entries for code in (*entry.rules, *re.findall(r"\b[A-Z]{3}\d{3}\b", entry.reason))}

    assert named - codes == set()


def test_every_rule_that_quotes_the_chart_is_in_the_coverage_table(process):
    """A rule with a chart phrase checks at least one phrase of the table."""
    quoting = {rule.code for rule in catalogue(process) if rule.phrases}
    listed_rules = {code for entry in load_coverage(COVERAGE, process) for code in entry.rules}

    assert quoting - listed_rules == set()


def test_quotes_and_coverage_agree(process):
    """A rule that quotes a whole phrase is listed for it; a key step counts as checked only where a rule quotes it."""
    quotes = [(rule.code, phrase) for rule in catalogue(process) for phrase in rule.phrases]
    entries = load_coverage(COVERAGE, process)
    equal = {(code, entry.id) for code, phrase in quotes for entry in entries if phrase == entry.text != "NA"}
    key_steps = [entry for entry in entries if entry.kind == "key_step"]

    assert equal - {(code, entry.id) for entry in entries for code in entry.rules} == set()
    assert [entry.id for entry in key_steps if entry.rules] == [
        entry.id for entry in key_steps if any(phrase in entry.text for _, phrase in quotes)
    ]
