"""The configuration: what it means, and what is said about what is wrong with it."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from syncd.config import KEYS, CustomFix, Settings, find_places, load_config, validate_options
from syncd.errors import ConfigError, Problem
from syncd.policy import RULE_OPTIONS, Limits, Policy, check_policy
from syncd.secrets import Secret

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "config.example.toml"
DOCS = ROOT / "docs" / "configuration.md"
DATABASES = '"sqlite:///syncd.db" or "postgresql+psycopg://user@host/database"'
CRON = 'minute, hour, day, month and weekday as in cron, such as "*/15 * * * *"'
SOURCE = '[sources.export]\nadapter = "file"\nmapping = "canonical"\n'


def load(folder: Path, text: str) -> Settings:
    path = folder / "syncd.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def problems(folder: Path, text: str) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    return list(caught.value.problems)


def complaints(folder: Path, text: str) -> list[tuple[int, str]]:
    return [(problem.line, problem.message) for problem in problems(folder, text)]


def only_complaint(folder: Path, text: str) -> str:
    (problem,) = problems(folder, text + SOURCE)
    return problem.message


# What it means


def test_a_minimal_configuration_has_the_defaults_of_the_contract(tmp_path):
    """One source with an adapter and a mapping suffices; everything else has its default."""
    settings = load(tmp_path, SOURCE)
    source = settings.sources["export"]

    assert settings.file == tmp_path / "syncd.toml"
    assert settings.folder == tmp_path
    assert settings.database == f"sqlite:///{tmp_path}/syncd.db"
    assert settings.database_password is None
    assert settings.process == "mssp"
    assert settings.timezone == ZoneInfo("UTC")
    assert settings.outcome_semantics == "exit"
    assert settings.policy == Policy()
    assert settings.limits == Limits()
    assert settings.custom_rules == ()
    assert (source.name, source.adapter, source.mapping) == ("export", "file", "canonical")
    assert (source.timezone, source.currency, source.schedule) == (ZoneInfo("UTC"), None, None)
    assert (source.write, source.min_rows_percent, source.options) == ("off", 50.0, {})
    assert (source.line, source.file) == (1, str(tmp_path / "syncd.toml"))


def test_every_key_has_its_effect(tmp_path):
    """Each key of the contract reaches the settings."""
    settings = load(
        tmp_path,
        """
        [syncd]
        database = { url = "postgresql+psycopg://u@host:5432/db", password = { env = "DB" } }
        process = "charts/ours.toml"
        timezone = "America/New_York"
        outcome_semantics = "entry"
        [rules]
        select = ["PRB", "STG"]
        ignore = ["CHK013"]
        severity = { CHK002 = "off" }
        fix.PRB001 = "safe"
        [rules.options]
        STG005.grace_days = 3
        [rules.custom.ACME001]
        severity = "error"
        message = "no"
        when = "amount > 1.0"
        field = "amount"
        phrase = "our policy"
        fix = { safety = "safe", set = { stage = "qualify", probability = 10, amount = 10.5, close_date = 2026-12-31 } }
        [limits]
        max_changes = 5
        max_percent = 12
        max_weighted_change = { USD = 1_000_000, EUR = 0.1 }
        canary = 2
        halt_percent = 5.5
        [sources.export]
        adapter = "file"
        mapping = "ours.toml"
        timezone = "Europe/Berlin"
        currency = "EUR"
        schedule = "*/15 6-20 * jan,Mar mon-fri"
        write = "safe"
        min_rows_percent = 0
        path = "x.csv"
        auth = { password = { file = "/run/secrets/x" } }
        """,
    )
    source = settings.sources["export"]
    (rule,) = settings.custom_rules

    assert settings.database == "postgresql+psycopg://u@host:5432/db"
    assert settings.database_password == Secret(env="DB")
    assert (settings.process, settings.timezone) == ("charts/ours.toml", ZoneInfo("America/New_York"))
    assert settings.policy == Policy(
        select=("PRB", "STG"),
        ignore=("CHK013",),
        severity={"CHK002": "off"},
        fix={"PRB001": "safe"},
        options={"STG005": {"grace_days": 3}},
        outcome_semantics="entry",
    )
    assert settings.limits == Limits(
        max_changes=5,
        max_percent=12.0,
        max_weighted_change={"USD": Decimal(1000000), "EUR": Decimal("0.1")},
        canary=2,
        halt_percent=5.5,
    )
    assert (rule.code, rule.severity, rule.message, rule.field) == ("ACME001", "error", "no", "amount")
    assert (rule.condition, rule.phrase, rule.line, rule.condition_line) == ("amount > 1.0", "our policy", 14, 17)
    assert rule.fix == CustomFix(
        safety="safe",
        set={"stage": "qualify", "probability": 10, "amount": Decimal("10.5"), "close_date": date(2026, 12, 31)},
    )
    assert (source.mapping, source.timezone, source.currency) == ("ours.toml", ZoneInfo("Europe/Berlin"), "EUR")
    assert (source.schedule, source.write) == ("*/15 6-20 * jan,Mar mon-fri", "safe")
    assert source.min_rows_percent == 0.0
    assert source.options == {"path": "x.csv", "auth": {"password": {"file": "/run/secrets/x"}}}
    assert source.locate("auth", "password") == 36


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("sqlite:///data/x.db", "sqlite:///{folder}/data/x.db"),
        ("sqlite:///x.db?timeout=5", "sqlite:///{folder}/x.db?timeout=5"),
        ("sqlite:////var/lib/x.db", "sqlite:////var/lib/x.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("sqlite://", "sqlite://"),
        ("sqlite:///file:x?mode=memory&uri=true", "sqlite:///file:x?mode=memory&uri=true"),
        ("postgresql+psycopg://user@host/db", "postgresql+psycopg://user@host/db"),
        ("postgresql+psycopg:///db?service=crm", "postgresql+psycopg:///db?service=crm"),
    ],
)
def test_a_relative_database_file_lies_beside_the_configuration(tmp_path, written, expected):
    """Only relative SQLite paths change: they become absolute, from the configuration file's folder."""
    settings = load(tmp_path, f'[syncd]\ndatabase = "{written}"\n{SOURCE}')

    assert settings.database == expected.format(folder=tmp_path)


