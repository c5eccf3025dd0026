"""Files as the world leaves them, through the whole program.

Each flaw ends as a discrepancy, as a rejected record with line and reason, or as a clear error with its exit code; the
rest of the file is judged all the same.
"""

import os
import random
import subprocess
import sys

import openpyxl
import pytest

from tests.conftest import as_csv

HEADER = "id,name,stage,probability,amount,currency,status,owner,close_date"
GOOD = "good,Good,prospect,0,10.00,EUR,open,ann,2026-12-31"


def row(identity="bad", name="Bad", stage="prospect", probability="0", amount="10", close="2026-12-31"):
    return f"{identity},{name},{stage},{probability},{amount},EUR,open,ann,{close}"


def text(*lines, header=HEADER, end="\n"):
    return end.join([header, *lines, ""])


def judged(desk, content=None, *arguments):
    """Check the file and see that nothing was said for programmers, and that the good record was judged."""
    if content is not None:
        desk.write("deals.csv", content)
    done = desk.check("--as-of", "2026-06-01", *arguments)
    assert "Traceback" not in done.err
    assert "internal error" not in done.err
    return done


def rules_of(done, identity="bad"):
    return [rule for one, rule in done.found() if one == identity]


def rejected(done):
    return [(one["id"], one["place"], one["reason"]) for one in done.json["rejected"]]


def judged_count(done):
    return done.json["sources"][0]["judged"]


class TestReadsAnyway:
    """What is no flaw at all, however odd it looks."""

    @pytest.mark.parametrize(
        "content",
        [
            "\ufeff" + text(GOOD),
            text(GOOD, end="\r\n"),
            text(GOOD, end="\r"),
            text(GOOD).rstrip("\n"),
            text(GOOD, "", "", ""),
            text('"good","Good ""big"" deal","prospect","0","10","EUR","open","ann","2026-12-31"'),
            text('good,"Good\r\ndeal, in\ntwo lines",prospect,0,10,EUR,open,ann,2026-12-31'),
            text(" good , Good , PROSPECT , 0 % , 10 , eur , Open , ann , 2026-12-31 "),
            text(GOOD).replace(",", ";"),
            text(GOOD).replace(",", "\t"),
            "sep=,\r\n" + text(GOOD, end="\r\n"),
            text(GOOD).encode("utf-16"),
            text(GOOD, GOOD),
            text("good,Zoë 日本 \u202e,prospect,+0,1e1,EUR,open,Ünï,2026-12-31"),
            text(f"{GOOD},x", header=f"{HEADER},a column nobody knows"),
        ],
        ids=[
            "byte order mark", "CRLF", "CR", "no end of line", "blank lines", "quotes", "line breaks in a cell",
            "spaces and capitals", "semicolons", "tabs", "sep line", "UTF-16", "identical repeat", "odd letters",
            "unknown column",
        ],
    )  # fmt: skip
    def test_is_clean(self, desk, content):
        """The one record is read as it is meant, and nothing is wrong with it."""
        done = judged(desk, content)

        assert (done.code, done.found(), done.json["rejected"]) == (0, [], [])
        assert judged_count(done) == 1

    def test_stage_names_in_any_case_and_language(self, desk):
        """Stages go by id, by the chart's name in any case, and by whatever labels a mapping adds."""
        desk.write("de.toml", 'extends = "canonical"\n[stages]\nqualify = ["Qualifizieren", "03: Qualifiziert"]\n')
        desk.configure()
        desk.write("syncd.toml", (desk.folder / "syncd.toml").read_text().replace('"canonical"', '"./de.toml"'))
        labels = [
            "Demand Generation",
            "demand_generation",
            "DEMAND GENERATION",
            "QUALIFIZIEREN",
            "03: qualifiziert",
            "Qualifikation",
        ]
        done = judged(
            desk, text(*(row(str(number), stage=label, probability="") for number, label in enumerate(labels)))
        )

        assert [rules_of(done, str(number)) for number in range(6)] == [
            [], [], [], ["PRB004"], ["PRB004"], ["STG001"],
        ]  # fmt: skip

    def test_a_header_alone(self, desk):
        """A file with a header and no rows is clean."""
        done = judged(desk, text())

        assert done.code == 0
        assert (done.json["sources"][0]["complete"], judged_count(done)) == (True, 0)


