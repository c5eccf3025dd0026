"""How a process file is read, what is refused, and what a process says about its columns."""

import shutil
from pathlib import Path

import pytest

from syncd.errors import ConfigError
from syncd.process import Process, load_process

OTHER = Path(__file__).parent / "data" / "other-process.toml"

HEAD = 'name = "small"\n'


def stage(name: str, probability: float | None = None, extra: str = "") -> str:
    figure = "" if probability is None else f"probability = {probability}\n"
    return f'[[stages]]\nid = "{name}"\nname = "{name.title()}"\n{figure}{extra}\n'


def load(tmp_path: Path, text: str) -> Process:
    path = tmp_path / "small.toml"
    path.write_text(text, encoding="utf-8")
    return load_process(path)


@pytest.fixture(name="other", scope="module")
def other_process() -> Process:
    return load_process(OTHER)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            HEAD + stage("a", 1, "probabilty = 2"),
            ["stages[0].probabilty: unknown key; did you mean 'probability'?", ":6:"],
        ),
        (HEAD + 'owner = "me"\n' + stage("a", 1), ["owner: unknown key", ":2:"]),
        (
            HEAD + stage("a", 1, 'outcomes = [{ fact = "f", text = "F", date = "d" }]'),
            ["stages[0].outcomes[0].date: unknown key"],
        ),
        (stage("a", 1), ["name is missing"]),
        (HEAD, ["stages is missing"]),
        (HEAD + "stages = []\n", ["stages", ">= 1"]),
        (HEAD + stage("a", 1) + stage("b", 2) + stage("a", 3), ["'a'", "twice"]),
        (HEAD + stage("a", 1) + '[[stages]]\nid = "b"\nname = "A"\nprobability = 2\n', ["'a'", "names two"]),
        (HEAD + stage("a", 1) + stage("b") + stage("c", 2), ["stand together"]),
        (HEAD + stage("a", 1) + stage("b", 20) + stage("c", 10), ["must rise"]),
        (HEAD + stage("a", 10) + stage("b", 10), ["must rise"]),
        (HEAD + stage("a") + stage("b"), ["needs a probability"]),
        (HEAD + stage("a", 101), ["<= 100", "probability"]),
        (HEAD + stage("a", -1), [">= 0", "probability"]),
        (HEAD + '[[stages]]\nid = "a"\nname = "A"\nprobability = nan\n', ["probability"]),
        (HEAD + '[[stages]]\nid = "a"\nname = "A"\nprobability = "10%"\n', ["probability", "a number, not '10%'"]),
        (HEAD + '[[stages]]\nid = "In Work"\nname = "A"\nprobability = 1\n', ["regex", "id"]),
        (HEAD + 'won = "c"\n' + stage("a", 1) + stage("b", 2), ["won", "'c'", "a, b", ":2:"]),
        (HEAD + stage("a", 1, 'outcomes = [{ fact = "f", text = "F" }, { fact = "f", text = "G" }]'), ["'a'", "twice"]),
        ("name = \n", ["toml:1:", "is not TOML"]),
    ],
    ids=[
        "unknown key of a stage",
        "unknown key of the file",
        "unknown key of an outcome",
        "no name",
        "no stages",
        "empty stages",
        "duplicate id",
        "name of one is the id of another",
        "gap in the probabilities",
        "falling probabilities",
        "equal probabilities",
        "no probabilities",
        "above 100",
        "below 0",
        "not a number",
        "text",
        "id with a space",
        "won in no stage",
        "duplicate fact",
        "not TOML",
    ],
)
def test_a_process_that_cannot_work_is_refused(tmp_path, text, words):
    """A file that describes no workable process is refused by name, with what is wrong in it."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)

    assert {problem.file for problem in caught.value.problems} == {str(tmp_path / "small.toml")}
    assert [word for word in words if word not in str(caught.value)] == []


def test_every_problem_is_reported_at_once(tmp_path):
    """Several independent faults come in one error, one problem each."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, HEAD + 'won = "z"\n' + stage("a", 5) + stage("a", 4))

    assert len(caught.value.problems) == 3


def test_a_file_that_does_not_exist_is_named(tmp_path):
    """A path that leads nowhere gives an error naming it, not a traceback."""
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read: No such file"):
        load_process(tmp_path / "nowhere.toml")


def test_a_folder_is_no_process_file(tmp_path):
    """A folder in place of the file gives an error naming it."""
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        load_process(tmp_path)

    assert caught.value.problems[0].file == str(tmp_path)


def test_a_file_that_is_not_utf8_is_named(tmp_path):
    """Bytes that are no UTF-8 give an error naming the file."""
    path = tmp_path / "latin.toml"
    path.write_bytes('name = "Prüfung"\n'.encode("latin-1"))

    with pytest.raises(ConfigError, match="utf-8") as caught:
        load_process(path)

    assert caught.value.problems[0].file == str(path)