def test_the_folder_is_absolute_however_the_file_is_named(tmp_path, monkeypatch):
    """A file named relatively has an absolute folder and keeps its name in messages."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "syncd.toml").write_text(SOURCE)
    settings = load_config(Path("syncd.toml"))

    assert (settings.file, settings.folder) == (Path("syncd.toml"), tmp_path)


def test_a_source_without_a_zone_takes_the_business_zone(tmp_path):
    """Times of a source are read in the business zone unless it says otherwise."""
    settings = load(tmp_path, f'[syncd]\ntimezone = "Asia/Tokyo"\n{SOURCE}')

    assert settings.sources["export"].timezone == ZoneInfo("Asia/Tokyo")


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path):
    """A file saved by a Windows editor reads like any other, lines included."""
    path = tmp_path / "syncd.toml"
    path.write_bytes(b"\xef\xbb\xbf" + SOURCE.replace("\n", "\r\n").encode() + b'path = "a.csv"\r\n')

    assert load_config(path).sources["export"].locate("path") == 4


def test_a_condition_of_several_lines_knows_where_it_begins(tmp_path):
    """The line of a condition's text is the one after an opening mark that ends its line."""
    (rule,) = load(
        tmp_path, f'{SOURCE}[rules.custom.ACME001]\nmessage = "m"\nwhen = """\namount > 1.0\n"""\n'
    ).custom_rules

    assert (rule.condition, rule.line, rule.condition_line) == ("amount > 1.0\n", 4, 7)


# What is wrong


