"""Ingestion against what a real KumoMTA node logged: 1,500 messages whose fates are known."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
import itertools
import json
import random
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, insert, select, update

from postmta_ctl.core.ids import new_id
from postmta_ctl.core.kumo_log import decode
from postmta_ctl.core.status import ORDER, summarise
from postmta_ctl.core.tokens import digest
from postmta_ctl.features.ingest.importer import import_file
from postmta_ctl.features.ingest.intake import FEW, keep_together
from postmta_ctl.features.ingest.keeping import Delivery
from postmta_ctl.features.ingest.queries import summarise_messages
from postmta_ctl.features.ingest.reading import read
from postmta_ctl.store.tables import dead_letters, events, messages, nodes, organizations, recipients

KUMOMTA = Path(__file__).parents[1] / "fixtures" / "kumomta"
STREAM = KUMOMTA / "stream"
TOKEN = "node-token"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ENDS = {"ok": "delivered", "grey": "delivered", "nouser": "bounced", "spam": "bounced", "full": "bounced"} | {
    "block": "bounced",
    "defer": "bounced",
}


def injected() -> list[dict[str, Any]]:
    return json.loads(gzip.decompress((STREAM / "injected.json.gz").read_bytes()))


def hook_lines() -> list[bytes]:
    return gzip.decompress((STREAM / "hook.ndjson.gz").read_bytes()).splitlines()


async def add_node(db: Any) -> None:
    async with db.transaction() as connection:
        await connection.execute(
            insert(nodes).values(
                id=new_id(NOW),
                name="mx1",
                kind="kumod",
                admin_url="http://127.0.0.1:1",
                policy_dir="/nowhere",
                ingest_token_digest=digest(TOKEN),
                sealed_ingest_token=b"",
                sealed_admin_token=b"",
                created_at=NOW,
            )
        )


async def add_messages(db: Any, people: list[dict[str, Any]]) -> None:
    """Store what was injected, as if the relay had done it: a message for each recipient."""
    ids = {slug: new_id(NOW) for slug in sorted({one["tenant"] for one in people})}
    async with db.transaction() as connection:
        for slug, organization_id in ids.items():
            await connection.execute(
                insert(organizations).values(id=organization_id, slug=slug, name=slug, created_at=NOW)
            )
        common = {"sender": "a@lab.test", "domain": "lab.test", "subject": "", "status": "injected", "tags": []}
        await connection.execute(
            insert(messages),
            [
                common
                | {"id": f"m-{one['rid']}", "organization_id": ids[one["tenant"]], "metadata": {}, "created_at": NOW}
                | {"track_opens": False, "track_clicks": False}
                for one in people
            ],
        )
        await connection.execute(
            insert(recipients),
            [
                {
                    "id": one["rid"],
                    "message_id": f"m-{one['rid']}",
                    "organization_id": ids[one["tenant"]],
                    "address": one["recipient"],
                    "kind": "to",
                    "status": "injected",
                    "status_at": NOW,
                }
                for one in people
            ],
        )


@pytest.fixture
async def node(db: Any, client: Any) -> None:
    await add_node(db)


@pytest.fixture
async def stream(db: Any, node: None) -> None:
    await add_messages(db, injected())


async def post(client: Any, lines: list[bytes]) -> Any:
    answer = await client.post("/ingest/v1/logs", content=b"\n".join(lines), headers=HEADERS)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def check_fates(db: Any) -> None:
    """Every recipient, and its message, ended as it was meant to; nothing is counted twice."""
    async with db.reading() as connection:
        rows = (await connection.execute(select(recipients.c.id, recipients.c.status, recipients.c.bounce_class))).all()
        summaries = (await connection.execute(select(messages.c.id, messages.c.status))).all()
        by_type = (await connection.execute(select(events.c.type, func.count()).group_by(events.c.type))).all()
    fates = {one["rid"]: one["fate"] for one in injected()}
    assert {row.id: row.status for row in rows} == {rid: ENDS[fate] for rid, fate in fates.items()}
    assert {row.id: row.status for row in summaries} == {f"m-{rid}": ENDS[fate] for rid, fate in fates.items()}
    assert Counter(row.status for row in rows) == {"delivered": 1147, "bounced": 353}
    classes = {row.id: row.bounce_class for row in rows}
    assert {classes[rid] for rid, fate in fates.items() if fate == "defer"} == {"expired"}
    assert {classes[rid] for rid, fate in fates.items() if ENDS[fate] == "delivered"} == {None}
    counts = dict(by_type)
    assert counts["message.accepted"] == 1500
    assert counts["message.delivered"] == 1147
    assert counts["message.bounced"] == 353
    assert sum(counts.values()) == 3338


async def test_the_stream_in_its_real_batches(client: Any, db: Any, stream: None) -> None:
    lines, added = hook_lines(), 0
    for size in map(int, (STREAM / "batch-sizes.txt").read_text().split()):
        batch, lines = lines[:size], lines[size:]
        added += (await post(client, batch))["added"]
    assert (added, lines) == (3338, [])
    await check_fates(db)


async def test_the_stream_in_random_order_with_repeats(client: Any, db: Any, stream: None) -> None:
    chance = random.Random(20261122)
    lines = hook_lines()
    lines += chance.choices(lines, k=1500)
    chance.shuffle(lines)
    answers = []
    while lines:
        size = chance.randint(1, 400)
        answers.append(await post(client, lines[:size]))
        lines = lines[size:]
    assert sum(answer["added"] for answer in answers) == 3338
    assert sum(answer["duplicates"] for answer in answers) == 1500
    await check_fates(db)


async def test_the_local_log_adds_nothing_to_the_hook_and_is_enough_alone(
    client: Any, db: Any, system: Any, stream: None
) -> None:
    segments = sorted(STREAM.glob("local-log-*.zst"))
    here = dataclasses.replace(system, db=db)
    first = [await import_file(here, path, "mx1") for path in segments]
    assert sum(one.added for one in first) == 3338
    # The local log also holds one delivery by the hook for each record: no mail of anybody's.
    assert sum(one.ignored for one in first) == 3338
    await check_fates(db)
    again = await post(client, hook_lines())
    assert (again["added"], again["duplicates"]) == (0, 3338)
    await check_fates(db)


async def test_each_record_type_is_kept(client: Any, db: Any, node: None) -> None:
    lines = (KUMOMTA / "log-records.ndjson").read_bytes().splitlines()
    unknown = json.dumps(json.loads(lines[0]) | {"type": "SomethingNew"}).encode()
    assert (await post(client, [*lines, unknown]))["unreadable"] == 0
    async with db.reading() as connection:
        kept = dict((await connection.execute(select(events.c.record_type, events.c.type))).all())
    assert kept["SomethingNew"] == "kumomta.SomethingNew"
    assert kept["Feedback"] == "message.complained"
    assert kept["OOB"] == "message.bounced"
    assert kept["AdminRebind"] == "message.cancelled"


async def test_a_bad_record_is_kept_apart_and_its_neighbours_are_unharmed(client: Any, db: Any, stream: None) -> None:
    good = hook_lines()[:3]
    bad = [
        b"not json",
        b"{}",
        b'{"type": 5}',
        b"[" * 100_000,
        b'{"type":"Delivery","event_time":"yesterday"}',
        b"\xff\xfe",
    ]
    answer = await post(client, [good[0], *bad, *good[1:]])
    assert (answer["added"], answer["unreadable"]) == (3, len(bad))
    async with db.reading() as connection:
        rows = (await connection.execute(select(dead_letters))).all()
    assert [row.record[:8] for row in rows] == [one[:8] for one in bad]
    assert rows[0].reason.startswith("record 2: ")


async def test_a_json_array_and_gzip_are_taken(client: Any, db: Any, stream: None) -> None:
    lines = hook_lines()
    array = b"[" + b",".join(lines[:10]) + b"]"
    answer = await client.post("/ingest/v1/logs", content=array, headers=HEADERS)
    assert answer.json()["added"] == 10
    packed = gzip.compress(b"\n".join(lines[:20]))
    answer = await client.post("/ingest/v1/logs", content=packed, headers=HEADERS | {"Content-Encoding": "gzip"})
    assert (answer.json()["added"], answer.json()["duplicates"]) == (10, 10)


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (b"no gzip", "gzip", 400),
        (gzip.compress(b"x" * 1000, mtime=0)[:-10], "gzip", 400),
        (gzip.compress(bytes(65 * 1024 * 1024), mtime=0), "gzip", 413),
        (b"x", "br", 400),
    ],
)
async def test_a_body_that_cannot_be_unpacked_is_refused(
    client: Any, node: None, body: bytes, encoding: str, status: int
) -> None:
    headers = HEADERS | {"Content-Encoding": encoding}
    answer = await client.post("/ingest/v1/logs", content=body, headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}])
async def test_only_nodes_are_heard(client: Any, node: None, headers: dict[str, str]) -> None:
    answer = await client.post("/ingest/v1/logs", content=b"", headers=headers)
    assert answer.status_code == 401


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"<html>\n</html>", b"[1, 2"])
async def test_what_no_node_sends_is_refused(client: Any, db: Any, node: None, body: bytes) -> None:
    answer = await client.post("/ingest/v1/logs", content=body, headers=HEADERS)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")
    async with db.reading() as connection:
        assert (await connection.execute(select(dead_letters))).all() == []


async def test_who_comes_when_too_much_waits_is_sent_away_unread(
    client: Any, db: Any, system: Any, stream: None
) -> None:
    places = system.settings.ingest_waiting_requests
    system.deliveries_held.update(object() for _ in range(places))
    # A body that is not even gzip: had it been read, the answer would be another.
    answer = await client.post("/ingest/v1/logs", content=b"x", headers=HEADERS | {"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "busy", "2")
    system.deliveries_held.clear()
    assert (await post(client, hook_lines()[:5]))["added"] == 5
    assert system.deliveries_held == set()


async def test_the_answer_to_few_records_is_held_once_they_are_kept(client: Any, system: Any, stream: None) -> None:
    found = []

    async def pause(_seconds: float) -> None:
        async with system.db.reading() as connection:
            found.append(await connection.scalar(select(func.count()).select_from(events)))
        assert system.deliveries_held == set()

    object.__setattr__(system, "pause", pause)
    lines = hook_lines()
    await post(client, lines[: FEW - 1])
    assert found == [FEW - 1]
    await post(client, lines[FEW : 2 * FEW])
    assert found == [FEW - 1]


async def test_requests_at_the_same_time_share_transactions_and_each_is_told_of_its_own(
    client: Any, db: Any, stream: None
) -> None:
    lines = hook_lines()
    parts = [lines[start : start + 100] for start in range(0, 1000, 50)]  # each record comes twice
    answers = await asyncio.gather(*(post(client, part) for part in parts))
    assert [one["added"] + one["duplicates"] for one in answers] == [len(part) for part in parts]
    assert sum(one["added"] for one in answers) == 1050
    async with db.reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(events)) == 1050


async def test_what_no_column_holds_harms_nobody_else(client: Any, db: Any, stream: None) -> None:
    good = [json.loads(line) for line in hook_lines()[:4]]
    odd = [
        good[0] | {"id": "1", "response": {"code": 2**40, "content": "x"}},
        good[0] | {"id": "2", "num_attempts": -1},
        good[0] | {"id": "3", "size": 2**70},
        good[0] | {"id": "4", "meta": {"x_rid": "r" * 100, "tenant": "acme", "x_release": 2**40}},
        good[0] | {"id": "5", "provider_name": "p" * 1000, "queue": "q" * 1000, "recipient": ["a@x", "b" * 900]},
        good[0] | {"id": "6", "sender": "a\u0000b", "meta": {"campaign": "c\u0000" * 100}},
    ]
    answer = await post(client, [json.dumps(one).encode() for one in [*odd[:3], *good, *odd[3:]]])
    assert (answer["added"], answer["unreadable"]) == (7, 3)
    async with db.reading() as connection:
        kept = (await connection.execute(select(events.c.recipient_id, events.c.recipient))).all()
    assert {row.recipient_id for row in kept if row.recipient and row.recipient.startswith("ok")} >= {"s00000"}
    assert all(len(row.recipient or "") <= 320 for row in kept)


async def test_what_the_database_refuses_is_found_and_kept_apart(
    client: Any, db: Any, system: Any, stream: None
) -> None:
    """No value is known that gets this far; should one ever, its neighbours must not wait for it for ever."""
    lines = hook_lines()[:7]
    records = decode(b"\n".join(lines)).records
    records[4] = msgspec.structs.replace(records[4], num_attempts=2**80)
    added = await keep_together(
        dataclasses.replace(system, db=db), Delivery("mx1", [read("mx1", one) for one in records], [])
    )
    async with db.reading() as connection:
        (letter,) = (await connection.execute(select(dead_letters))).all()
        count = await connection.scalar(select(func.count()).select_from(events))
    assert (added, count) == (6, 6)
    assert json.loads(letter.record)["id"] == records[4].id


async def test_a_clock_an_hour_off_and_the_wrong_order_change_nothing_of_the_end(
    client: Any, db: Any, stream: None
) -> None:
    """The node's clock is put back between the deferral and the delivery; what is terminal stays."""
    (first,) = [json.loads(line) for line in hook_lines() if b'"s00988"' in line and b'"Delivery"' in line]
    early = first | {"event_time": "2026-11-22T11:05:03.694421979Z"}
    deferred = first | {"type": "TransientFailure", "response": {"code": 451, "content": "later"}}
    for lines in ([early], [deferred], [deferred, early]):
        await post(client, [json.dumps(one).encode() for one in lines])
    async with db.reading() as connection:
        row = (await connection.execute(select(recipients).where(recipients.c.id == "s00988"))).one()
        days = set(await connection.scalars(select(events.c.day)))
    assert (row.status, row.status_at) == ("delivered", datetime(2026, 11, 22, 11, 5, 3, 694422, UTC))
    assert days == {date(2026, 11, 22).toordinal() - date(1970, 1, 1).toordinal()}


async def test_messages_are_summarised_in_sql_as_everywhere(db: Any) -> None:
    """Every pair of statuses, and some of three; the message that is not asked for stays as it is."""
    pairs, triples = (list(itertools.combinations_with_replacement(ORDER, size)) for size in (2, 3))
    sets = [*pairs, *triples[::9], *((one,) for one in ORDER)]
    people = [
        {"rid": f"{number}-{place}", "tenant": "acme", "recipient": "a@b.test"}
        for number, each in enumerate(sets)
        for place in range(len(each))
    ]
    await add_messages(db, people)
    async with db.transaction() as connection:
        for one in people:
            number, place = map(int, one["rid"].split("-"))
            values = {"message_id": f"m-{number}-0", "status": sets[number][place]}
            await connection.execute(update(recipients).where(recipients.c.id == one["rid"]).values(**values))
        await summarise_messages(connection, {f"m-{number}-0" for number in range(1, len(sets))})
    async with db.reading() as connection:
        rows = await connection.execute(select(messages.c.id, messages.c.status))
        found = {row.id: row.status for row in rows}
    assert [found[f"m-{number}-0"] for number in range(len(sets))] == ["injected", *map(summarise, sets[1:])]