class TestDiscrepancies:
    """Flawed values: the record is judged, and the flaw is named."""

    @pytest.mark.parametrize(
        ("probability", "stage", "expected"),
        [
            ("40%", "solution", []),
            ("0.4", "solution", ["PRB002"]),
            ("NaN", "solution", ["PRB002"]),
            ("inf", "solution", ["PRB002"]),
            ("101", "solution", ["PRB002"]),
            ("-1", "solution", ["PRB002"]),
            ("1e400", "solution", ["PRB002"]),
            ("9" * 30, "solution", ["PRB002"]),
            ("forty", "solution", ["PRB002"]),
            ("", "solution", ["PRB004"]),
            ("n/a", "solution", ["PRB004"]),
            ("20", "solution", ["PRB001"]),
            ("", "prospect", ["PRB004"]),
            ("0", "prospect", []),
            ("-0", "prospect", []),
            ("", "support", []),
            ("0", "support", ["PRB003"]),
            ("x", "support", ["DAT001"]),
        ],
    )
    def test_probabilities(self, desk, probability, stage, expected):
        """Each probability as a person may type it breaks exactly the rule it should."""
        done = judged(desk, text(row(stage=stage, probability=probability), GOOD), "--select", "PRB,DAT")

        assert rules_of(done) == expected
        assert judged_count(done) == 2
        assert done.code == (1 if expected else 0)

    def test_what_stands_for_a_probability_is_told(self, desk):
        """Each record's own text is in its finding and its change, though the rule is asked only once for them all."""
        desk.write("deals.csv", text(*(row(one, stage="solution", probability=one) for one in ("high", "low"))))
        found = desk.check("--select", "PRB002").json["discrepancies"]
        planned = desk.syncd("reconcile", "--dry-run", "--select", "PRB002", "--output-format", "json").json["changes"]

        assert [one["actual"] for one in found] == ["high", "low"]
        assert found[0]["message"] == "probability 'high' cannot be read as a number, the chart gives 40 for Solution"
        assert ["'low'" in one["reason"] for one in planned] == [False, True]

    @pytest.mark.parametrize("stage", ["", "Negotiation", "prospekt", "-", "=1+1", "\u202etcepsorp"])
    def test_stages_nobody_knows(self, desk, stage):
        """A blank or unknown stage is STG001 alone."""
        done = judged(desk, text(row(stage=stage), GOOD))

        assert rules_of(done) == ["STG001"]
        assert judged_count(done) == 2

    @pytest.mark.parametrize(
        "values",
        [
            {"close": "2026-02-30"},
            {"close": "soon"},
            {"close": "31/12/2026"},
            {"close": "99999-01-01"},
            {"amount": "a lot"},
            {"amount": "1.000.000"},
            {"amount": "1e999999999"},
            {"amount": "Infinity"},
        ],
    )
    def test_unreadable_values(self, desk, values):
        """A date or amount that cannot be read is DAT001, and the record is judged without it."""
        done = judged(desk, text(row(**values), GOOD))

        assert rules_of(done) == ["DAT001"]
        assert judged_count(done) == 2

    def test_dates_at_the_end_of_time(self, desk):
        """The first and the last day of the calendar are days like others, in any zone."""
        desk.write(
            "syncd.toml",
            (desk.folder / "syncd.toml").read_text().replace("[syncd]", '[syncd]\ntimezone = "Pacific/Auckland"'),
        )
        header = "id,stage,probability,status,owner,created_at,close_date,prospect.sponsor_identified"
        done = judged(
            desk,
            text(
                "1,prospect,0,open,ann,0001-01-01,9999-12-31,0001-01-01",
                "2,prospect,0,open,ann,9999-12-31T23:59:59Z,0001-01-01T00:00:00Z,9999-12-31",
                header=header,
            ),
        )

        assert done.found() == [("1", "STG005"), ("2", "OUT011")]

    def test_text_that_bites(self, desk):
        """Formulas, markup and escape codes are text; nothing of them is run, and no terminal sees them raw."""
        hostile = [
            "\"=cmd|'/c calc'!A1\"",
            "<script>alert(1)</script>",
            "\x1b[31mred\x07",
            "'; DROP TABLE snapshot; --",
        ]
        lines = [row(str(number), name=name, probability="5") for number, name in enumerate(hostile)]
        done = judged(desk, text(*lines, GOOD))

        assert [one for one, _ in done.found()] == ["0", "1", "2", "3"]
        shown = desk.syncd("check").raw
        assert b"\x1b" not in shown
        assert b"\x07" not in shown


