"""Answers of which a value is another, or none: right data or an error of ours, never anything else raised."""

import asyncio
import random
from contextlib import aclosing

import msgspec
import pytest

from syncd.errors import SyncdError
from syncd.rehearsal import Reply, serving
from tests.adapters.dynamics365 import desk
from tests.adapters.salesforce.orgs import Org, deal
from tests.adapters.siebel import scene as siebel

ID = "opportunityid"
ODD = [None, "", 0, -1, 1.5, True, [], {}, "x", "https://[x", [None], {"a": 1}, "\x00", 10**30, [[]], False]


def places(value, path=()):
    """The path of every value in a JSON text."""
    if path:
        yield path
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield from places(value[key], (*path, key))


class Spoiling:
    """A system of which some answers are spoiled.

    Attributes:
        count: How many were.
    """

    def __init__(self, handle, seed):
        self._handle, self._chance = handle, random.Random(seed)
        self.count = 0

    def __call__(self, request):
        reply = self._handle(request)
        if self._chance.random() >= 0.4:
            return reply
        body = spoiled(reply.body, self._chance)
        self.count += body != reply.body
        return Reply(reply.status, body, reply.headers, reply.content_type)


def spoiled(body, chance):
    """A JSON text of which one value was changed or taken away."""
    try:
        told = msgspec.json.decode(body)
        *path, last = chance.choice([*places(told)])
    except (msgspec.DecodeError, IndexError):
        return body
    holder = told
    for key in path:
        holder = holder[key]
    if chance.random() < 0.3:
        del holder[last]
    else:
        holder[last] = chance.choice(ODD)
    return msgspec.json.encode(told)


async def use(make, spoiling, ids, since):
    """Pull everything, then an increment, and look at everything; a whole pull lacks no more than was spoiled."""
    for mark in (None, since):
        made = make()
        before, given = spoiling.count, set()
        try:
            async with aclosing(made.pull(mark)) as pages:
                async for page in pages:
                    at = page.columns.index("Id" if "Id" in page.columns else ID)
                    given.update(str(row[at]) for row in page.rows)
            if mark is None:
                assert len(ids - given) <= spoiling.count - before
        except SyncdError:
            pass
        finally:
            await made.close()
    made = make()
    async for _ in made.examine():
        pass
    await made.close()


@pytest.mark.parametrize("seed", range(16))
def test_siebel(seed):
    """Records, links, counts and descriptions."""
    deals = [{**one, "Action": [{"Id": f"A-{one['Id']}", "Type": "Call"}]} for one in siebel.deals(230)]
    with siebel.siebel(deals) as scene:
        given = {
            "context": scene.context(fields={*siebel.FIELDS, "No Such"}, children={"Action": frozenset({"Type"})}),
            "children": {"Action": {"resource": "Action/Action", "parent": "Opportunity Id"}},
        }
        mark = siebel.mark_of(siebel.pages_of(scene.adapter(**given)))
        spoiling = Spoiling(scene.double.handle, seed)
        with serving(spoiling) as scene.server:
            asyncio.run(use(lambda: scene.adapter(**given), spoiling, {one["Id"] for one in deals}, mark))


@pytest.mark.parametrize("seed", range(16))
@pytest.mark.parametrize("tracking", [True, False])
def test_dynamics365(seed, tracking, monkeypatch):
    """Records, deletions, flows, child rows, currencies, the audit log and metadata."""
    monkeypatch.setenv("SYNCD_REHEARSAL_DYNAMICS365", desk.BEARER)
    currency = "transactioncurrencyid/isocurrencycode"
    given = {
        "change_tracking": tracking, "page_size": 25, "flow": {}, "history": "audit",
        "children": {"tasks": frozenset({"subject"})}, "fields": desk.FIELDS | {"process.stage", currency},
    }  # fmt: skip
    with desk.desk(desk.records(60, **{currency: "EUR"})) as (double, server):
        mark = desk.mark(desk.pull(desk.adapter(server.url, **given)))
        for number in range(30):
            double.edit("opportunities", f"id-{number:06}", {"name": "Edited"})
        double.delete("opportunities", "id-000059")
        spoiling, ids = Spoiling(double.handle, seed), {f"id-{number:06}" for number in range(59)}
        with serving(spoiling) as other:
            asyncio.run(use(lambda: desk.adapter(other.url, **given), spoiling, ids, mark))


@pytest.mark.parametrize("seed", range(16))
def test_salesforce(seed, monkeypatch):
    """Records, deletions, child rows, history and descriptions."""
    given = {"children": {"Task": frozenset({"Subject", "Owner.Name"})}, "page_size": 200}
    with Org(monkeypatch, [deal(number) for number in range(450)]) as org:
        ids = org.double.ids()
        mark = next(page.watermark for page in reversed(org.pull(**given)) if page.watermark)
        for identity in ids[:250]:
            org.double.edit(identity, Name="Edited")
            org.double.attach("Task", identity, {"Subject": "Call"})
        spoiling = Spoiling(org.double.handle, seed)
        org.server = org.stack.enter_context(serving(spoiling))
        asyncio.run(use(lambda: org.adapter(**given), spoiling, {*ids}, mark))
