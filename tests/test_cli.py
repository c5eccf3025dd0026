"""The command line: every command, every format, every exit code, and what goes to which stream."""

import csv
import io
import json
import os
import re
import sqlite3
import subprocess
import sys
import zipfile
from xml.etree import ElementTree as ET

import openpyxl
import pytest

import syncd
from syncd.secrets import FORMS
from tests.test_determinism import DAY, DEALS, deal

CHECK_KEYS = {
    "schema", "run", "as_of", "process", "sources", "discrepancies", "fixed", "rejected", "coverage", "pipeline",
    "summary",
}  # fmt: skip
DISCREPANCY_KEYS = {
    "rule", "severity", "source", "id", "name", "owner", "stage", "probability", "proven_stage", "field", "actual",
    "expected", "message", "phrase", "state", "waiver", "fix",
}  # fmt: skip
COLUMNS = (
    "source,id,name,owner,territory,account,stage,probability,amount,currency,proven_stage,rule,severity,state,field,"
    "actual,expected,message,phrase,fix_safety,fix_set,waiver"
)
CLEAN = deal("1", stage="prospect", probability=0)


def no_trace(outcome):
    """Nothing in what was said is for programmers."""
    told = outcome.out + outcome.err if isinstance(outcome.raw, bytes) else outcome.err
    return "Traceback" not in told and "internal error" not in told


WRONG_CONFIGURATION = """[syncd]
process = "msp"
timezon = "UTC"
[rules]
select = ["PRB", "OUT999"]
[rules.custom.ACME001]
message = "m"
when = "stage == 'closd'"
[rules.custom.ACME002]
message = "no condition"
[limits]
max_percent = 200
[sources.one]
adapter = "fil"
mapping = "ours"
[sources.two]
adapter = "file"
path = "deals.csv"
delimeter = ";"
[sources.three]
adapter = "file"
path = "deals.csv"
mapping = "canonicl"
password = "hunter2"
[sources.four]
adapter = "file"
mapping = "canonical"
path = "deals.csv"
sheet = "A"
"""
WRONG_MAPPING = """extends = "canonical"
date_formts = ["%d.%m.%Y"]
decimal_mark = ","
thousands_mark = ","
probability_scale = "fracton"
[fields]
amont = "Amount"
[stages]
develp = ["x"]
[evidence]
"proof.verbal_aproval" = { field = "x" }
"close.documents_signed" = { feild = "x" }
"""
WRONG = """
syncd.toml:2: process: there is no process 'msp'; did you mean 'mssp'?
syncd.toml:3: syncd.timezon: unknown key; did you mean 'timezone'?
syncd.toml:5: select: there is no rule or family 'OUT999'; did you mean 'OUT009'?
syncd.toml:8:10: rules.custom.ACME001.when: stage is never 'closd'; did you mean 'close'?
    stage == 'closd'
             ^
syncd.toml:9: rules.custom.ACME002: when is missing: a CEL expression that is true where the rule is broken
syncd.toml:12: limits.max_percent: a number above 0 and up to 100, not 200
syncd.toml:14: adapter: there is no adapter 'fil'; did you mean 'file'?
syncd.toml:16: sources.two: mapping is missing: what its fields mean, such as "canonical", or a path to a .toml
syncd.toml:19: sources.two.delimeter: unknown key; did you mean 'delimiter'?
syncd.toml:23: there is no mapping 'canonicl'; did you mean 'canonical'?
syncd.toml:24: sources.three.password: a secret is never written here; refer to it with FORMS
syncd.toml:29: `sheet` is for xlsx files, and deals.csv is read as csv
OURS:2: date_formts: unknown key; did you mean 'date_formats'?
OURS:4: thousands_mark: cannot be ',', which is the decimal mark
OURS:5: probability_scale: percent or fraction, not 'fracton'; did you mean 'fraction'?
OURS:7: fields.amont: there is no such canonical field; did you mean 'amount'?
OURS:9: stages.develp: the process has no such stage; did you mean 'develop'?
OURS:11: evidence."proof.verbal_aproval": the process has no such evidence id; did you mean 'proof.verbal_approval'?
OURS:12: evidence."close.documents_signed".feild: unknown key; did you mean 'field'?
19 problems in the configuration; nothing was read or written
"""


