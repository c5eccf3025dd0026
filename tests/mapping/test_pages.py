"""Pages are read column by column, and that makes no difference: each row comes to what it would come to alone."""

from datetime import date, datetime
from decimal import Decimal
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.adapter import MISSING, Percent
from syncd.form import UNTOLD, Former
from syncd.mapping import Mapper, load_mapping
from syncd.mapping.values import Reading
from syncd.model import FIELD_BIT, Opportunity
from tests.store.runs import MAPPINGS, MSSP

MAPPING = """
date_formats = ["%d.%m.%Y"]
[constants]
currency = "EUR"
forecast = "yes"
[fields]
id = "id"
name = "name"
owner = "owner"
stage = "stage"
probability = "probability"
amount = "amount"
currency = "currency"
close_date = "close"
status = "status"
closed = "closed"
decision_due = "due"
created_at = "created"
updated_at = "updated"
source_type = "type"
[stages]
"*" = ["{id}", "{name}"]
[status]
open = ["open"]
won = ["won"]
[evidence]
"prospect.sponsor_identified" = { field = "sponsor", met = ["Done", "yes"], not_met = ["no"], date = "sponsor day", \
by = "sponsor by", ref = "sponsor ref" }
"prospect.meets_criteria" = { field = "criteria", yes_no = true, blank = "unknown" }
"qualify.sponsor_letter_agreed" = { field = "letter", yes_no = true, date = "letter day" }
"qualify.assessment_completed" = { child = "activities", where = { kind = ["Assessment", "audit"] }, date = "day", \
by = "who", ref = "paper" }
"develop.eval_plan_agreed" = { field = "plan", not_met = ["no"] }
"close.documents_signed" = { field = "signed", yes_no = true }
"""
COLUMNS = (
    "id", "name", "owner", "stage", "probability", "amount", "currency", "close", "status", "closed", "due", "created",
    "updated", "type", "sponsor", "sponsor day", "sponsor by", "sponsor ref", "criteria", "letter", "letter day",
    "activities", "plan", "signed", "unused",
)  # fmt: skip
BLANK = ("", "", " ", "TBD", "-")
USUAL = {
    "id": ("1", "2", " 3 ", "-"),
    "name": ("A", "Contoso: renewal ", "tbd", "n/a"),
    "owner": ("ann", "bob"),
    "stage": ("qualify", "DEVELOP", "Support", "Nowhere"),
    "probability": ("40", "40 %", "2.5", "0"),
    "amount": ("10", "-2.50", "+3.", ".5", "0001"),
    "currency": ("usd", "GBP"),
    "status": ("open", "Won"),
    "closed": ("yes", "no"),
    "created": ("2026-01-02T10:00:00Z", "2026-01-02 10:00", "2026-01-02T10:00:00+02:00"),
    "updated": ("2026-01-02T10:00:00Z", "2026-01-02T23:59:59.5Z"),
    "type": ("MQP", "Referral"),
}
DAYS = ("2026-01-02", "2026-01-03", "04.01.2026", "2026-01-05T23:30:00Z")
TEXTS = (
    *BLANK,
    *DAYS,
    "yes",
    "No",
    "done",
    "1",
    "1e3",
    "1,5",
    "12:00",
    "garbage",
    "x" * 600,
    "a\x00b",
    "Zoë",
    "\uff11",
)
CHILDREN = (
    [],
    [{"kind": "Audit", "day": "2026-01-04", "who": "ann"}, {"kind": "assessment", "day": "2026-01-03", "paper": "p"}],
    [{"kind": "audit", "day": None, "paper": "-"}, {"other": 1}],
    [{"kind": "audit", "who": "bob"}],
    [{"kind": "visit"}],
    ["no dict"],
)
TYPED = (
    None, MISSING, True, False, 1, 1.0, 0, 40.5, float("nan"), Decimal("2.50"), date(2026, 1, 2),
    datetime.fromisoformat("2026-01-02"), datetime.fromisoformat("2026-01-02T23:30"), {"a": 1}, *CHILDREN,
)  # fmt: skip


@pytest.fixture(scope="module")
def mapper(tmp_path_factory) -> Mapper:
    folder = tmp_path_factory.mktemp("mapping")
    (folder / "all.toml").write_text(MAPPING)
    reading = Reading(
        business_zone=ZoneInfo("Europe/Berlin"), source_zone=ZoneInfo("America/New_York"), date_formats=("%d.%m.%Y",)
    )
    return Mapper(load_mapping("./all.toml", MSSP, (MAPPINGS,), folder), MSSP, reading)


@st.composite
def pages(draw, *, text):
    """Pages some of whose columns are blank, some as they should be, and some full of anything."""
    size = draw(st.integers(1, 12))
    columns = draw(st.lists(st.sampled_from(COLUMNS), min_size=20, unique=True))
    anything = TEXTS if text else (*TEXTS, *TYPED)
    cells = []
    for column in columns:
        usual = USUAL.get(column, ("yes", "no", *DAYS))
        if column == "activities" and not text:
            usual = CHILDREN
        pools = [("",), usual, (*BLANK, *usual), (*usual, *usual, *anything)]
        cells.append(draw(st.lists(st.sampled_from(draw(st.sampled_from(pools))), min_size=size, max_size=size)))
    return tuple(columns), list(zip(*cells, strict=True))