@pytest.mark.parametrize("name", ["deals.json", "deals.jsonl"])
@pytest.mark.parametrize("number", ["NaN", "Infinity", "1" * 5000], ids=["NaN", "infinity", "5,000 digits"])
def test_numbers_that_are_none_in_json(desk, name, number):
    """The value is unreadable and the record is judged, in a document as in lines."""
    records = [
        f'{{"id":"bad","stage":"solution","probability":40,"amount":{number}}}',
        f'{{"id":"worse","stage":"solution","probability":{number},"amount":1}}',
    ]
    desk.write(name, f"[{','.join(records)}]" if name == "deals.json" else "\n".join([*records, ""]))
    desk.configure(path=name)
    done = judged(desk, None, "--select", "PRB,DAT001")

    assert done.found() == [("bad", "DAT001"), ("worse", "PRB002")]
    assert rejected(done) == []


def test_a_proof_that_cannot_be_read_is_not_missing(desk):
    """An outcome whose day is a slip may be verifiable: DAT001 says so, and OUT010 is unknown."""
    columns = [f"prospect.sponsor_identified{part}" for part in ("", ".date", ".by", ".ref")]
    header = ",".join([HEADER, *columns])
    done = judged(desk, text(f"{GOOD},yes,soon,,", header=header), "--select", "OUT010,DAT001")

    assert rules_of(done, "good") == ["DAT001"]
    assert {"source": "crm", "rule": "OUT010", "judged": 0, "unknown": 1} in done.json["coverage"]


@pytest.mark.parametrize("amount", ["1e26", "9" * 40, "1" + "0" * 39])
def test_absurd_amounts_stop_nothing(desk, amount):
    """A record worth more than there is money is judged, planned and reported like any other."""
    wrong = row("bad", stage="solution", probability="999999999999999", amount=amount)
    done = judged(desk, text(GOOD, wrong))
    planned = desk.syncd("reconcile", "--dry-run", "--output-format", "json")

    assert "PRB002" in rules_of(done)
    assert judged_count(done) == 2
    assert [one["id"] for one in planned.json["changes"]] == ["bad"]
    for form in ("html", "xlsx", "csv", "json", "md"):
        assert desk.syncd("report", "--format", form, "-o", f"report.{form}").code == 0
    for form in ("text", "sarif", "junit", "github"):
        assert desk.syncd("check", "--output-format", form).code == 1
    assert desk.syncd("reconcile", "--dry-run").code in {1, 4}