class TestExitCodes:
    def test_clean_is_0(self, desk):
        """Nothing found, everything read: 0."""
        desk.deals(CLEAN)
        done = desk.syncd("check")

        assert (done.code, done.err.startswith("run ")) == (0, True)
        assert "No discrepancies: 1 record judged." in done.out

    def test_found_is_1(self, desk):
        """A discrepancy, even of severity info, is 1."""
        desk.configure(more='[rules.severity]\nOUT002 = "info"')
        desk.deals(deal("1"))
        done = desk.check("--select", "OUT002")

        assert done.code == 1
        assert done.json["summary"]["info"] == 1

    def test_a_rejected_record_is_1(self, desk):
        """A record that was refused is a finding."""
        desk.deals(CLEAN, CLEAN | {"id": ""})
        done = desk.check()

        assert done.code == 1
        assert done.found() == []
        assert done.json["rejected"] == [{"source": "crm", "id": "", "reason": "the id is blank", "place": "line 3"}]

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["check", "--nonsense"], "--nonsense"),
            (["frobnicate"], "frobnicate"),
            (["check", "-c", "absent.toml"], "absent.toml"),
            (["check", "--source", "crmm"], "did you mean"),
            (["check", "--select", "OUT999"], "OUT999"),
            (["check", "--as-of", "yesterday"], "not a day"),
            (["check", "--output-format", "yaml"], "yaml"),
            (["check", "-o", "no/such/folder/x.json"], "no/such/folder"),
            (["reconcile"], "--dry-run"),
            (["reconcile", "--dry-run", "--output-format", "sarif"], "text or json"),
            (["explain", "OUT099"], "OUT099"),
            (["history", "nobody"], "nobody"),
            (["report"], "no finished run"),
        ],
    )
    def test_a_wrong_command_is_2(self, desk, arguments, said):
        """What cannot be meant is 2, with a sentence that names it."""
        desk.deals(CLEAN)
        done = desk.syncd(*arguments)

        assert done.code == 2
        assert said in done.err
        assert done.out == ""
        assert no_trace(done)

    def test_a_wrong_configuration_is_2_with_lines(self, desk):
        """Every problem of a configuration is told at once, each with its line."""
        desk.write("syncd.toml", '[syncd]\ntimezone = "Mars"\n[sources.crm]\nadaptor = "file"\nmapping = "canonical"\n')
        done = desk.syncd("check")

        assert done.code == 2
        assert "syncd.toml:2" in done.err
        assert re.search(r"syncd\.toml:[34]", done.err)
        assert "nothing was read or written" in done.err

    def test_an_unreadable_source_is_3(self, desk):
        """A source that is not there is 3, and the report says that it was not judged."""
        done = desk.check()

        assert done.code == 3
        (source,) = done.json["sources"]
        assert source["complete"] is False
        assert "does not exist" in source["reason"]
        assert source["remedy"] != ""

    def test_the_other_sources_go_on(self, desk):
        """One source that cannot be read stops no other; 3 outweighs 1."""
        other = '[sources.other]\nadapter = "file"\npath = "other.csv"\nmapping = "canonical"'
        desk.configure(more=other)
        desk.deals(deal("1"), name="other.csv")
        done = desk.check()

        assert done.code == 3
        assert [(one["name"], one["complete"], one["judged"]) for one in done.json["sources"]] == [
            ("crm", False, 0),
            ("other", True, 1),
        ]
        assert ("1", "OUT002") in done.found()
        assert desk.syncd("check").out.count("INCOMPLETE") == 1

    def test_a_refused_plan_is_4(self, desk):
        """A plan beyond a limit is 4, and says which limit."""
        desk.configure(more="[limits]\nmax_changes = 1")
        desk.deals(*(deal(str(number), stage="prospect", probability=40) for number in range(3)))
        done = desk.syncd("reconcile", "--dry-run", "--output-format", "json")

        assert done.code == 4
        assert done.json["totals"]["changes"] == 3
        assert len(done.json["limits"]["exceeded"]) >= 1
        assert "max_changes" in json.dumps(done.json["limits"]["exceeded"])
        assert desk.syncd("reconcile", "--dry-run").code == 4

    def test_a_pending_plan_is_1_and_an_empty_one_0(self, desk):
        """Changes pending within the limits are 1; nothing to change and nothing found is 0."""
        desk.configure(more="[limits]\nmax_percent = 100")
        desk.deals(deal("1", stage="prospect", probability=40))
        assert desk.syncd("reconcile", "--dry-run").code == 1

        desk.deals(CLEAN)
        assert desk.syncd("reconcile", "--dry-run").code == 0

    def test_3_outweighs_1_but_not_4(self, desk):
        """Of several codes the gravest is given."""
        other = (
            '[sources.other]\nadapter = "file"\npath = "other.csv"\nmapping = "canonical"\n[limits]\nmax_changes = 1'
        )
        desk.configure(more=other)
        desk.deals(*(deal(one, stage="prospect", probability=40) for one in "12"), name="other.csv")

        assert desk.syncd("check").code == 3
        assert desk.syncd("reconcile", "--dry-run").code == 4

    @pytest.mark.slow
    def test_a_held_database_is_75(self, desk):
        """While another process holds the database the command waits, and then asks to try again."""
        desk.deals(CLEAN)
        desk.check()
        holder = sqlite3.connect(desk.folder / "store.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        try:
            held = desk.syncd("check")
            told = desk.syncd("status")
        finally:
            holder.close()

        assert held.code == 75
        assert "in use by another process" in held.err
        assert "try again" in held.err
        assert told.code == 0
        assert desk.syncd("check").code == 0


class TestFormats:
    @pytest.fixture
    def judged(self, desk):
        desk.configure(more="[limits]\nmax_percent = 100")
        desk.deals(*DEALS, deal("1", name="other"), deal("5", name='=cmd|"x"!A1 <script>\n'))
        return desk

    def test_json(self, judged):
        """JSON holds what the contract names, and the run's id."""
        done = judged.check()
        document = done.json

        assert document.keys() == CHECK_KEYS
        assert document["schema"] == "syncd/check/1"
        assert done.err == f"run {document['run']}\n"
        assert document["process"] == {"name": "mssp", "outcome_semantics": "exit"}
        assert document["discrepancies"][0].keys() >= DISCREPANCY_KEYS
        fixes = [one["fix"] for one in document["discrepancies"] if one["fix"]]
        assert fixes[0]["safety"] in ("safe", "unsafe")
        assert all(edit.keys() == {"from", "to"} for fix in fixes for edit in fix["set"].values())
        assert document["sources"][0].keys() >= {"name", "adapter", "complete", "read", "judged", "rejected"}
        assert document["rejected"] == [
            {"source": "crm", "id": "1", "reason": document["rejected"][0]["reason"], "place": "line 6"}
        ]
        assert document["coverage"][0].keys() == {"source", "rule", "judged", "unknown"}
        assert document["pipeline"]["EUR"].keys() == {"recorded", "proven", "possible", "over_stated", "under_stated"}
        assert document["summary"].keys() >= {"error", "warning", "info", "waived"}

    def test_csv(self, judged):
        """CSV has the contract's columns and a line a discrepancy, and no cell that a spreadsheet would run."""
        done = judged.syncd("check", "--output-format", "csv")
        rows = list(csv.DictReader(io.StringIO(done.out.removeprefix("\ufeff"), newline="")))

        assert done.out.removeprefix("\ufeff").splitlines()[0] == COLUMNS
        assert [(one["id"], one["rule"]) for one in rows] == judged.check().found()
        assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row.values())

    def test_sarif(self, judged):
        """SARIF is JSON of version 2.1.0 with a result a discrepancy."""
        document = judged.syncd("check", "--output-format", "sarif").json

        assert document["version"] == "2.1.0"
        assert len(document["runs"][0]["results"]) >= len(judged.check().found())

    def test_junit(self, judged):
        """JUnit is XML with failures."""
        root = ET.fromstring(judged.syncd("check", "--output-format", "junit").raw)

        assert root.tag == "testsuites"
        assert list(root.iter("failure"))

    def test_github(self, judged):
        """GitHub annotations are workflow commands, one a line, whatever the records hold."""
        lines = judged.syncd("check", "--output-format", "github").out.splitlines()

        assert len(lines) >= len(judged.check().found())
        assert all(re.match(r"::(error|warning|notice)[ :]", line) for line in lines)

    def test_text_goes_without_colour(self, judged):
        """What does not go to a terminal has no control sequences."""
        done = judged.syncd("check")

        assert b"\x1b" not in done.raw
        assert "\x1b" not in done.err
        assert "By rule" in done.out

    def test_plan_as_text_and_json(self, judged):
        """A plan is printed field by field, and as the contract says in JSON; --out saves it as well."""
        text = judged.syncd("reconcile", "--dry-run", "--out", "plan.json")
        plan = json.loads((judged.folder / "plan.json").read_text())
        printed = judged.syncd("reconcile", "--dry-run", "--output-format", "json").json

        assert plan.keys() >= {"schema", "id", "hash", "created_at", "expires_at", "changes", "totals", "limits"}
        assert plan["schema"] == printed["schema"] == "syncd/plan/1"
        assert plan["hash"] == printed["hash"]
        assert plan["hash"].startswith("sha256:")
        change = plan["changes"][0]
        assert change.keys() >= {"source", "id", "name", "version", "safety", "rules", "set", "reason", "allowed"}
        assert change["allowed"] is False
        assert plan["totals"].keys() >= {"changes", "safe", "unsafe", "opportunities", "percent", "weighted_change"}
        assert "why" in text.out
        assert all(one["id"] in text.out for one in plan["changes"])

    def test_into_a_file(self, judged):
        """With -o the result stands in the file and stdout is empty."""
        done = judged.check(*DAY, "-o", "out.json")

        assert (done.code, done.out) == (1, "")
        assert (judged.folder / "out.json").read_bytes() == judged.check(*DAY).raw
        assert [one.name for one in judged.folder.iterdir() if one.name.startswith(".")] == []

    @pytest.mark.parametrize("form", ["text", "html", "xlsx", "csv", "json", "md", "sarif", "junit"])
    def test_every_report(self, judged, form):
        """Every format of the report is written from the stored run and can be read."""
        judged.check(*DAY)
        done = judged.syncd("report", "--format", form, "-o", f"report.{form}")
        content = (judged.folder / f"report.{form}").read_bytes()

        assert (done.code, done.out, done.err) == (0, "", "")
        match form:
            case "xlsx":
                assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None
                assert openpyxl.load_workbook(io.BytesIO(content)).sheetnames
            case "json" | "sarif":
                assert json.loads(content)
            case "junit":
                assert ET.fromstring(content).tag == "testsuites"
            case "html":
                assert content.startswith(b"<!DOCTYPE html>")
                assert b"<script>\n" not in content
            case _:
                assert b"OUT002" in content

    def test_a_report_by_name_of_the_day(self, judged):
        """A report is of the last run on or before the day; before the first run there is none."""
        judged.check("--as-of", "2026-03-02")
        judged.check("--as-of", "2026-03-09")

        told = judged.syncd("report", "--format", "json", "--as-of", "2026-03-08").json
        none = judged.syncd("report", "--format", "json", "--as-of", "2026-03-01")

        assert told["as_of"] == "2026-03-02"
        assert none.code == 2
        assert "2026-03-01" in none.err


