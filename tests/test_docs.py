"""The documentation against the program: nothing is missing, and nothing is described that is not there."""

from __future__ import annotations

import re
import shlex
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
import typer

from scripts.write_rule_docs import FOLDER, rule_pages
from syncd.cli import failures
from syncd.cli.app import app
from syncd.config import load_config
from syncd.mapping import load_mapping
from syncd.mapping.spec import EvidenceSpec, WriteSpec, _MappingFile
from syncd.model import FIELDS
from syncd.process import Checkpoint, KeyStep, _ProcessFile, _StageFile, load_process
from syncd.rules import catalogue
from syncd.rules.custom import CustomRuleSpec, compile_custom

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])
PROGRAM = typer.main.get_command(app)
HELP = {"-h", "--help"}
PAST_THE_NINTH_COLUMN = "OUT110"


def named(page):
    return str(page.relative_to(ROOT))


def commands():
    """Every command by its words, with its flags."""
    found = {}
    for name, command in PROGRAM.commands.items():
        for words, one in [((name, inner), sub) for inner, sub in getattr(command, "commands", {}).items()] or [
            ((name,), command)
        ]:
            opts = {opt for param in one.params if param.param_type_name == "option" for opt in param.opts}
            found[" ".join(words)] = opts - HELP
    return found


def blocks(page, kind):
    """The fenced blocks of a kind; those inside a list are indented."""
    text = page.read_text("utf-8")
    found = re.findall(rf"^( *)```{kind}\n(.*?)^ *```$", text, flags=re.MULTILINE | re.DOTALL)
    return ["\n".join(line.removeprefix(indent) for line in block.splitlines()) for indent, block in found]


def prose(page):
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def section(page, heading):
    """What stands under a heading, down to the next one."""
    text = page.read_text("utf-8")
    match = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    assert match, f"{named(page)} has no heading {heading!r}"
    return match[1]


def keys_of_tables(text):
    """What stands between backticks in the first column of the tables."""
    cells = re.findall(r"^\| ([^|]*`[^|]*) \|", text, flags=re.MULTILINE)
    return {key for cell in cells for key in re.findall(r"`([^`]+)`", cell)}