def alone(mapper, columns, row, *, text):
    (said,) = mapper.bind(columns, text=text).map_rows([row])
    return said


def one(mapper, **cells) -> Opportunity:
    """The opportunity of a row with these cells; its other columns do not exist."""
    given = {"id": "1", "stage": "qualify"} | {name.replace("_", " "): value for name, value in cells.items()}
    said = alone(mapper, tuple(given), tuple(given.values()), text=False)
    assert isinstance(said, Opportunity)
    return said


@pytest.mark.parametrize("text", [True, False], ids=["text", "typed"])
@pytest.mark.parametrize("remembered", [2, 20_000], ids=["forgetful", "mindful"])
def test_a_row_is_read_as_if_it_were_alone(mapper, text, remembered):
    """Whatever else stands on its page, and on the page before, and however little is remembered."""

    @settings(max_examples=60, deadline=None)
    @given(pages(text=text))
    def check(page):
        columns, rows = page
        bound = mapper.bind(columns, text=text)
        expected = [alone(mapper, columns, row, text=text) for row in rows]
        with patch("syncd.mapping.columns.REMEMBERED", remembered):
            assert bound.map_rows(rows) == expected
            assert bound.map_rows(rows[::-1]) == expected[::-1]

    check()


@settings(max_examples=100, deadline=None)
@given(page=pages(text=False))
def test_the_form_is_that_of_the_record(mapper, page):
    """Form and last day are what the finished record comes to, and the days are in the order of the evidence ids."""
    columns, rows = page
    former = Former(MSSP)
    for said in mapper.bind(columns).map_rows(rows):
        if isinstance(said, Opportunity):
            assert said == former.formed(said)
            assert list(said.dates) == sorted(said.dates)


def test_memories_are_bounded(mapper):
    """Values that never recur are forgotten again."""
    bound = mapper.bind(("id", "stage", "owner", "criteria"), text=True)
    with patch("syncd.mapping.columns.REMEMBERED", 100):
        for start in range(0, 2_000, 50):
            bound.map_rows(
                [(str(n), f"s{n}", f"o{n}", f"2026-01-{1 + n % 28:02d} {n}") for n in range(start, start + 50)]
            )
    memories = [bound._stages, *(reader for _, _, reader in bound._fields), bound._evidence._sights[0].marker]

    assert all(len(memory) + len(memory._unreadable) <= 300 for memory in memories)


def test_an_empty_page(mapper):
    """A page may hold nothing, or rows without a single column."""
    assert mapper.bind(COLUMNS).map_rows([]) == []
    assert mapper.bind(()).map_rows([(), ()]) == ["the id is missing"] * 2


@pytest.mark.parametrize(
    ("identity", "reason"),
    [
        (MISSING, "the id is missing"),
        (None, "the id is blank"),
        (" ", "the id is blank"),
        *((text, "the id is blank") for text in ("n/a", " N/A ", "tbd", "-", ".")),
        ("a\x00", "the id holds a NUL"),
        ("x" * 501, "the id is longer than 500 characters"),
    ],
)
def test_records_that_cannot_be_identified(mapper, identity, reason):
    """The others of the page are read all the same."""
    before, refused, after = mapper.bind(("stage", "id")).map_rows([("qualify", "1"), ("", identity), ("close", 2)])

    assert refused == reason
    assert [(said.id, said.stage) for said in (before, after)] == [("1", "qualify"), ("2", "close")]


def test_blank_missing_and_unreadable(mapper):
    """A blank field is None or its constant, an absent one is missing, one of the wrong type is unreadable."""
    said = one(
        mapper, name="-", amount="ten", currency="", owner=MISSING, close="soon", status="asleep", signed="maybe"
    )

    assert (said.name, said.amount, said.currency, said.owner, said.status, said.forecast) == (
        None, None, "EUR", None, "open", True,
    )  # fmt: skip
    assert said.unreadable == (("amount", "ten"), ("close_date", "soon"), ("status", "asleep"),
                               ("close.documents_signed", "maybe"))  # fmt: skip
    lacking = {name for name in FIELD_BIT if said.lacks(name)}
    assert "owner" in lacking
    assert "probability" in lacking
    assert lacking.isdisjoint({"name", "amount", "currency", "close_date", "status", "forecast", "stage"})


