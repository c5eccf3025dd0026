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

ODD = [None, "", 0, -1, 1.5, True, [], {}, "x", "https://[x", [None], {"a": 1}, "\x00", 10**30, [[]], False]


def places(value, path=()):
    """The path of every value in a JSON text."""
    if path:
        yield path
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield from places(value[key], (*path, key))


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


def spoiling(handle, seed):
    """A system of which some answers are spoiled."""
    chance = random.Random(seed)

    def answer(request):
        reply = handle(request)
        body = spoiled(reply.body, chance) if chance.random() < 0.4 else reply.body
        return Reply(reply.status, body, reply.headers, reply.content_type)

    return answer


async def use(make, since):
    """Pull everything, pull an increment, and look at everything."""
    for mark in (None, since):
        made = make()
        try:
            async with aclosing(made.pull(mark)) as pages:
                async for _ in pages:
                    pass
        except SyncdError:
            pass
        finally:
            await made.close()
    made = make()
    async for _ in made.examine():
        pass
    await made.close()


@pytest.mark.parametrize("seed", range(12))
def test_siebel(seed):
    """Records, links, counts and descriptions."""
    deals = [{**one, "Action": [{"Id": f"A-{one['Id']}", "Type": "Call"}]} for one in siebel.deals(230)]
    with siebel.siebel(deals) as scene:
        given = {
            "context": scene.context(fields={*siebel.FIELDS, "No Such"}, children={"Action": frozenset({"Type"})}),
            "children": {"Action": {"resource": "Action/Action", "parent": "Opportunity Id"}},
        }
        mark = siebel.mark_of(siebel.pages_of(scene.adapter(**given)))
        with serving(spoiling(scene.double.handle, seed)) as scene.server:
            asyncio.run(use(lambda: scene.adapter(**given), mark))


@pytest.mark.parametrize("seed", range(12))
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
        with serving(spoiling(double.handle, seed)) as other:
            asyncio.run(use(lambda: desk.adapter(other.url, **given), mark))


@pytest.mark.parametrize("seed", range(12))
def test_salesforce(seed, monkeypatch):
    """Records, deletions, child rows, history and descriptions."""
    given = {"children": {"Task": frozenset({"Subject", "Owner.Name"})}, "page_size": 200}
    with Org(monkeypatch, [deal(number) for number in range(450)]) as org:
        ids = org.double.ids()
        mark = next(page.watermark for page in reversed(org.pull(**given)) if page.watermark)
        for identity in ids[:250]:
            org.double.edit(identity, Name="Edited")
            org.double.attach("Task", identity, {"Subject": "Call"})
        org.server = org.stack.enter_context(serving(spoiling(org.double.handle, seed)))
        asyncio.run(use(lambda: org.adapter(**given), mark))