def test_all_problems_come_at_once_each_with_its_line(tmp_path):
    """Twenty mistakes give twenty problems, in the order of their lines."""
    found = complaints(
        tmp_path,
        """\
[syncd]
databse = "x"
database = "syncd.db"
timezone = "Amerca/New_York"
outcome_semantics = "exits"
process = 3
[rules]
slect = ["PRB"]
select = [
    "PRB",
    7,
]
[rules.severity]
PRB001 = "fatal"
[rules.fix]
PRB001 = true
[rules.options]
STG005 = 14
[limits]
max_changes = 'many'
max_percent = 101
canary = true
halt_percent = nan
max_weighted_change = { usd = 1, EUR = -1 }
[sources.export]
adaptor = "file"
mapping = "canonical"
write = "yes"
currency = "euro"
schedule = "* * *"
[source.typo]
""",
    )

    assert found == [
        (2, "syncd.databse: unknown key; did you mean 'database'?"),
        (3, f"syncd.database: a URL, {DATABASES}, not something else"),
        (4, "syncd.timezone: there is no time zone 'Amerca/New_York'; did you mean 'America/New_York'?"),
        (5, "syncd.outcome_semantics: exit or entry, not 'exits'; did you mean 'exit'?"),
        (6, "syncd.process: a text, not 3"),
        (8, "rules.slect: unknown key; did you mean 'select'?"),
        (11, "rules.select[1]: a text, not 7"),
        (14, "rules.severity.PRB001: error or warning or info or off, not 'fatal'"),
        (16, "rules.fix.PRB001: safe or unsafe or none, not true"),
        (18, "rules.options.STG005: a table, not 14"),
        (20, "limits.max_changes: a whole number, not 'many'"),
        (21, "limits.max_percent: a number above 0 and up to 100, not 101"),
        (22, "limits.canary: a whole number, not true"),
        (23, "limits.halt_percent: a number above 0 and up to 100, not nan"),
        (24, "limits.max_weighted_change.usd: a currency is three capital letters, such as USD"),
        (24, "limits.max_weighted_change.EUR: a number above 0, not -1"),
        (25, "sources.export: adapter is missing: the kind of system, such as \"file\"; is 'adaptor' meant to be it?"),
        (28, "sources.export.write: off or safe or all, not 'yes'"),
        (29, "sources.export.currency: three capital letters such as \"USD\", not 'euro'"),
        (30, f"sources.export.schedule: {CRON}, not '* * *'"),
        (31, "source: unknown key; did you mean 'sources'?"),
    ]


def test_every_problem_names_the_file_as_the_person_did(tmp_path):
    """A problem prints as file:line: message."""
    (problem,) = problems(tmp_path, f"{SOURCE}[limits]\ncanary = 0\n")

    assert str(problem) == f"{tmp_path}/syncd.toml:5: limits.canary: a whole number from 1 up, not 0"


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("[syncd]\nprocess = \n", 2, 11, "is not TOML: Invalid value"),
        ("a = 1\na = 2\n", 2, 6, "is not TOML: Cannot overwrite a value"),
        ('[syncd]\n\nprocess = """x', 3, 0, "is not TOML: "),
        ("x = " + "[" * 5000, 0, 0, "tables or lists are nested too deeply"),
        ("x = " + "9" * 5000, 0, 0, "is not TOML: Exceeds the limit"),
    ],
    ids=["value", "twice", "end", "deep", "huge"],
)
def test_a_text_that_is_not_toml_is_placed(tmp_path, text, line, column, message):
    """A syntax error has the parser's line and column, or the last line where the text stops too early."""
    (problem,) = problems(tmp_path, text)

    assert (problem.line, problem.column) == (line, column)
    assert problem.message.startswith(message)


def test_a_file_that_is_not_there_or_no_text_has_a_remedy(tmp_path):
    """Missing files, folders and other encodings say what to do."""
    (tmp_path / "latin1.toml").write_bytes(b'# fine\nname = "caf\xe9"\n')
    (tmp_path / "closed.toml").symlink_to(tmp_path / "closed.toml")
    found = {}
    for name in ("missing.toml", ".", "latin1.toml", "closed.toml"):
        with pytest.raises(ConfigError) as caught:
            load_config(tmp_path / name)
        (found[name],) = caught.value.problems

    assert "there is no such file" in found["missing.toml"].message
    assert "is a folder" in found["."].message
    assert "is not UTF-8 text" in found["latin1.toml"].message
    assert found["latin1.toml"].line == 2
    assert "cannot be read" in found["closed.toml"].message
    assert all("`syncd init`" in problem.message for problem in found.values())