class TestRejected:
    """Records that cannot be told apart or taken apart: refused with place and reason; the rest goes on."""

    @pytest.mark.parametrize(
        ("line", "identity", "reason"),
        [
            (row(identity=""), "", "the id is blank"),
            (row(identity="   "), "", "the id is blank"),
            (row(identity="tbd"), "", "the id is blank"),
            (row(identity="N/A"), "", "the id is blank"),
            (row(identity="-"), "", "the id is blank"),
            (row(identity="."), "", "the id is blank"),
            (row(identity="good", name="Other"), "good", "seen before with different content"),
            ("bad,too,few", "bad", "cells"),
            (row() + ",too,many", "bad", "cells"),
            (row(name="x\0y"), "bad", "NUL"),
            (row(name='"' + "x" * 10_000_000 + '"'), "bad", "1,048,576"),
        ],
        ids=[
            "no id", "blank id", "tbd", "N/A", "dash", "dot", "id twice", "too few cells", "too many cells", "NUL",
            "10 MB cell",
        ],
    )  # fmt: skip
    def test_bad_lines(self, desk, line, identity, reason):
        """The line is named, the reason given, and the good records around it are judged."""
        done = judged(desk, text(GOOD, line, GOOD.replace("good", "better", 1)))

        assert done.found() == []
        assert done.code == 1
        ((told_id, place, told),) = rejected(done)
        assert (told_id, place) == (identity, "line 3")
        assert reason in told
        assert judged_count(done) == 2

    def test_bytes_that_are_no_text(self, desk):
        """A line with bytes that do not decode is refused alone."""
        content = text(GOOD, row(name="caf\udce9"), GOOD.replace("good", "better", 1)).encode(
            "utf-8", errors="surrogateescape"
        )
        done = judged(desk, content)

        assert [place for _, place, _ in rejected(done)] == ["line 3"]
        assert judged_count(done) == 2

    def test_json_lines(self, desk):
        """In JSON Lines a line that does not parse, is no object, has no id or half a character is refused alone."""
        desk.configure(path="deals.jsonl")
        good = '{"id": "%s", "stage": "prospect", "probability": 0, "status": "open", "owner": "ann"}'
        lines = [
            good % "1", '{"id": ', "[1, 2]", '{"stage": "prospect"}',
            '{"id": "half", "stage": "prospect", "name": "\\ud800"}', good % "2",
            '{"id": "big", "stage": "prospect", "probability": 1e999}', '{"id": null, "stage": "prospect"}',
            '{"id": {"a": 1}, "stage": ["prospect"]}',
        ]  # fmt: skip
        desk.write("deals.jsonl", "\n".join(lines))
        done = judged(desk)

        assert done.code == 1
        assert {"line 2", "line 3", "line 4", "line 5", "line 8"} <= {place for _, place, _ in rejected(done)}
        assert rules_of(done, "1") == rules_of(done, "2") == []
        assert done.json["sources"][0]["complete"] is True

    @pytest.mark.parametrize("length", [3_000, 100_000])
    def test_endless_ids(self, any_desk, length):
        """An id far longer than any CRM's stops nothing, on either database."""
        endless = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=length))
        done = judged(any_desk, text(GOOD, row(identity=endless)))

        assert done.code in (0, 1)
        assert judged_count(done) + len(done.json["rejected"]) == 2
        assert rules_of(done, "good") == []

    def test_everything_at_once(self, any_desk):
        """Each of many flaws is told for its own record, the good ones are clean, and a rerun says the same."""
        lines = [
            GOOD, row("p1", probability="0.4"), row("p2", probability="NaN", stage="qualify"), row("s1", stage="Wat"),
            row(""), row("d1", close="2026-13-01"), row("good", name="Evil twin"), "short,line", GOOD,
            row("x1", name="\0"), row("last"),
        ]  # fmt: skip
        done = judged(any_desk, "\ufeff" + text(*lines, end="\r\n"), "--ignore", "OUT,CHK,STG002,STG003")

        assert done.code == 1
        assert done.found() == [("p1", "PRB002"), ("p2", "PRB002"), ("s1", "STG001"), ("d1", "DAT001")]
        assert sorted(place for _, place, _ in rejected(done)) == ["line 11", "line 6", "line 8", "line 9"]
        source = done.json["sources"][0]
        assert (source["read"], source["judged"], source["rejected"], source["repeated"]) == (11, 6, 4, 1)
        assert judged(any_desk, None, "--ignore", "OUT,CHK,STG002,STG003").raw == done.raw


class TestIncomplete:
    """Files that cannot have been read whole: exit 3, and nothing is judged, new or fixed for them."""

    @pytest.mark.parametrize(
        "content",
        [b"", text(GOOD, 'bad,"never closed,prospect,0').encode(), bytes(range(256)) * 64, b"PK\x03\x04" + bytes(4000)],
        ids=["zero bytes", "open quote", "binary", "a zip archive"],
    )
    def test_is_3(self, desk, content):
        """The file is named with what is wrong, and what was known before stays."""
        judged(desk, text(GOOD, row(stage="Wat")))
        done = judged(desk, content)

        assert done.code == 3
        (source,) = done.json["sources"]
        assert source["complete"] is False
        assert "deals.csv" in source["reason"]
        assert (done.found(), done.json["fixed"], done.json["rejected"]) == ([], [], [])
        back = judged(desk, text(GOOD, row(stage="Wat")), "--select", "STG001")
        assert [one["state"] for one in back.json["discrepancies"]] == ["unchanged"]

    def test_a_directory(self, desk):
        """A directory where a file should be is named as such."""
        (desk.folder / "deals.csv").mkdir()
        done = judged(desk)

        assert done.code == 3
        assert "is a directory" in done.json["sources"][0]["reason"]

    def test_no_permission(self, desk):
        """A file that may not be read is named as such."""
        path = desk.write("deals.csv", text(GOOD))
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("this user may read every file")
        done = judged(desk)

        assert done.code == 3
        assert "may not be read" in done.json["sources"][0]["reason"]

    def test_a_shrunk_file(self, desk):
        """A file with less than half of what was there is taken for cut short; the setting that allows it is named."""
        many = [row(str(number)) for number in range(100)]
        judged(desk, text(*many))
        done = judged(desk, text(*many[:49]))

        assert done.code == 3
        assert "49" in done.json["sources"][0]["reason"]
        assert "min_rows_percent" in done.json["sources"][0]["remedy"]
        assert judged(desk, text(*many[:50])).code == 0
        assert judged(desk, text()).code == 3

    def test_fewer_than_promised(self, desk):
        """A file with fewer records than the count beside it promises is incomplete."""
        desk.write("deals.csv.count", "3")
        done = judged(desk, text(GOOD, row("2")))

        assert done.code == 3
        assert "promises 3" in done.json["sources"][0]["reason"]