@pytest.mark.parametrize(
    ("label", "stage", "kept"),
    [("QUALIFY", "qualify", None), ("tbd", None, None), ("y" * 90, None, "y" * 80), (MISSING, None, None)],
)
def test_stages(mapper, label, stage, kept):
    """A label no stage has is kept as far as it is shown."""
    said = one(mapper, stage=label)

    assert (said.stage, said.stage_label, said.lacks("stage")) == (stage, kept, label is MISSING)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ({"signed": "yes"}, "met untold"),
        ({"signed": "no"}, "not_met"),
        ({"signed": "2026-01-02"}, "met dated"),
        ({"signed": ""}, "not_met"),
        ({"signed": MISSING}, ""),
        ({"signed": "perhaps"}, ""),
    ],
)
def test_evidence_in_a_field(mapper, cells, kind):
    """Yes, no or the day; what blank means is the mapping's to say."""
    assert kinds(one(mapper, **cells), "close.documents_signed") == kind


PROOF = {"sponsor_day": "", "sponsor_by": "", "sponsor_ref": ""}


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ({"sponsor": "done", **PROOF}, "met bare"),
        ({"sponsor": "done", "sponsor_by": ""}, "met untold"),
        ({"sponsor": "done", **PROOF, "sponsor_by": "ann"}, "met by"),
        ({"sponsor": "done", **PROOF, "sponsor_ref": "7", "sponsor_day": "2026-01-02"}, "met dated ref"),
        ({"sponsor": "done", **PROOF, "sponsor_day": "soon"}, "met untold"),
        ({"sponsor": "done", **PROOF, "sponsor_day": "soon", "sponsor_by": "ann"}, "met by"),
        ({"sponsor": "done", **PROOF, "sponsor_day": MISSING}, "met untold"),
        ({"sponsor": "done", **PROOF, "sponsor_by": MISSING}, "met untold"),
        ({"sponsor": "done", **PROOF, "sponsor_ref": MISSING, "sponsor_by": "ann"}, "met by"),
        ({"sponsor": "no", **PROOF, "sponsor_day": "2026-01-02", "sponsor_by": "ann"}, "not_met"),
        ({"sponsor": "", **PROOF, "sponsor_by": "ann"}, "not_met"),
        ({"sponsor": "perhaps", **PROOF}, ""),
    ],
)
def test_evidence_with_its_proof(mapper, cells, kind):
    """Only a fact that is met has a day, a confirmer and a document."""
    assert kinds(one(mapper, **cells), "prospect.sponsor_identified") == kind


@pytest.mark.parametrize(
    ("children", "kind"),
    [
        *zip(CHILDREN, ["not_met", "met dated ref", "met untold", "met by", "not_met", ""], strict=True),
        *((other, "") for other in (None, MISSING, "text")),
    ],
)
def test_evidence_in_child_components(mapper, children, kind):
    """A matching row is met from the earliest day on, none is not met, what cannot be read is unknown."""
    assert kinds(one(mapper, activities=children), "qualify.assessment_completed") == kind


def kinds(said: Opportunity, name: str) -> str:
    """Everything a record says of one evidence id."""
    number = MSSP.evidence_index[name]
    sets = {kind: bool(getattr(said, kind) >> number & 1) for kind in ("met", "not_met", "bare", "untold")}
    return " ".join(
        kind
        for kind, holds in (
            *sets.items(), ("dated", number in said.dates), ("by", number in said.by), ("ref", number in said.ref)
        )
        if holds
    )  # fmt: skip


def test_a_fact_without_proof_counts_in_the_form_only_among_outcomes(mapper):
    """Whether the sponsor meets the criteria is no outcome, whether documents were signed is."""
    assert not one(mapper, criteria="yes").form & UNTOLD
    assert one(mapper, signed="yes").form & UNTOLD


def test_typed_numbers_among_texts(tmp_path):
    """A number is that number and a text is read by its marks, on the same page and of the same look."""
    (tmp_path / "comma.toml").write_text(MAPPING)
    reading = Reading(
        business_zone=ZoneInfo("UTC"),
        source_zone=ZoneInfo("UTC"),
        decimal_mark=",",
        probability_scale="fraction",
    )
    mapper = Mapper(load_mapping("./comma.toml", MSSP, (MAPPINGS,), tmp_path), MSSP, reading)
    rows = [
        ("1", "close", 1234.5, 0.8),
        ("2", "close", "1234,5", "0,8"),
        ("3", "close", Decimal("1234.5"), Decimal("0.80")),
        ("4", "close", 1.0, Percent(Decimal("12.5"))),
        ("5", "close", True, True),
        ("6", "close", "1234.5", "0.8"),
        ("7", "close", float("nan"), 10**400),
    ]
    said = mapper.bind(("id", "stage", "amount", "probability")).map_rows(rows)

    assert [(str(one.amount), one.probability) for one in said] == [
        ("1234.5", 80), ("1234.5", 80), ("1234.5", 80), ("1", 12.5), ("None", None), ("None", None), ("None", None),
    ]  # fmt: skip
    assert [one.unreadable for one in said[4:6]] == [
        (("probability", "yes"), ("amount", "yes")),
        (("probability", "0.8"), ("amount", "1234.5")),
    ]