def test_another_companys_process_loads(other):
    """A process with other stages, figures and facts is read as it stands."""
    assert [(one.index, one.id, one.probability) for one in other.stages] == [
        (0, "lead", None),
        (1, "discovery", 5),
        (2, "evaluation", 35),
        (3, "contract", 75),
        (4, "live", 100),
    ]
    assert (other.name, other.title, other.won_index) == ("subscriptions", "How we sell subscriptions", 4)
    assert other.stages[1].outcome == "Need written down and confirmed, or trial requested"
    assert other.stages[3].outcome == "Order signed"


def test_evidence_ids_follow_the_chart(other):
    """Evidence ids are `<stage>.<fact>`: of each column its outcomes, then its checkpoints, then its key steps."""
    assert other.evidence == (
        "lead.fit_confirmed",
        "discovery.need_confirmed",
        "discovery.trial_requested",
        "discovery.budget_holder",
        "discovery.deadline",
        "discovery.consequence",
        "discovery.account_team",
        "evaluation.trial_passed",
        "evaluation.security_answered",
        "contract.order_signed",
        "contract.dpa_final",
        "live.in_use",
    )
    assert [other.evidence[bit] for bit in other.evidence_index.values()] == list(other.evidence_index)


def test_phrases_carry_ids_and_facts(other):
    """Each phrase of a column has an id of its own, nested key steps after the one that holds them."""
    assert list(other.stages[1].phrases()) == [
        ("discovery.objective", "Understand what the customer wants to change", ()),
        (
            "discovery.outcome",
            "Need written down and confirmed, or trial requested",
            ("discovery.need_confirmed", "discovery.trial_requested"),
        ),
        ("discovery.checkpoint.1", "Budget holder known", ("discovery.budget_holder",)),
        (
            "discovery.checkpoint.2",
            "Date by which it must work, and what happens if it does not",
            ("discovery.deadline", "discovery.consequence"),
        ),
        ("discovery.key_step.1", "Hold the discovery call, covering:", ()),
        ("discovery.key_step.1.1", "Today's way of working", ()),
        ("discovery.key_step.1.2", "What it costs", ()),
        ("discovery.key_step.2", "Name the account team", ("discovery.account_team",)),
    ]


def test_alternatives_share_an_outcome_mask(other):
    """A column's outcome mask has the bit of every fact that can make its outcome, and no other."""
    assert [other.outcome_mask(index) for index in range(5)] == [
        1 << 0,
        1 << 1 | 1 << 2,
        1 << 7,
        1 << 9,
        1 << 11,
    ]


def test_alternatives_without_a_phrase_are_joined(tmp_path):
    """Where the file gives no phrase for the outcome, its alternatives stand in for it, joined by OR."""
    outcomes = 'outcomes = [{ fact = "f", text = "One" }, { fact = "g", text = "Other" }]'

    assert load(tmp_path, HEAD + stage("a", 1, outcomes)).stages[0].outcome == "One OR Other"


def test_a_column_without_outcomes_has_an_empty_mask(tmp_path):
    """A column that names no facts asks for none."""
    assert load(tmp_path, HEAD + stage("a", 1)).outcome_mask(0) == 0


def test_weight_before_within_and_after_the_pipeline(tmp_path):
    """A column before the first figure weighs nothing, one after the last weighs as that one does."""
    process = load(tmp_path, HEAD + stage("a") + stage("b", 0) + stage("c", 12.5) + stage("d", 90) + stage("e"))

    assert [process.weight(index) for index in range(5)] == [0, 0, 12.5, 90, 90]
    assert [process.in_pipeline(index) for index in range(5)] == [False, True, True, True, False]
    assert (process.first_index, process.last_index) == (1, 3)


def test_whole_probabilities_are_whole_numbers(tmp_path):
    """`40` and `40.0` are the same figure and print alike; a figure with a fraction keeps it."""
    process = load(tmp_path, HEAD + stage("a", 12.5) + stage("b", 40.0) + stage("c", 75))

    assert [repr(one.probability) for one in process.stages] == ["12.5", "40", "75"]
    assert process.probabilities == {12.5, 40, 75}


def test_a_won_record_belongs_in_the_last_column_with_a_figure_by_default(tmp_path):
    """Without `won` it is the last column with a probability; with it, the one named."""
    stages = stage("a", 1) + stage("b", 50) + stage("c", 90) + stage("d")

    assert load(tmp_path, HEAD + stages).won_index == 2
    assert load(tmp_path, HEAD + 'won = "b"\n' + stages).won_index == 1


def test_outcome_rules_are_numbered_by_column(tmp_path):
    """The first nine columns have OUT001 to OUT009; later ones skip the numbers other rules have."""
    process = load(tmp_path, HEAD + "".join(stage(name, 2 + at) for at, name in enumerate("abcdefghijk")))

    rules = [one.outcome_rule for one in process.stages]

    assert rules == [*(f"OUT00{number}" for number in range(1, 10)), "OUT110", "OUT111"]


def test_the_digest_tells_contents_apart_and_not_places(tmp_path):
    """Two copies of a file have one digest; a changed one has another."""
    copy = tmp_path / "elsewhere.toml"
    shutil.copy(OTHER, copy)
    same = load_process(copy).digest
    copy.write_text(copy.read_text(encoding="utf-8").replace("35", "36"), encoding="utf-8")

    assert same == load_process(OTHER).digest
    assert same != load_process(copy).digest