def test_a_configuration_without_sources_is_a_problem(tmp_path):
    """Reading nothing would look clean, so it is refused."""
    for text in ("", "[syncd]\n", "[sources]\n"):
        (problem,) = problems(tmp_path, text)

        assert problem.message.startswith("there is no source to read")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("limits = 3\n", "limits: a table, not 3"),
        ("[limits]\nmax_changes = 1.0\n", "limits.max_changes: a whole number, not 1.0"),
        ("[limits]\nmax_percent = 0\n", "limits.max_percent: a number above 0 and up to 100, not 0"),
        ("[limits]\nmax_percent = inf\n", "limits.max_percent: a number above 0 and up to 100, not inf"),
        ("[limits]\nmax_percent = true\n", "limits.max_percent: a number above 0 and up to 100, not true"),
        ("[limits]\nmax_weighted_change = 5\n", "limits.max_weighted_change: a table, not 5"),
        ("[limits]\nzzz = 5\n", "limits.zzz: unknown key; the keys here are " + ", ".join(KEYS["limits"])),
        ('[syncd]\ntimezone = "America"\n', "syncd.timezone: there is no time zone 'America'"),
        ('[syncd]\ntimezone = "../UTC"\n', "syncd.timezone: there is no time zone '../UTC'"),
        ('[syncd]\nprocess = " "\n', "syncd.process: a text, not ' '"),
        ('[rules]\nselect = "PRB"\n', 'rules.select: a list of texts such as ["PRB", "STG005"], not \'PRB\''),
        ("[sources]\nother = 1\n[sources.export]\n", "sources.other: a table, not 1"),
    ],
)
def test_values_of_the_wrong_kind_are_refused_in_plain_words(tmp_path, text, message):
    """Types and ranges are checked; true is not a number and 1.0 is not whole."""
    source = "".join(SOURCE.splitlines(keepends=True)[1:]) if "[sources.export]" in text else SOURCE
    found = [problem.message for problem in problems(tmp_path, text + source)]

    assert len(found) == 1
    assert found[0].startswith(message)


@pytest.mark.parametrize("schedule", ["* * * *", "60 * * * *", "* * 0 * *", "5-1 * * * *", "*/0 * * * *", "@daily",
                                      "* * * foo *", "* * * * mon-", ", * * * *", "²  * * * *"])  # fmt: skip
def test_schedules_that_cron_would_not_read_are_refused(tmp_path, schedule):
    """A schedule has five fields within cron's ranges."""
    (problem,) = problems(tmp_path, f'{SOURCE}schedule = "{schedule}"\n')

    assert "as in cron" in problem.message


@pytest.mark.parametrize(
    ("code", "body", "message"),
    [
        ("acme1", "", "two to eight capital letters and three digits"),
        ("PRB100", "", "are syncd's own"),
        ("SYNX001", "", "are syncd's own"),
        ("ACME001", 'sevrity = "error"', "sevrity: unknown key; did you mean 'severity'?"),
        ("ACME001", 'severity = "off"', "error or warning or info, not 'off'"),
        ("ACME001", 'field = "ownr"', "not 'ownr'; did you mean 'owner'?"),
        ("ACME001", 'fix = { set = { "proof.verbal_approval" = "yes" } }', "never evidence"),
        ("ACME001", 'fix = { set = { stages = "x" } }', "and never evidence; did you mean 'stage'?"),
        ("ACME001", "fix = { set = { probability = 101 } }", "a number from 0 to 100, not 101"),
        ("ACME001", "fix = { set = { amount = true } }", "not true"),
        ("ACME001", 'fix = { set = { amount = "NaN" } }', "not 'NaN'"),
        ("ACME001", 'fix = { set = { close_date = "soon" } }', "a day such as 2026-12-31, not 'soon'"),
        ("ACME001", "fix = { set = { close_date = 2026-12-31T10:00:00 } }", "a day such as 2026-12-31, not 2026"),
        ("ACME001", 'fix = { set = { owner = "" } }', "a text, not ''"),
        ("ACME001", 'fix = { safety = "none", set = { owner = "x" } }', "unsafe or safe, not 'none'"),
        ("ACME001", 'fix = { safety = "safe" }', "set is missing"),
        ("ACME001", 'fix = "safe"', "fix: a table, not 'safe'"),
    ],
)
def test_custom_rules_are_checked(tmp_path, code, body, message):
    """Codes, fields and fixes of custom rules must make sense, and none may set evidence."""
    rule = f'[rules.custom.{code}]\nmessage = "m"\nwhen = "true"\n{body}\n'
    found = [problem.message for problem in problems(tmp_path, rule + SOURCE)]

    assert any(message in one for one in found), found


