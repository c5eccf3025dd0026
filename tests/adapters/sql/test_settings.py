"""Which settings and queries are taken; the rest is refused before anything is opened."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.sql.settings import faults, statement
from syncd.errors import ConfigError
from tests.adapters.sql.parts import adapter

URL = "sqlite:///crm.db"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM deals",
        "select 1;",
        "  -- what\n/* who */ SELECT 'drop; delete' AS x, \"update\" FROM deals ; -- end",
        "WITH recent AS (SELECT * FROM deals) SELECT * FROM recent",
        "SELECT replace(name, ';', ',') FROM deals WHERE note = 'it''s; an \"insert\"'",
        "SELECT $$; delete$$, $tag$ drop $tag$ FROM deals",
        "SELECT deleted, updated_at, created FROM deals",
        "SELECT a::text, '12:30', x[1:2] FROM deals",
    ],
)
def test_queries_that_only_read(query):
    """A single SELECT is taken, whatever its texts, quoted names and comments hold."""
    assert list(faults(query)) == []


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("DELETE FROM deals", "no SELECT"),
        (" ", "no SELECT"),
        ("-- SELECT 1", "no SELECT"),
        ("PRAGMA writable_schema = 1", "no SELECT"),
        ("EXPLAIN ANALYZE DELETE FROM deals", "no SELECT"),
        ("SELECT 1; DELETE FROM deals", "more than one statement"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("SELECT * INTO copy FROM deals", "into"),
        ("SELECT * FROM deals FOR UPDATE", "update"),
        ("WITH gone AS (DELETE FROM deals RETURNING *) SELECT * FROM gone", "delete"),
        ("WITH x AS (SELECT 1) INSERT INTO deals SELECT * FROM x", "insert"),
        ("SELECT 1 /*! ; DROP TABLE deals */", "has no end"),
        ("SELECT 'open", "has no end"),
        ("SELECT 1 /* open", "has no end"),
    ],
)
def test_queries_that_do_more(query, says):
    """Anything else is refused with what is wrong with it."""
    with pytest.raises(ConfigError, match=f"(?i){says}"):
        adapter(URL, query=query)


@given(st.text(alphabet="SELECT 'x\"`;-/*$\n:!", max_size=40))
def test_looking_at_a_query_always_ends(query):
    """Whatever stands in its place, a query is looked through."""
    list(faults(f"SELECT {query}"))
    statement(query)


def test_a_query_as_it_is_sent():
    """The semicolon and comments at the end are left out, and nothing is taken for a parameter."""
    assert statement("SELECT ':x', a::text FROM t ; -- end\n ;") == "SELECT '\\:x', a\\:\\:text FROM t"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "either query or table"),
        ({"table": "deals", "query": "SELECT 1"}, "either query or table"),
        ({"query": "SELECT 1", "schema": "crm"}, "schema"),
        ({"table": "deals", "condition": "x > :since"}, "condition: of use with `modified`"),
        ({"table": "deals", "modified": "x", "condition": "x > :then"}, "condition: it compares with :since"),
        ({"table": "deals", "modified": "x", "condition": "x > :since; DROP TABLE x"}, "more than one"),
        ({"table": "deals", "url": "nonsense"}, "no SQLAlchemy URL"),
        ({"table": "deals", "url": "nosuch://host/base"}, "knows no database"),
        ({"table": "deals", "url": "postgresql+psycopg://user:hush@host/base"}, "never written here"),
        ({"table": "deals", "url": "mysql+pymysql://host/base?password=hush"}, "never written here"),
        ({"table": "deals", "url": "postgresql+psycopg2://host/base"}, "pip install 'psycopg2-binary'"),
        ({"table": "deals", "url": "oracle+oracledb://host/base"}, "pip install 'oracledb'"),
        ({"table": "deals", "url": "postgresql+psycopg_async://host/base"}, "asyncio"),
        ({"table": "deals", "url": "sqlite://"}, "a file is read"),
        ({"table": "deals", "url": "sqlite:///:memory:"}, "a file is read"),
    ],
)
def test_settings_that_cannot_work(settings, says):
    """Each is refused with its name and the remedy, and no password is repeated."""
    with pytest.raises(ConfigError, match=says) as caught:
        adapter(**{"url": URL, **settings})

    assert "hush" not in str(caught.value)
