"""The pages of the REST and SQL adapters against what the adapters take."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from adapters.rest import RestAdapter
from adapters.rest import settings as rest
from adapters.sql import SqlAdapter
from syncd.adapter import SourceContext
from syncd.httpkit import HttpSettings
from tests.test_docs import DOCS, blocks, keys_of_tables, section

COMMON = {"adapter", "mapping"}


def fields(struct):
    return {*struct.__struct_fields__}


def test_every_setting_of_the_rest_adapter_is_documented():
    """The page names every setting, every style of paging with its keys, and no other."""
    page = DOCS / "adapters" / "rest.md"
    styles = {one.__struct_config__.tag: fields(one) for one in rest.Paging.__args__}
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", section(page, "Paging"), flags=re.MULTILINE)
    parts = {
        "select": rest.Select,
        "increment": rest.Increment,
        "deletions": rest.Deletions,
        "write": rest.WriteTemplate,
    }

    assert fields(rest.RestSettings) == keys_of_tables(section(page, "Settings"))
    assert fields(HttpSettings) <= keys_of_tables(section(page, "Settings"))
    assert styles == {name: {*re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", keys))} for name, keys in rows[1:]}
    inner = {f"{name}.{key}" for name, struct in parts.items() for key in fields(struct)}
    assert inner == keys_of_tables(section(page, "Fields, changes, deletions"))


def test_every_setting_of_the_sql_adapter_is_documented():
    """The page names every setting and no other."""
    assert fields(SqlAdapter.Settings) == keys_of_tables(section(DOCS / "adapters" / "sql.md", "Settings"))


@pytest.mark.parametrize(("name", "adapter"), [("rest", RestAdapter), ("sql", SqlAdapter)])
def test_what_the_pages_show_is_taken(name, adapter):
    """The configuration at the top of each page makes an adapter."""
    (given,) = tomllib.loads(blocks(DOCS / "adapters" / f"{name}.md", "toml")[0])["sources"].values()
    options = {key: value for key, value in given.items() if key not in COMMON}

    made = adapter.create(msgspec.convert(options, adapter.Settings), SourceContext(name="crm", folder=Path()))

    assert made.capabilities.incremental
