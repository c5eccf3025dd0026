"""The composition root: what of a configuration makes an increment impossible."""

import pytest

from syncd.bootstrap import load_workspace
from syncd.errors import ConfigError

SOURCE = {
    "adapter": '"siebel"',
    "mapping": '"siebel"',
    "timezone": '"America/New_York"',
    "base_url": '"https://crm.example.com/siebel/v1.0"',
    "auth": '{ type = "basic", username = "svc", password = { env = "SIEBEL_PASSWORD" } }',
}


@pytest.fixture
def digest(tmp_path):
    """Gives what identifies the reading of a source with some settings changed."""

    def of(**changed):
        lines = [f"{name} = {value}\n" for name, value in {**SOURCE, **changed}.items() if value]
        file = tmp_path / "syncd.toml"
        file.write_text('[syncd]\ndatabase = "sqlite:///store.db"\n[sources.crm]\n' + "".join(lines), encoding="utf-8")
        (source,) = load_workspace(file).sources
        return source.digest

    return of


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("base_url", '"https://other.example.com/siebel/v1.0"'),
        ("view_mode", '"All"'),
        ("searchspec", "\"[Sales Method] = 'MSSP'\""),
        ("auth", '{ type = "basic", username = "other", password = { env = "SIEBEL_PASSWORD" } }'),
        ("timezone", '"UTC"'),
    ],
)
def test_settings_that_show_other_records(digest, setting, value):
    """Of what another system, account, view or filter shows, an increment tells only what changes: all is read."""
    assert digest() != digest(**{setting: value})


@pytest.mark.parametrize(
    ("setting", "value"), [("page_size", "50"), ("timeout_seconds", "5"), ("schedule", '"0 * * * *"')]
)
def test_settings_that_show_the_same(digest, setting, value):
    """How fast and how often a source is read has no bearing on what was read before."""
    assert digest() == digest(**{setting: value})


def test_a_source_that_must_say_its_zone(digest):
    """Siebel's times are in a zone that nobody can know but who set it up: the business zone is no guess for it."""
    with pytest.raises(ConfigError, match="timezone") as caught:
        digest(timezone=None)

    assert "zone of its account" in str(caught.value)


RULE = {
    "severity": '"warning"',
    "message": '"big"',
    "when": '"amount > 100000.0"',
    "field": '"owner"',
    "phrase": '"Large deals have an owner"',
}
"""A rule of a company's own."""


@pytest.fixture
def ruling(tmp_path):
    """What identifies the rules of a configuration with that rule, some of its keys being others."""

    def told(before="", **changed):
        keys = "".join(f"{name} = {value}\n" for name, value in (RULE | changed).items())
        file = tmp_path / "syncd.toml"
        source = '[sources.export]\nadapter = "file"\npath = "x.csv"\nmapping = "canonical"\n'
        file.write_text(f"{before}[rules.custom.ACME001]\n{keys}{source}")
        made = load_workspace(file)
        return made.ruling, made.digest

    return told


@pytest.mark.parametrize(
    ("key", "value"),
    [("severity", '"error"'), ("message", '"large"'), ("when", '"amount > 5.0"'), ("field", '"amount"'),
     ("phrase", '"Deals are large"')],
)  # fmt: skip
def test_whatever_an_own_rule_says_identifies_it(ruling, key, value):
    """Where a run by other rules went on from what the last came to, it would say what those said."""
    for one, other in zip(ruling(), ruling(**{key: value}), strict=True):
        assert one != other


def test_where_an_own_rule_stands_says_nothing(ruling):
    """A comment above it changes nothing of what it says."""
    assert ruling() == ruling(before="# a comment\n\n")