def test_a_custom_rule_needs_a_message_and_a_condition(tmp_path):
    """Without message or condition there is no rule."""
    found = [problem.message for problem in problems(tmp_path, f"{SOURCE}[rules.custom.ACME001]\n")]

    assert [one.partition(" is missing")[0] for one in found] == [
        "rules.custom.ACME001: message",
        "rules.custom.ACME001: when",
    ]


# Secrets


@pytest.mark.parametrize(
    "body",
    [
        'password = "hunter2"',
        "password = 12345678",
        'auth = { type = "basic", password = "hunter2" }',
        'auth = { client_secret = "hunter2" }',
        'steps = [{ token = "hunter2" }]',
        'headers = { Authorization = "Bearer hunter2" }',
        'base_url = "https://svc:hunter2@crm.example.com/v1"',
        'url = "mysql://svc:hunt/er2@db/crm"',
        'password = { value = "hunter2" }',
        'password = { env = "A", file = "hunter2" }',
        'password = { command = "echo hunter2" }',
    ],
)
def test_a_literal_secret_is_refused_and_never_repeated(tmp_path, body):
    """Wherever a source holds a secret as such, the message names the five forms and nothing of the secret."""
    (problem,) = problems(tmp_path, f"{SOURCE}{body}\n")

    assert all(form in problem.message for form in ("file", "env", "command", "keyring", "credential"))
    assert "hunt" not in problem.message
    assert "1234" not in problem.message
    assert problem.line == 4


def test_addresses_without_a_password_are_fine(tmp_path):
    """A port, an at sign in a query and a user name alone are no password."""
    load(
        tmp_path,
        SOURCE
        + 'a = "https://crm.example.com:8443/v1?mail=a@b"\nb = "https://svc@crm.example.com"\n'
        + 'token_url = "https://x/y"\nauth = { token = { env = "T" }, token_field = "t" }\n',
    )


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://user:hunter2@host/db",
        "postgresql+psycopg://user:hunt/er#2@host/db",
        "postgresql+psycopg://user@host/db?password=hunter2",
        "postgresql+psycopg://host/db?user=u&sslpassword=hunter2",
    ],
)
def test_a_password_in_the_database_url_is_refused(tmp_path, url):
    """The message says how to write it instead, and never repeats it."""
    message = only_complaint(tmp_path, f'[syncd]\ndatabase = "{url}"\n')

    assert "database = { url = " in message
    assert "hunt" not in message


