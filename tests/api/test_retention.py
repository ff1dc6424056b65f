"""What is kept for a while only: events by when they came, on PostgreSQL by whole days; and what must not suffer."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import delete, func, insert, select

from postmta_ctl.core.log_events import day_number
from postmta_ctl.features.messages.service import forget_answers
from postmta_ctl.features.retention import jobs
from postmta_ctl.features.retention.jobs import forget_contents, forget_events, make_partitions
from postmta_ctl.store import partitions
from postmta_ctl.store.tables import dead_letters, events, idempotency_keys, message_contents, outbox, rollup_types
from tests.api.test_ingest import add_node, post
from tests.api.test_relay import MAIL, send


def record(number: int, at: datetime, rid: str = "") -> bytes:
    meta = {"tenant": "acme"} | ({"x_rid": rid} if rid else {})
    fields = {"type": "Delivery", "id": f"{number:032x}", "nodeid": "n", "recipient": "a@example.org", "queue": "q"}
    fields |= {"sender": "b@acme.test", "response": {"code": 250, "content": "ok"}, "meta": meta}
    return json.dumps(fields | {"event_time": at.isoformat().replace("+00:00", "Z")}).encode()


async def numbers(db: Any, table: Any) -> list[int]:
    """Spool ids, or the numbers, of the rows that are there."""
    column = events.c.spool_id if table is events else table.c.id
    async with db.reading() as connection:
        found = await connection.scalars(select(column).order_by(table.c.id))
        return sorted(int(one, 16) if isinstance(one, str) else one for one in found)


async def tables(db: Any) -> dict[str, int]:
    """The tables of events, and how many each has."""
    async with db.reading() as connection:
        rows = await connection.exec_driver_sql("SELECT tableoid::regclass::text, count(*) FROM events GROUP BY 1")
        return dict(rows.all())


async def forget_all(here: Any) -> int:
    turns = 1
    while await forget_events(here):
        turns += 1
    return turns


@pytest.fixture
def here(system: Any, db: Any) -> Any:
    """The system for jobs that the test runs in its own event loop."""
    return dataclasses.replace(system, db=db)


@pytest.fixture
async def node(db: Any, client: Any, acme: Any) -> None:
    await add_node(db)
    if not db.is_sqlite:
        async with db.transaction() as connection:
            for day in await partitions.days(connection):
                await connection.exec_driver_sql(f"DROP TABLE {partitions.name_of(day)}")


async def test_events_go_when_they_are_old_and_repeats_are_known_until_then(
    client: Any, db: Any, here: Any, clock: Any, node: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "AT_ONCE", 3)
    await make_partitions(here)
    first = clock()
    # A node that is right, one whose clock is an hour ahead, one a year behind, one a year ahead; and garbage.
    odd = [first, first + timedelta(hours=1), first - timedelta(days=365), first + timedelta(days=365)]
    lines = [record(number, at) for number, at in enumerate(odd)] + [b"{"]
    assert (await post(client, lines))["added"] == 4
    clock.advance(days=29)
    late = record(9, first - timedelta(minutes=1))
    assert (await post(client, [*lines[:4], late]))["added"] == 1, "what comes again is known, whatever its day"
    await forget_all(here)
    assert await numbers(db, events) == [0, 1, 2, 3, 9]
    clock.advance(days=2)
    assert await forget_all(here) > 1 or not db.is_sqlite, "a few at a time"
    assert await numbers(db, events) == [9], "the late one has come three days ago only"
    assert await numbers(db, dead_letters) == []
    assert (await post(client, [late]))["added"] == 0
    async with db.reading() as connection:
        assert await connection.scalar(select(func.sum(rollup_types.c.count))) == 5, "counts stay"
    clock.advance(days=30)
    await forget_all(here)
    assert await numbers(db, events) == []


async def test_nothing_is_forgotten_where_all_is_kept(client: Any, db: Any, here: Any, clock: Any, node: None) -> None:
    here = dataclasses.replace(here, settings=msgspec.structs.replace(here.settings, event_retention_days=0))
    await post(client, [record(1, clock())])
    clock.advance(days=4000)
    assert not await forget_events(here)
    assert await numbers(db, events) == [1]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_days_have_tables_made_ahead_and_dropped_whole(
    client: Any, db: Any, here: Any, clock: Any, node: None
) -> None:
    start, today = clock(), day_number(clock())
    at = [start, start + timedelta(days=3), start + timedelta(days=400)]
    await post(client, [record(number, one) for number, one in enumerate(at)])
    assert await tables(db) == {"events_default": 3}, "an event is never refused for want of a table"
    await make_partitions(here)
    await make_partitions(here)
    async with db.reading() as connection:
        there = await partitions.days(connection)
    assert there == list(range(today - jobs.DAYS_BEHIND, today + jobs.DAYS_AHEAD + 1))
    names = [partitions.name_of(today), partitions.name_of(today + 3)]
    assert await tables(db) == {names[0]: 1, names[1]: 1, "events_default": 1}, "what came before the table is in it"
    assert (await post(client, [record(number, one) for number, one in enumerate(at)]))["added"] == 0
    clock.advance(days=32)
    await make_partitions(here)
    await forget_all(here)
    async with db.reading() as connection:
        left = await partitions.days(connection)
    assert left[0] == today + 2, "tables of forgotten days are gone, empty ones too"
    assert await tables(db) == {names[1]: 1}, "what names a day to come goes with that day, or by when it came"
    clock.advance(days=3)
    await forget_all(here)
    assert await tables(db) == {}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_long_reader_is_not_waited_for(
    client: Any, db: Any, here: Any, clock: Any, node: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "_PATIENCE", "SET LOCAL lock_timeout = '50ms'")
    await make_partitions(here)
    await post(client, [record(1, clock())])
    clock.advance(days=31)
    async with db.reading() as connection:
        await connection.execute(select(events.c.id))
        await forget_events(here)
        assert (await post(client, [record(2, clock())]))["added"] == 1
    assert await numbers(db, events) == [1, 2]
    await forget_all(here)
    assert await numbers(db, events) == [2]


async def test_a_message_says_that_events_of_it_are_gone(
    client: Any, db: Any, here: Any, clock: Any, acme: Any
) -> None:
    await add_node(db)
    mail = {"from": "ann@acme.test", "to": ["bob@example.org"], "subject": "x", "text": "x"}
    sent = (await client.post("/api/v1/messages/send", json=mail, headers=acme)).json()
    await post(client, [record(1, clock(), sent["recipients"][0]["id"])])
    path = f"/api/v1/messages/{sent['id']}"
    headers = await lasting(client, acme)
    whole = (await client.get(path, headers=headers)).json()
    assert whole["events_missing_before"] is None
    assert [one["type"] for one in whole["timeline"]] == ["message.queued", "message.delivered"]
    clock.advance(days=31)
    await forget_all(here)
    cut = (await client.get(path, headers=headers)).json()
    assert cut["events_missing_before"] == (clock() - timedelta(days=30)).isoformat().replace("+00:00", "Z")
    assert [one["type"] for one in cut["timeline"]] == ["message.queued"]
    assert cut["recipients"][0]["status"] == "delivered", "what became of it is known for good"
    told = (await client.get(f"{path}/explain", headers=headers)).json()
    assert any("no longer kept" in note for note in told["notes"])


async def test_contents_go_when_they_are_old_and_on_a_node(
    client: Any, db: Any, here: Any, clock: Any, acme: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "AT_ONCE", 2)
    acme = await lasting(client, acme)
    sent = [(await send(client, acme))["id"] for _ in range(5)]
    async with db.transaction() as connection:
        await connection.execute(delete(outbox).where(outbox.c.message_id != sent[0]))
    clock.advance(days=30)
    young = (await send(client, acme))["id"]
    assert not await forget_contents(here)
    assert await contents(db) == [*sent, young]
    clock.advance(days=1)
    turns = 1
    while await forget_contents(here):
        turns += 1
    assert turns == 3, "a few at a time"
    assert await contents(db) == [sent[0], young], "what waits for a node is kept"
    told = (await client.get(f"/api/v1/messages/{sent[1]}/explain", headers=acme)).json()
    assert "its content is no longer kept: signatures are of a sample" in told["notes"]
    shown = await client.get(f"/api/v1/messages/{sent[1]}", headers=acme)
    assert shown.json()["subject"] == MAIL["subject"]


async def test_no_content_is_forgotten_where_all_is_kept(
    client: Any, db: Any, here: Any, clock: Any, acme: Any
) -> None:
    here = dataclasses.replace(here, settings=msgspec.structs.replace(here.settings, content_retention_days=0))
    sent = (await send(client, acme))["id"]
    async with db.transaction() as connection:
        await connection.execute(delete(outbox))
    clock.advance(days=4000)
    assert not await forget_contents(here)
    assert await contents(db) == [sent]


async def lasting(client: Any, headers: Any) -> dict[str, str]:
    """Header fields of the same organization that are good for longer than a login."""
    wanted = {"name": "k", "scopes": ["messages:read", "messages:send"]}
    made = await client.post("/api/v1/api-keys", json=wanted, headers=headers)
    return {"X-API-Key": made.json()["secret"]}


async def contents(db: Any) -> list[str]:
    """The messages whose content is there."""
    async with db.reading() as connection:
        return list(
            await connection.scalars(select(message_contents.c.message_id).order_by(message_contents.c.message_id))
        )


async def test_idempotency_records_go_few_at_a_time(
    db: Any, here: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("postmta_ctl.features.messages.service.FORGET_AT_ONCE", 4)
    common = {"organization_id": "o", "route": "r", "fingerprint": b"", "status_code": 202, "answer": b""}
    ages = [timedelta(days=2)] * 6 + [timedelta(hours=1)]
    rows = [common | {"key": f"k{number}", "created_at": clock() - age} for number, age in enumerate(ages)]
    async with db.transaction() as connection:
        await connection.execute(insert(idempotency_keys), rows)
    assert await forget_answers(here)
    assert not await forget_answers(here)
    async with db.reading() as connection:
        assert list(await connection.scalars(select(idempotency_keys.c.key))) == ["k6"]
