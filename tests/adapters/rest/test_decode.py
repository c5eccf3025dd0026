"""Taking answers apart: the quick way and the thorough one give the same, and odd records cost nobody else."""

import random
from decimal import Decimal

import msgspec
import pytest

from adapters.rest.decode import Decoder, dig
from syncd.adapter import MISSING
from syncd.errors import SourceIncomplete

FIELDS = ["id", "name", "account.name", "account.owner.name", "tags", "fields.a.b"]


def decoder(**more):
    return Decoder(
        **{"records": "data", "fields": FIELDS, "id_field": "id", "said": ["meta.next", "@odata.next"], **more}
    )


def rows(body, **more):
    return decoder(**more)(msgspec.json.encode(body) if not isinstance(body, bytes) else body).rows


NAMES = ["id", "name", "account", "owner", "tags", "fields", "a", "b", "account.name", "other"]
LEAVES = [None, True, 0, -7, "", "text", [], [1, 2], [{"a": {"b": 1}}], 1.5]


def anything(chance, depth=3):
    """A value as no CRM gives it, in the names that matter here."""
    if depth and chance.random() < 0.6:
        return {name: anything(chance, depth - 1) for name in chance.sample(NAMES, chance.randrange(6))}
    return chance.choice(LEAVES)


def test_the_quick_way_gives_what_the_thorough_one_does():
    """Whatever records look like, structs made for the wanted fields find what looking through everything finds."""
    chance = random.Random(3)
    quick, thorough = decoder(), decoder()
    used, real = [], quick._quick
    quick._quick = lambda body: used.append(found := real(body)) or found
    thorough._quick = None
    for number in range(2_000):
        record = {name: anything(chance, 2) for name in chance.sample(NAMES, 6)} | {"id": number}
        body = msgspec.json.encode({"data": [record], "meta": {"next": "x"}, "@odata.next": "y"})
        expected, found = thorough(body), quick(body)

        assert found.rows == expected.rows
        assert found.said == expected.said == {"meta.next": "x", "@odata.next": "y"}
    assert len([one for one in used if one]) > 200


def test_nested_fields():
    """A dot leads into an object; an absent member is missing, and one of a null object is blank."""
    found = rows({"data": [
        {"id": 1, "account": {"name": "A", "owner": {"name": "O"}}},
        {"id": 2, "account": None},
        {"id": 3, "account": {}},
        {"id": 4, "account.name": "literal"},
        {"id": 5, "account": "an id"},
        {"id": 6, "account": []},
    ]})  # fmt: skip

    columns = sorted(FIELDS)
    at, deep = columns.index("account.name"), columns.index("account.owner.name")
    assert [row[at] for row in found] == ["A", None, MISSING, "literal", MISSING, MISSING]
    assert [row[deep] for row in found] == ["O", None, MISSING, MISSING, MISSING, MISSING]


def test_numbers_are_exact():
    """A number with a fraction is the one that was written."""
    assert rows(b'{"data":[{"id":1,"name":0.1}]}', fields=["id", "name"]) == [[1, Decimal("0.1")]]


def test_lists_stay_for_child_components():
    """A list of objects stays one, with nested names joined in each; other lists stay as well."""
    found = rows(
        {"data": [{"id": 1, "tags": [{"type": "Call", "owner": {"name": "O"}}, {"type": "Mail"}]}]},
        fields=["id", "tags"],
    )

    assert found == [[1, [{"type": "Call", "owner.name": "O"}, {"type": "Mail"}]]]


def test_an_object_in_the_place_of_a_value():
    """An object under a name the mapping reads as a value is unknown, and a note says what to write instead."""
    made = decoder(fields=["id", "name"])(b'{"data":[{"id":1,"name":{"first":"A"}},{"id":2,"name":{"first":"B"}}]}')

    assert made.rows == [[1, MISSING], [2, MISSING]]
    assert made.notes == ["the field name holds an object and is not read; name a member of it, as in name.name"]


@pytest.mark.parametrize("odd", ["7", "null", '"text"', "[]"])
def test_what_is_no_object_is_broken(odd):
    """An element of the list that is no object is refused alone."""
    made = decoder()(f'{{"data":[{{"id":1}},{odd},{{"id":3}}]}}'.encode())

    assert [made.keys[0], made.keys[2]] == ["1", "3"]
    assert made.faults == {1: "it is not an object"}


@pytest.mark.parametrize("identity", [None, "", "  ", True, 1.5, {"a": 1}, [1], "a\0b"])
def test_what_is_no_id(identity):
    """Blank, null, true, fractions, objects and texts with a NUL identify nothing."""
    made = decoder(fields=["id", "name"])(msgspec.json.encode({"data": [{"id": 1}, {"id": identity}]}))

    assert [*made.faults] == [1]


@pytest.mark.parametrize("body", [b"{}", b'{"data":{}}', b'{"data":"x"}', b'{"data":7,"error":"no"}', b"[]"])
def test_an_answer_without_the_list(body):
    """An answer without the list is never an empty source."""
    with pytest.raises(SourceIncomplete, match="no list at `data`"):
        decoder()(body)


def test_null_for_an_empty_list():
    """Some systems give null where there are no records."""
    assert rows(b'{"data":null}') == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("data", b'{"data":null,"errors":[{"message":"timeout"}]}'),
        ("data", b'{"data":null,"error":"timeout"}'),
        ("data.deals", b'{"data":null}'),
    ],
)
def test_null_for_an_error(path, body):
    """Where null stands for what could not be had, it is no empty list."""
    with pytest.raises(SourceIncomplete, match="no list"):
        Decoder(records=path, fields=["id"], id_field="id")(body)


def test_every_field_where_the_mapping_names_none():
    """Without wanted fields all that come are given, and later ones are added at the end."""
    made = decoder(fields=[])
    first = made(b'{"data":[{"id":1,"a":{"b":2}}]}')
    second = made(b'{"data":[{"c":3,"id":2,"a":null}]}')

    assert first.columns == ("id", "a.b")
    assert second.columns == ("id", "a.b", "c", "a")
    assert second.rows == [[2, None, 3, None]]


def test_names_without_end():
    """Ids or dates in the place of field names end a pull before they fill the memory."""
    with pytest.raises(SourceIncomplete, match="4,096"):
        rows({"data": [{"id": 1, **{f"f{n}": n for n in range(5_000)}}]}, fields=[])


def test_nesting_without_end():
    """A record that is nested beyond all sense is broken."""
    deep = "x"
    for _ in range(50):
        deep = {"a": deep}
    made = decoder(fields=[])(msgspec.json.encode({"data": [{"id": 1}, {"id": 2, "deep": deep}]}))

    assert made.faults[1].startswith("its objects are nested")


@pytest.mark.parametrize(
    ("value", "found"),
    [({"a": {"b": 1}}, 1), ({"a": None}, None), ({"a": {}}, MISSING), ({"a": [1]}, MISSING), ({"a.b": 2}, 2),
     (None, None), ("a.b", MISSING), ({}, MISSING)],
)  # fmt: skip
def test_following_a_path(value, found):
    """Whatever stands where, following a path gives a value, None below a null, or missing."""
    assert dig(value, "a.b") == found