class TestSelecting:
    def test_select_and_ignore(self, desk):
        """--select narrows to rules and families, --ignore takes away."""
        desk.deals(deal("1", probability=40, stage="develop"))
        all_rules = {rule for _, rule in desk.check().found()}
        chosen = {rule for _, rule in desk.check("--select", "PRB,OUT002").found()}
        without = {rule for _, rule in desk.check("--ignore", "PRB", "--ignore", "OUT002").found()}

        assert chosen == {rule for rule in all_rules if rule.startswith("PRB") or rule == "OUT002"}
        assert without == all_rules - chosen
        assert len(chosen) == 2

    def test_one_source_of_several(self, desk):
        """--source reads only the one named."""
        desk.configure(more='[sources.other]\nadapter = "file"\npath = "absent.csv"\nmapping = "canonical"')
        desk.deals(CLEAN)

        assert desk.syncd("check").code == 3
        assert desk.syncd("check", "--source", "crm").code == 0

    def test_the_day_decides(self, desk):
        """--as-of judges as on that day."""
        desk.deals(CLEAN | {"prospect.sponsor_identified": "2026-03-05"})

        assert ("1", "OUT011") in desk.check("--as-of", "2026-03-04").found()
        assert ("1", "OUT011") not in desk.check("--as-of", "2026-03-05").found()