class TestWrongFiles:
    """Files that no retry helps: exit 2, with what to change."""

    @pytest.mark.parametrize(
        ("header", "said"),
        [
            (HEADER.replace("amount", "stage"), "stage"),
            (HEADER.replace("id,", "ident,", 1), "'id'"),
            (HEADER.replace("stage", "phase"), "'stage'"),
        ],
        ids=["column twice", "no id", "no stage"],
    )
    def test_is_2(self, desk, header, said):
        """The column is named and nothing is judged."""
        done = judged(desk, text(GOOD, header=header))

        assert (done.code, done.out) == (2, "")
        assert said in done.err
        assert "configuration" in done.err

    def test_an_unknown_format(self, desk):
        """A file whose format cannot be told is refused with the formats there are."""
        desk.configure(path="deals.dat")
        desk.write("deals.dat", text(GOOD))
        done = judged(desk)

        assert done.code == 2
        assert "csv" in done.err


class TestWorkbook:
    def write(self, desk, rows):
        book = openpyxl.Workbook()
        for line in rows:
            book.active.append(line)
        book.save(desk.folder / "deals.xlsx")
        desk.configure(path="deals.xlsx")

    def test_formulas_without_a_result(self, desk):
        """A formula cell that was never calculated holds no value to judge by, and is not run."""
        self.write(
            desk,
            [
                ["id", "stage", "probability", "status", "owner"],
                ["1", "prospect", "=0+0", "open", "ann"],
                ["2", "prospect", 0, "open", "ann"],
            ],
        )
        done = judged(desk)

        assert done.code == 1
        assert rules_of(done, "2") == []
        assert [rule[:3] for rule in rules_of(done, "1")] == ["PRB"]

    def test_typed_cells(self, desk):
        """Numbers, percentages and days of a sheet are read as what they are, and places are rows."""
        self.write(
            desk,
            [
                ["id", "stage", "probability", "status", "owner"],
                [1, "prospect", 0, "open", "ann"],
                [1, "prospect", 0, "open", "bob"],
                [None, "prospect", 0, "open", "ann"],
                [2.0, "Qualify", 10.0, "open", True],
            ],
        )
        done = judged(desk, None, "--select", "PRB,STG001,DAT")

        assert done.found() == []
        assert [(one, place) for one, place, _ in rejected(done)] == [("1", "row 3"), ("", "row 4")]
        assert judged_count(done) == 2


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
def test_no_permission_as_another_user(desk):
    """The same for a user who is not root, when the tests themselves run as root."""
    folder = desk.folder
    desk.write("deals.csv", text(GOOD)).chmod(0)
    desk.configure("sqlite://")
    folder.chmod(0o755)
    command = [sys.executable, "-m", "syncd", "check"]
    try:
        done = subprocess.run(command, cwd=folder, user=65534, capture_output=True, check=False)
    except PermissionError:
        pytest.skip("another user cannot reach this Python or this folder")

    assert done.returncode == 3
    assert b"may not be read" in done.stdout


def test_a_generated_mess(desk):
    """Random damage to a sound file never ends in an internal error, and every sound record is accounted for."""
    generator = random.Random(7)
    sound = as_csv(
        [{"id": f"{n}", "stage": "prospect", "probability": 0, "status": "open"} for n in range(60)]
    ).encode()
    for _ in range(40):
        damaged = bytearray(sound)
        for _ in range(generator.randint(1, 6)):
            place = generator.randrange(len(damaged))
            damaged[place : place + generator.randint(0, 3)] = generator.choice(
                [b'"', b",", b"\n", b"\r", b"\0", b"\xff", b"\xe2\x80", b"''", b'"x"', b"\\", "\ufeff".encode()]
            )
        desk.configure("sqlite://")
        done = judged(desk, bytes(damaged))
        assert done.code in (0, 1, 2, 3)
        if done.code < 2:
            source = done.json["sources"][0]
            assert source["read"] == source["judged"] + source["rejected"] + source["repeated"]