@pytest.mark.parametrize("url", ["syncd.db", "/var/lib/syncd.db", "postgresql://u:hunter2@host/db", "sqlite:syncd.db"])
def test_a_database_that_is_no_url_names_the_two_forms(tmp_path, url):
    """A plain path or another scheme is refused, without repeating what may hold a password."""
    message = only_complaint(tmp_path, f'[syncd]\ndatabase = "{url}"\n')

    assert '"sqlite:///syncd.db" or "postgresql+psycopg://user@host/database"' in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('{ url = "sqlite:///x.db", password = { env = "A" } }', "SQLite has none"),
        ('{ url = "postgresql+psycopg://u@h/d", password = "hunter2" }', "a secret is never written here"),
        ('{ password = { env = "A" } }', "url is missing"),
        ('{ url = "postgresql+psycopg://u@h/d", pasword = { env = "A" } }', "did you mean 'password'?"),
    ],
)
def test_a_database_table_is_checked(tmp_path, table, message):
    """The table form takes a URL and a reference, and nothing else."""
    found = only_complaint(tmp_path, f"[syncd]\ndatabase = {table}\n")

    assert message in found
    assert "hunter2" not in found


# The adapter's own settings


class Auth(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    password: Secret | None = None


class FileSettings(msgspec.Struct, forbid_unknown_fields=True):
    path: str
    size: Annotated[int, msgspec.Meta(ge=1)] = 1
    columns: list[str] = []
    strict: bool = False
    format: Literal["csv", "xlsx"] | None = None
    rate: float | None = None
    auth: Auth | None = None

    def __post_init__(self) -> None:
        if self.strict and not self.columns:
            raise ValueError("strict needs columns")


def option_complaints(folder: Path, body: str) -> list[tuple[int, str]]:
    source = load(folder, SOURCE + body).sources["export"]
    return [(problem.line, problem.message) for problem in validate_options(source, FileSettings)]


def test_options_an_adapter_understands_pass_and_convert(tmp_path):
    """What passes converts into the adapter's settings, secrets as references."""
    source = load(
        tmp_path, f'{SOURCE}path = "x.csv"\nrate = 2\nauth = {{ type = "basic", password = {{ env = "P" }} }}\n'
    ).sources["export"]

    assert validate_options(source, FileSettings) == []
    assert msgspec.convert(source.options, FileSettings) == FileSettings(
        path="x.csv", rate=2.0, auth=Auth(type="basic", password=Secret(env="P"))
    )


def test_every_option_problem_has_its_line(tmp_path):
    """Unknown names, wrong types and limits of an adapter's settings are found together, nested ones too."""
    found = option_complaints(
        tmp_path,
        """\
pth = "x"
size = "many"
columns = [
    "a",
    3,
]
strict = 1
format = "xslx"
rate = "fast"
scheduel = "x"
zzzzzz = 1
[sources.export.auth]
type = 3
""",
    )

    assert found == [
        (1, "sources.export: path is missing: the adapter 'file' needs it"),
        (4, "sources.export.pth: unknown key; did you mean 'path'?"),
        (5, "sources.export.size: a whole number, not 'many'"),
        (8, "sources.export.columns[1]: a text, not 3"),
        (10, "sources.export.strict: true or false, not 1"),
        (11, "sources.export.format: csv or xlsx, not 'xslx'; did you mean 'xlsx'?"),
        (12, "sources.export.rate: a number, not 'fast'"),
        (13, "sources.export.scheduel: unknown key; did you mean 'schedule'?"),
        (
            14,
            f"sources.export.zzzzzz: unknown key; the adapter 'file' takes {', '.join(FileSettings.__struct_fields__)}",
        ),
        (16, "sources.export.auth.type: a text, not 3"),
    ]


def test_limits_and_contradictions_of_an_adapter_are_reported(tmp_path):
    """What only the adapter's own checks refuse is reported as well."""
    assert option_complaints(tmp_path, 'path = "x"\nsize = 0\n') == [
        (5, "sources.export.size: a whole number >= 1, not 0"),
    ]
    assert option_complaints(tmp_path, 'path = "x"\nstrict = true\n') == [(1, "sources.export: strict needs columns")]
    assert option_complaints(tmp_path, 'path = "x"\nauth = "hunter2"\n') == [
        (5, "sources.export.auth: a table, not a text"),
    ]
    assert option_complaints(tmp_path, 'path = "x"\nauth = { type = "b", user = "x" }\n') == [
        (5, "sources.export.auth: object contains unknown field `user`"),
    ]


# Lines


def test_the_locator_finds_keys_of_every_shape():
    """Tables, dotted and quoted keys, arrays of tables, multi-line values and inline tables have their lines."""
    places = find_places(
        '''\
# [not.a.table]
top = """
[fake]
x = 1 \\""" still inside
""""" # two quotes belong to it
lit = \'\'\'
y = "2"\'\'\'
[a . "b.c"] # comment
k.l = "x # no comment"
'm n' = 1979-05-27 07:32:00
list = [ # comment ]
  1,
  "]", { in = [
    true ] },
]
[[t]]
v = 1
[t.sub]
w = 2
[[t]]
v = { p = 1, q = { r = "}" }, s.t = 3 }
[t.sub]
w = "\\u0041"
[a]
late = 1
"\\u00e9" = 2
'''
    )

    assert [places(*path) for path in (("top",), ("lit",), ("a",), ("a", "b.c"))] == [2, 6, 24, 8]
    assert [places("a", "b.c", *path) for path in (("k",), ("k", "l"), ("m n",), ("list",))] == [9, 9, 10, 11]
    assert [places("a", "b.c", "list", *path) for path in ((0,), (1,), (2, "in"), (2, "in", 0))] == [12, 13, 13, 14]
    assert [places("t", *path) for path in ((), (0, "v"), (0, "sub", "w"), (1,), (1, "v"))] == [16, 17, 19, 20, 21]
    assert [places("t", 1, *path) for path in (("v", "q", "r"), ("v", "s", "t"), ("sub", "w"))] == [21, 21, 23]
    assert (places("a", "late"), places("a", "é")) == (25, 26)
    assert (places.of_text("top"), places.of_text("lit"), places.of_text("a", "late")) == (3, 7, 25)


def test_a_key_that_is_not_there_has_the_line_of_the_table_around_it():
    """A missing key is placed at its table, and at 0 where there is none."""
    places = find_places("[a]\n[a.b]\nc = 1\n")

    assert (places("a", "b", "missing"), places("a", "x", "y"), places("z")) == (2, 1, 0)
    assert places.within("a", "b")("c") == 3


def flattened(value: Any, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {path} - {()} | {one for key, inner in items for one in flattened(inner, (*path, key))}


KEY = st.sampled_from(["a", "b-1", '"q.u"', "'li t'", '"\\u0041"'])
TEXT = st.sampled_from(
    ['"x"', '"\\\\"', '"# [no]"', "'\\'", '"""\n[no]\n"""', "'''\n= '' \n'''", '"""a"" b"""""', "''", '""', '""""""']
)
SCALAR = TEXT | st.sampled_from(
    ["1", "-1.5e3", "true", "inf", "1979-05-27 07:32:00", "07:32:00.5", "0x_f".replace("_", "")]
)
GAP = st.sampled_from(["", " ", "\n", " # ], }\n", "\r\n", "\t\n\n"])


@st.composite
def values(draw, depth=2):
    shape = draw(st.integers(0, 2 if depth else 0))
    if shape == 0:
        return draw(SCALAR)
    inner = draw(st.lists(values(depth=depth - 1), max_size=3))
    if shape == 1:
        return "[" + "".join(f"{draw(GAP)}{one}{draw(GAP)}," for one in inner) + draw(GAP) + "]"
    return "{" + ", ".join(f"k{index}.{draw(KEY)} = {one}" for index, one in enumerate(inner)) + "}"


@effort(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["[[t]]", "[t.u{}]", "[x.y{}]", ""]), KEY, values(), GAP), max_size=6))
def test_the_locator_sees_what_the_parser_sees_and_where(parts):
    """For any text: the same keys as tomllib finds, each pair on the line it was written on."""
    text, line, marks = "[[t]]\n", 2, {}
    for number, (header, key, value, gap) in enumerate(parts):
        head = header.format(number) + "\n" if header else ""
        pair = f"n{number}.{key} = {value}\n{gap.replace(',', '')}\n"
        marks[f"n{number}"] = line + head.count("\n")
        text += head + pair
        line += (head + pair).count("\n")
    places = find_places(text)

    assert set(places.lines) == flattened(tomllib.loads(text))
    for path, found in places.lines.items():
        if path[-1] in marks:
            assert found == marks[path[-1]]