class TestOtherCommands:
    def test_init_then_check(self, desk):
        """What `init` writes works at once, is never overwritten unasked, and `config check` calls it fine."""
        first = desk.syncd("init", "fresh.toml")
        again = desk.syncd("init", "fresh.toml")

        assert first.code == 0
        assert again.code == 2
        assert "--force" in again.err
        assert desk.syncd("init", "--force", "fresh.toml").code == 0
        fine = desk.syncd("config", "check", "-c", "fresh.toml")
        assert (fine.code, "fine" in fine.out) == (0, True)
        checked = desk.check("-c", "fresh.toml")
        assert checked.code in (0, 1)
        assert checked.json["sources"][0]["complete"] is True
        assert checked.json["sources"][0]["judged"] > 0

    def test_config_check_tells_everything_at_once(self, desk):
        """Whatever is wrong in the configuration hides nothing of the rest, nor of the files it names."""
        desk.write("syncd.toml", WRONG_CONFIGURATION)
        desk.write("mappings/ours.toml", WRONG_MAPPING)
        done = desk.syncd("config", "check")

        assert done.code == 2
        told = done.err.replace("syncd: ", "").replace(str(desk.folder / "mappings" / "ours.toml"), "OURS")
        told = re.sub("; (known|installed): .*", "", told.replace(FORMS, "FORMS"))
        assert told.splitlines() == WRONG.strip().splitlines()
        assert "hunter2" not in done.err

    @pytest.mark.parametrize("process", ["mine.toml", "zzz"])
    def test_without_a_process_the_rest_is_checked(self, desk, process):
        """What can be told without the chart is told: settings, adapters, and the shape of mappings."""
        desk.write("mine.toml", 'name = "mine"\n[[stages]]\nid = "a"\nnam = "A"\n')
        desk.write("mappings/ours.toml", "[feilds]\n[fields]\nid = 1\n")
        desk.configure(more='sheet = "a"\n[sources.other]\nadapter = "file"\npath = "a.csv"\nmapping = "ours"')
        path = desk.folder / "syncd.toml"
        path.write_text(path.read_text().replace("[syncd]", f'[syncd]\nprocess = "{process}"'))
        done = desk.syncd("config", "check")

        assert done.code == 2
        for words in ("`sheet` is for xlsx", "feilds: unknown key; did you mean 'fields'?", "fields.id: a text, not 1"):
            assert words in done.err
        told = "mine.toml:4: stages[0].nam: unknown key; did you mean 'name'?" if "." in process else "no process 'zzz'"
        assert told in done.err

    @pytest.mark.parametrize(("wrong", "right"), [("[feilds]", "fields"), ('extend = "canonical"', "extends")])
    def test_a_slip_in_a_mapping_is_told_once(self, desk, wrong, right):
        """What the mapping lacks because of it is no problem of its own."""
        desk.write("mappings/ours.toml", f"{wrong}\n")
        path = desk.folder / "syncd.toml"
        path.write_text(path.read_text().replace('"canonical"', '"ours"'))
        done = desk.syncd("config", "check")

        assert f"ours.toml:1: {wrong.strip('[]').split()[0]}: unknown key; did you mean {right!r}?" in done.err
        assert "1 problem in the configuration" in done.err

    def test_a_constant_that_cannot_be_read_has_a_line(self, desk):
        """It is found only when the mapping is put to work, and stands in its file all the same."""
        desk.write("mappings/ours.toml", 'extends = "canonical"\n[constants]\ncurrency = "euros"\n')
        path = desk.folder / "syncd.toml"
        path.write_text(path.read_text().replace('"canonical"', '"ours"'))

        assert "ours.toml:3: constants.currency: 'euros' cannot be read" in desk.syncd("config", "check").err

    def test_config_check_reads_no_source(self, desk):
        """`config check` needs no source to be there and makes no database."""
        done = desk.syncd("config", "check")

        assert done.code == 0
        assert "crm" in done.out
        assert not (desk.folder / "store.db").exists()

    def test_rules(self, desk):
        """The catalogue lists every rule with its severity, as JSON too."""
        text, listed = desk.syncd("rules"), desk.syncd("rules", "--json").json

        codes = [one["code"] for one in listed]
        assert len(codes) >= 47
        assert all(code in text.out for code in codes)
        assert {one["severity"] for one in listed} == {"error", "warning", "info"}

    def test_coverage(self, desk):
        """Every phrase of the chart stands with the rules that check it or the reason why none can."""
        phrases = desk.syncd("rules", "--coverage", "--json").json

        assert len(phrases) > 90
        assert all(bool(one["rules"]) != bool(one["reason"]) for one in phrases)
        assert "outcome: 9 of 9 checked" in desk.syncd("rules", "--coverage").out

    def test_explain_every_rule(self, desk):
        """Each rule of the catalogue can be explained, in small letters too."""
        for one in desk.syncd("rules", "--json").json:
            told = desk.syncd("explain", one["code"].lower())
            assert told.code == 0
            assert told.out.startswith(f"# {one['code']}: ")
            assert all(f"## {part}" in told.out for part in ("What it checks", "Why", "Example", "Fix"))

    def test_without_a_configuration(self, desk):
        """The catalogue is there without any configuration; a check says how to get one."""
        (desk.folder / "syncd.toml").unlink()

        assert desk.syncd("rules").code == 0
        assert desk.syncd("explain", "OUT003").code == 0
        done = desk.syncd("check")
        assert done.code == 2
        assert "syncd init" in done.err

    def test_status(self, desk):
        """The state of sources and runs, before the first and after some, one of which was incomplete."""
        assert "no run yet" in desk.syncd("status").out
        desk.deals(deal("1"), deal("2"))
        desk.check(*DAY)
        desk.write("deals.csv", "")
        desk.check(*DAY)
        status, text = desk.syncd("status", "--json").json, desk.syncd("status").out

        assert [(one["name"], one["records"]) for one in status["sources"]] == [("crm", 2)]
        assert [(one["state"], one["incomplete"]) for one in status["runs"]] == [
            ("finished", ["crm"]),
            ("finished", []),
        ]
        assert status["open"] > 0
        assert f"open discrepancies: {status['open']}" in text

    def test_version_and_help(self, desk):
        """Both answer without a configuration; help names the exit codes and every command."""
        (desk.folder / "syncd.toml").unlink()
        version, told = desk.syncd("--version"), desk.syncd("--help")

        assert (version.code, version.out) == (0, f"syncd {syncd.__version__}\n")
        assert told.code == 0
        for name in ("check", "reconcile", "report", "rules", "explain", "status", "history", "init", "config"):
            assert name in told.out
        assert "75" in told.out

    def test_every_command_named_in_a_report_exists(self, desk):
        """What a report tells a person to do next is something the program can do."""
        desk.deals(deal("1"), deal("2", stage="prospect", probability=40))
        texts = [desk.syncd("check").out]
        desk.write("deals.csv", "")
        texts.append(desk.syncd("check").out)
        told = desk.syncd("--help").out

        named = {name for text in texts for name in re.findall(r"syncd ([a-z]+)", text)}
        assert named
        assert [name for name in sorted(named) if not re.search(rf"^\W*{name}\b", told, re.MULTILINE)] == []


