"""The adapter over an OData v4 server that this project did not write: odatapy, from PyPI, by configuration alone."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import httpx
import msgspec
import pytest
from odatapy.data import Entity, ValueType
from odatapy.edm import csdl
from odatapy.server import OData
from odatapy.server.adapters import ODataWSGIApp
from odatapy.server.inmemory import InMemoryDataStore, InMemoryProcessor

from adapters.dynamics365 import Dynamics365
from syncd.adapter import SourceContext
from syncd.errors import ConfigError, SourceIncomplete
from tests.adapters.dynamics365.desk import checks, keys, mark, pull, until_cut
from tests.httpkit.servers import Time

TYPES = {
    "Id": "Edm.String", "Name": "Edm.String", "Stage": "Edm.String", "Probability": "Edm.Int32",
    "Amount": "Edm.Decimal", "Changed": "Edm.DateTimeOffset",
}  # fmt: skip
ROLES = {"id": "Id", "name": "Name", "stage": "Stage", "probability": "Probability", "amount": "Amount"}
FIELDS = frozenset(ROLES.values())


class _Model(csdl.CsdlAbstractEdmProvider):
    def get_schemas(self):
        facets = {"Amount": {"precision": 19, "scale": 4}}
        properties = [csdl.CsdlProperty(name=name, type=kind, **facets.get(name, {})) for name, kind in TYPES.items()]
        deal = csdl.CsdlEntityType(
            name="Deal", key=[csdl.CsdlPropertyRef(name="Id")], properties=properties,
            navigation_properties=[csdl.CsdlNavigationProperty(name="Tasks", type="Collection(Crm.Task)")],
        )  # fmt: skip
        task = csdl.CsdlEntityType(
            name="Task", key=[csdl.CsdlPropertyRef(name="Id")],
            properties=[csdl.CsdlProperty(name=name, type="Edm.String") for name in ("Id", "Subject", "Status")],
        )  # fmt: skip
        container = csdl.CsdlEntityContainer(
            name="Container",
            entity_sets=[
                csdl.CsdlEntitySet(
                    name="Deals", type="Crm.Deal",
                    navigation_property_bindings=[csdl.CsdlNavigationPropertyBinding(path="Tasks", target="Tasks")],
                ),
                csdl.CsdlEntitySet(name="Tasks", type="Crm.Task"),
            ],
        )  # fmt: skip
        return [csdl.CsdlSchema(namespace="Crm", entity_types=[deal, task], entity_container=container)]


class _Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


def entity(values, types):
    made = Entity()
    for name, value in values.items():
        made.set_property(name, value, ValueType.PRIMITIVE, types[name])
    return made


def deals(count):
    return [
        {"Id": f"D-{number:04}", "Name": f"Ünïcödé {number} & co", "Stage": "Develop", "Probability": 20,
         "Amount": Decimal("1234567890123.4567")}
        for number in range(count)
    ]  # fmt: skip


@contextmanager
def service(count):
    """The server, with as many deals; gives its address."""
    odata = OData.new_instance()
    handler = odata.create_handler(odata.create_service_metadata(_Model()))
    store = InMemoryDataStore()
    store.set_entities("Deals", [entity(one, TYPES) for one in deals(count)])
    task = {"Id": "T-1", "Subject": "Partner selected", "Status": "Done"}
    store.set_entities("Tasks", [entity(task, dict.fromkeys(task, "Edm.String"))])
    store.set_relation("Deals", "'D-0001'", "Tasks", store.entities("Tasks"))
    handler.register(InMemoryProcessor(store, page_size=100))
    server = make_server("127.0.0.1", 0, ODataWSGIApp(handler), _Threads, _Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def reader(url, **given):
    context = {"fields": FIELDS, "roles": ROLES, "children": {}}
    context = {name: given.pop(name, value) for name, value in context.items()}
    given = {"base_url": url, "service": "odata", "entity_set": "Deals", **given}
    settings = msgspec.convert(given, Dynamics365.Settings)
    return Dynamics365.create(settings, SourceContext(name="crm", folder=Path(), **context), clock=Time().clock())


def rows(pages):
    found = {}
    for page in pages:
        found |= {row[0]: dict(zip(page.columns, row, strict=True)) for row in page.rows}
    return found


@pytest.mark.parametrize("tracking", [True, False])
def test_a_whole_collection(tracking):
    """Every record comes once, over several pages, with its values as they are."""
    with service(250) as url:
        pages = pull(reader(url, page_size=40, change_tracking=tracking))

    assert rows(pages) == {one["Id"]: one for one in deals(250)}
    assert sum(bool(page.rows) for page in pages) == 7


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "deleted"])
def test_fewer_records_than_it_counts(lost):
    """A record that is left out is missed by its id; one that was deleted meanwhile is not."""
    with service(50) as url:
        made = reader(url, page_size=10)
        given = made._client.get_json

        async def meddle(path, *args, **more):
            page, answer = await given(path, *args, **more)
            if page.next is None and not done:
                done.append(page.value.pop())
                if not lost:
                    gone = done[0].f0
                    async with httpx.AsyncClient(trust_env=False) as client:
                        (await client.delete(f"{url}/Deals('{gone}')")).raise_for_status()
                    page.count = 50
            return page, answer

        done = []
        made._client.get_json = meddle
        if lost:
            _, error = until_cut(made)
            assert "lists 1 records" in error.reason
        else:
            assert len(rows(pull(made))) == 49


def test_a_record_that_slips_through():
    """This server goes on by offset when the row a page ended with is gone, and skips one: it is missed, not lost."""
    with service(50) as url:
        made = reader(url, page_size=10, change_tracking=False)
        given = made._client.get_json

        async def meddle(path, *args, **more):
            page = await given(path, *args, **more)
            if not done:
                done.append(True)
                async with httpx.AsyncClient(trust_env=False) as client:
                    (await client.delete(f"{url}/Deals('D-0009')")).raise_for_status()
            return page

        done = []
        made._client.get_json = meddle
        _, error = until_cut(made)

    assert "lists 1 records that it did not give" in error.reason


def test_changes_and_deletions_by_the_feed():
    """Its own change tracking tells what is new, changed and deleted, and nothing else."""
    with service(50) as url:
        first = pull(reader(url))
        with httpx.Client(base_url=url, trust_env=False) as client:
            client.patch("/Deals('D-0003')", json={"Name": "Changed"}).raise_for_status()
            client.post("/Deals", json={"Id": "D-9999", "Name": "New", "Stage": "Proof"}).raise_for_status()
            client.delete("/Deals('D-0007')").raise_for_status()
        later = pull(reader(url), mark(first))
        idle = pull(reader(url), mark(later))

    assert {identity: one["Name"] for identity, one in rows(later).items()} == {"D-0003": "Changed", "D-9999": "New"}
    assert [one for page in later for one in page.gone] == ["D-0007"]
    assert rows(idle) == {}


def test_changes_by_time():
    """Without the feed, a mapped time of change serves; without one, every pull is whole."""
    roles = {**ROLES, "updated_at": "Changed"}
    given = {"change_tracking": False, "roles": roles, "fields": FIELDS | {"Changed"}}
    with service(50) as url:
        first = pull(reader(url, **given))
        with httpx.Client(base_url=url, trust_env=False) as client:
            change = {"Name": "Changed", "Changed": "2999-01-01T00:00:00Z"}
            client.patch("/Deals('D-0003')", json=change).raise_for_status()
        later = pull(reader(url, **given), mark(first))
        listed = keys(reader(url, **given))

    assert [*rows(later)] == ["D-0003"]
    assert len(listed) == 50
    assert not reader("http://localhost", change_tracking=False).capabilities.incremental


def test_child_rows_by_expansion():
    """Child rows come inside their records, by the standard's own `$expand`."""
    with service(5) as url:
        found = rows(pull(reader(url, children={"Tasks": frozenset({"Subject", "Status"})})))

    tasks = [{name: one[name] for name in ("Subject", "Status")} for one in found["D-0001"]["Tasks"]]
    assert tasks == [{"Subject": "Partner selected", "Status": "Done"}]
    assert found["D-0002"]["Tasks"] == []


def test_its_examination():
    """Doctor says what is right, and names what the collection does not have."""
    with service(5) as url:
        good = checks(reader(url))
        bad = checks(reader(url, fields=FIELDS | {"Gone"}))
        wrong = checks(reader(url, entity_set="Nothing"))

    assert {one.outcome for one in good.values()} <= {"ok", "skipped"}
    assert (bad["fields of the mapping"].outcome, "Gone" in bad["fields of the mapping"].says) == ("failed", True)
    assert wrong["connection"].outcome == "failed"


def test_a_property_that_is_not_there_is_no_data():
    """A pull with a column the collection lacks is refused."""
    with service(5) as url, pytest.raises((SourceIncomplete, ConfigError)):
        pull(reader(url, fields=FIELDS | {"Gone"}))


def test_settings_of_dataverse_alone():
    """What only Dataverse has is refused for another service."""
    with pytest.raises(ConfigError, match="flow"):
        reader("http://localhost", flow={})
    _, error = until_cut(reader("http://127.0.0.1:1", patience_seconds=0))

    assert error.remedy