# The example and the documentation


def example_blocks() -> list[tuple[int, str]]:
    """The commented-out settings of the example: first line and uncommented text."""
    found = re.finditer(r"(?:^#[^ \n].*\n)+", EXAMPLE.read_text(), re.MULTILINE)
    return [(match.start(), re.sub("^#", "", match.group(), flags=re.MULTILINE)) for match in found]


def test_the_example_is_valid_as_it_stands():
    """The shipped example loads, and shows every section."""
    settings = load_config(EXAMPLE)

    assert settings.sources["export"].options == {"path": "examples/pipeline.csv"}
    assert settings.policy == Policy(options={"STG005": {"grace_days": 14}})
    assert settings.limits == Limits()
    assert len(example_blocks()) >= 8


@pytest.mark.parametrize("index", range(len(example_blocks())))
def test_each_commented_setting_of_the_example_is_valid(tmp_path, index):
    """Uncommenting any one block of the example gives a configuration that loads and differs."""
    text = EXAMPLE.read_text()
    start, block = example_blocks()[index]
    before = re.sub(rf"^{block.split()[0]} = .*\n", "", text[:start], flags=re.MULTILINE)

    assert load(tmp_path, before + block + text[start:]) != load(tmp_path, text)


def test_the_comments_of_the_example_cover_every_key():
    """Every key of the contract is shown in the example, in use or commented out."""
    text = EXAMPLE.read_text()
    shown = set(re.findall(r"([a-z_]+)(?= = )", text)) | set(re.findall(r"\b([a-z]+)(?=[\].])", text))
    missing = {key for table in KEYS.values() for key in table} - shown

    assert missing == set()