def flags_in(text):
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", " ".join(re.findall(r"`([^`\n]+)`", text))))


def invocations(page):
    """Each `syncd ...` that a page shows, as words."""
    lines = [line[2:] for block in blocks(page, "console") for line in block.splitlines() if line.startswith("$ ")]
    lines += [part for block in blocks(page, "sh") for part in block.split("&&")]
    lines += re.findall(r"`(syncd [^`\n]+)`", page.read_text("utf-8"))
    for line in lines:
        words = shlex.split(line)
        if words and Path(words[0]).name == "syncd" and words[1:]:
            yield words[1:]


def slug(heading):
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")


def test_every_command_has_a_section_with_exactly_its_flags():
    """The page of the command line describes every command, every flag of it and no other."""
    page = DOCS / "command-line.md"

    described = {name: flags_in(section(page, f"syncd {name}")) for name in commands()}

    assert commands() == described


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_that_is_shown_can_be_typed(page):
    """Whatever a page says to type is a command of this version with flags it has."""
    known = commands()
    for words in invocations(page):
        if words[0].startswith("-"):
            assert words[0] in {opt for param in PROGRAM.params for opt in (*param.opts, *HELP)}
            continue
        name = " ".join(words[:2]) if " ".join(words[:2]) in known else words[0]

        assert name in known, f"syncd {' '.join(words)}"
        assert {word for word in words if word.startswith("-")} <= known[name] | HELP, f"syncd {' '.join(words)}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_rule_that_is_named_exists(page):
    """A code of syncd's own families that a page names is in the catalogue."""
    infos = catalogue(load_process(Path(str(files("mappings"))) / "mssp.toml"))
    families = "|".join({info.code[:3] for info in infos})

    named_codes = set(re.findall(rf"\b(?:{families})\d{{3}}\b", page.read_text("utf-8")))

    assert named_codes <= {info.code for info in infos} | {PAST_THE_NINTH_COLUMN}


def test_the_rule_pages_are_those_of_the_catalogue():
    """docs/rules holds what `python -m scripts.write_rule_docs` writes, page by page."""
    there = {page.name: page.read_text("utf-8") for page in FOLDER.iterdir()}

    assert rule_pages() == there


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page):
    """A relative link names a file that exists, and a heading in it that exists."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page

        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text("utf-8"), flags=re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, target


def test_every_page_can_be_reached():
    """The index of the documentation leads, by way of the pages it names, to each page."""
    reached, ahead = set(), [DOCS / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in reached:
            continue
        reached.add(page)
        targets = (one.partition("#")[0] for one in re.findall(r"\]\(([^)\s]+\.md[^)\s]*)\)", prose(page)))
        ahead += [(page.parent / target).resolve() for target in targets if "://" not in target]

    assert set(DOCS.rglob("*.md")) <= reached


def test_every_key_of_a_mapping_is_documented():
    """The mapping guide's tables name every key of a mapping, and no other."""
    page = DOCS / "mapping-guide.md"

    assert set(_MappingFile.__struct_fields__) == keys_of_tables(section(page, "Every key"))
    assert set(EvidenceSpec.__struct_fields__) == keys_of_tables(section(page, "Evidence"))
    assert set(WriteSpec.__struct_fields__) == keys_of_tables(section(page, "What may be written"))


def test_the_canonical_format_is_documented_column_by_column():
    """The mapping guide lists every base column and every evidence id of the chart, and no other."""
    text = section(DOCS / "mapping-guide.md", "The canonical file format")
    process = load_process(Path(str(files("mappings"))) / "mssp.toml")
    columns, rows = text.split("The evidence ids of MSSP")
    table = re.findall(r"^\| `(\w+)` \| (.+) \|$", rows, flags=re.MULTILINE)

    assert set(FIELDS) == keys_of_tables(columns.split("Then one column")[0])
    assert set(process.evidence) == {
        f"{stage}.{fact}" for stage, facts in table for fact in re.findall(r"`(\w+)`", facts)
    }


def test_the_worked_mapping_is_the_one_that_is_shipped():
    """The pieces of the mapping guide's example add up to mappings/maven-crm.toml."""
    text = (DOCS / "mapping-guide.md").read_text("utf-8")
    example = text.split("## A worked example")[1].split("Put into a configuration")[0]
    pieces = re.findall(r"```toml\n(.*?)```", example, flags=re.DOTALL)

    shipped = tomllib.loads((files("mappings") / "maven-crm.toml").read_text("utf-8"))

    assert shipped == tomllib.loads("\n".join(pieces))


@pytest.mark.parametrize(
    ("page", "heading"),
    [(DOCS / "mapping-guide.md", "Evidence"), (DOCS / "mapping-guide.md", "Building on another mapping"),
     (DOCS / "mapping-guide.md", "What may be written"), (ROOT / "README.md", "Your own export in five minutes")],
    ids=["evidence", "extends", "write", "readme"],
)  # fmt: skip
def test_the_mappings_that_are_shown_can_be_loaded(page, heading, tmp_path):
    """A piece of a mapping that the documentation shows is accepted by the program."""
    text = re.search(r"```toml\n(.*?)```", section(page, heading), flags=re.DOTALL)[1]
    text = "\n".join(line.strip() for line in text.splitlines())
    built_on = "" if "extends" in text or 'id = "' in text else 'extends = "canonical"\n'
    (tmp_path / "shown.toml").write_text(built_on + text, encoding="utf-8")
    shipped = Path(str(files("mappings")))

    mapping = load_mapping("shown.toml", load_process(shipped / "mssp.toml"), (shipped,), tmp_path)

    assert mapping.fields["id"]


def test_the_worked_process_can_be_loaded(tmp_path):
    """The example of another process loads, and the rule of one's own that goes with it compiles."""
    _, chart, custom = blocks(DOCS / "process.md", "toml")
    (tmp_path / "subscriptions.toml").write_text(chart, encoding="utf-8")
    rule = tomllib.loads(custom)["rules"]["custom"]["SUB001"]

    process = load_process(tmp_path / "subscriptions.toml")
    spec = CustomRuleSpec(
        code="SUB001", severity=rule["severity"], message=rule["message"], condition=rule["when"],
        field=rule["field"], phrase=rule["phrase"], fix_safety=None, fix_set={}, file="syncd.toml", line=1, rule_line=1,
    )  # fmt: skip

    assert [one.code for one in compile_custom([spec], process)] == ["SUB001"]


def test_every_key_of_a_process_is_documented():
    """The page about processes names every key of a process file, and no other."""
    structs = (_ProcessFile, _StageFile, KeyStep, Checkpoint)
    top, stage = (set(one.__struct_fields__) for one in structs[:2])
    tables = section(DOCS / "process.md", "Keys").split("Of a stage:")

    assert (top, stage) == (keys_of_tables(tables[0]), keys_of_tables(tables[1]))
    inner = {f"`{name}`" for one in structs[2:] for name in one.__struct_fields__}
    assert {name for name in inner if name not in tables[1]} == {"`text`"} - {"`text`"}


def test_every_exit_code_is_documented():
    """The page, the README and `--help` name the same codes as the program has."""
    codes = {value for name, value in vars(failures).items() if name.isupper() and isinstance(value, int)}
    for page in (DOCS / "exit-codes.md", ROOT / "README.md"):
        table = re.findall(r"^\| (\d+) \|", page.read_text("utf-8"), flags=re.MULTILINE)

        assert codes == {int(code) for code in table}
    assert codes == {int(code) for code in re.findall(r"\b\d+\b", app.info.epilog)}


def test_the_readme_has_two_commands():
    """One block sets syncd up and runs it, one sets it up and tests it; what they install from is there."""
    run, test = blocks(ROOT / "README.md", "sh")

    assert run.endswith("syncd reconcile --dry-run")
    assert "pytest" in test
    for block in (run, test):
        assert len(block.splitlines()) == 1
        assert all((ROOT / name).is_file() for name in re.findall(r"-r (\S+)", block))


def test_what_init_writes_is_what_the_repository_shows():
    """The starter configuration and pipeline are the example's, byte for byte, and load."""
    starter = files("syncd.starter")

    assert (ROOT / "config.example.toml").read_bytes() == (starter / "config.toml").read_bytes()
    assert (ROOT / "examples" / "pipeline.csv").read_bytes() == (starter / "pipeline.csv").read_bytes()
    assert list(load_config(ROOT / "config.example.toml").sources) == ["export"]


def test_pictures_are_small():
    """The pictures of the documentation do not weigh on a clone."""
    sizes = {picture.name: picture.stat().st_size for picture in (DOCS / "images").iterdir()}

    assert sizes
    assert sum(sizes.values()) <= 200 * 1024, sizes