class TestAsAProgram:
    """What only shows in a process of its own."""

    def run(self, desk, *arguments, **environment):
        command = [sys.executable, "-m", "syncd", *arguments]
        variables = os.environ | {"PYTHONUTF8": "1"} | environment
        return subprocess.run(command, cwd=desk.folder, env=variables, capture_output=True, check=False, timeout=60)

    def test_results_and_notes_are_apart(self, desk):
        """Results go to stdout, the run's id to stderr, and the exit code is the process's."""
        desk.deals(deal("1"))
        done = self.run(desk, "check", "--output-format", "json", NO_COLOR="1")

        assert done.returncode == 1
        assert json.loads(done.stdout)["run"] in done.stderr.decode()

    def test_forced_colour_and_none(self, desk):
        """NO_COLOR wins over whatever else asks for colour."""
        desk.deals(deal("1"))
        done = self.run(desk, "check", NO_COLOR="1", FORCE_COLOR="1", TERM="xterm-256color")

        assert b"\x1b[3" not in done.stdout

    def test_a_reader_that_leaves(self, desk):
        """When the reader of a pipe goes, as `head` does, nothing is complained of."""
        desk.deals(*(deal(str(number)) for number in range(3_000)))
        process = desk.start("check", "--output-format", "json")
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read().decode()
        process.stderr.close()
        process.wait(60)

        assert "Traceback" not in said
        assert "Exception" not in said

    def test_a_narrow_terminal_encoding(self, desk):
        """A terminal that cannot show a character ends no run."""
        desk.deals(deal("1", name="Zoë 日本"))
        done = self.run(desk, "check", PYTHONUTF8="0", PYTHONIOENCODING="ascii", LC_ALL="C")

        assert done.returncode == 1
        assert b"Traceback" not in done.stderr