def documented() -> dict[str, dict[str, str]]:
    """The documentation's tables: section, key, example."""
    tables: dict[str, dict[str, str]] = {}
    section = None
    for line in DOCS.read_text().splitlines():
        if line.startswith("## "):
            heading = re.fullmatch(r"## \[(.+)\]", line)
            section = tables.setdefault(heading[1], {}) if heading else None
        elif section is not None and (row := re.match(r"\| `([\w.]+)` \|.*\| `([^`]+)` \|$", line)):
            section[row[1]] = row[2]
    return tables


def test_every_key_is_documented_and_nothing_else_is():
    """The documentation's tables are exactly the keys the loader accepts, and the options rules take."""
    tables = documented()
    options = tables.pop("rules.options")

    assert {name: tuple(keys) for name, keys in tables.items()} == {name: KEYS[name] for name in KEYS if name}
    assert set(options) == {f"{code}.{name}" for code, names in RULE_OPTIONS.items() for name in names}


@pytest.mark.parametrize(("section", "key"), [(one, key) for one, keys in documented().items() for key in keys])
def test_each_documented_example_is_accepted(tmp_path, section, key):
    """Each example of the documentation is accepted where it is said to belong."""
    table = section.replace("CODE", "ACME001").replace("NAME", "export")
    others = {
        "syncd.database": {"url": '"postgresql+psycopg://u@h/d"'},
        "rules.custom.CODE": {"message": '"m"', "when": '"true"'},
        "rules.custom.CODE.fix": {"set": '{ owner = "x" }'},
        "sources.NAME": {"adapter": '"file"', "mapping": '"canonical"'},
    }.get(section, {})
    lines = [f"{name} = {value}" for name, value in others.items() if name != key]
    outer = '[rules.custom.ACME001]\nmessage = "m"\nwhen = "true"\n' if section.endswith(".fix") else ""
    rest = "" if section == "sources.NAME" else SOURCE
    settings = load(tmp_path, "\n".join([outer, f"[{table}]", documented()[section][key], *lines, rest]))

    assert check_policy(settings.policy, ("PRB001", "STG005", "OUT001", "CHK002", "CHK013", "ACME001")) == []
