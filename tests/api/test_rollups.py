"""The roll-ups against the raw events: whatever comes, in whatever order and however often, the sums are equal."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from postmta_ctl.core.providers import well_known
from postmta_ctl.core.rollups import Dimension
from postmta_ctl.features.tracking.noting import keep_fetches
from postmta_ctl.features.tracking.service import tracker
from postmta_ctl.store.tables import events, messages, recipients, rollup_attempts, rollup_dimensions, rollup_types
from tests.api.test_ingest import STREAM, add_messages, add_node, hook_lines, injected, post
from tests.conftest import work

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TAGS = ["spring", "digest", "=1+1", "<b>", "ü"]
OOB, LATE = ("OOB", 550), ("Delayed", 400)
DOMAINS = ["gmail.com", "example.org", "web.de", "corp.test"]


async def raw_counts(db: Any) -> dict[str, Counter[Any]]:
    """What the roll-ups should hold, read from events and recipients the slow way."""
    async with db.reading() as connection:
        rows = (await connection.execute(select(events).order_by(events.c.id))).all()
        people = {row.id: row for row in await connection.execute(select(recipients))}
        sent = {row.id: row for row in await connection.execute(select(messages))}
    facts = [queued(one, sent[one.message_id]) for one in people.values()]
    seen: set[tuple[str, str]] = set()
    for row in rows:
        # A notice, such as of a block that was opened, is not about mail.
        if row.organization_id is None or row.record_type == "Notice":
            continue
        one = happened(row, sent.get(row.message_id))
        facts.append(one)
        if row.record_type == "Tracking" and (row.recipient_id, row.type) not in seen:
            seen.add((row.recipient_id, row.type))
            facts.append(one | {"type": f"{row.type}_first", "attempt": None})
    return summed(facts)


def queued(recipient: Any, message: Any) -> dict[str, Any]:
    domain = recipient.address.rpartition("@")[2]
    return {
        "organization": message.organization_id,
        "type": "message.queued",
        "at": message.created_at,
        "attempt": None,
        "sending_domain": [message.domain],
        "recipient_domain": [domain],
        "provider": [well_known(domain) or "other"],
        "tag": set(message.tags),
        "batch": [message.batch_id],
    }


def happened(row: Any, message: Any) -> dict[str, Any]:
    is_attempt = row.record_type in ("Delivery", "TransientFailure", "Bounce") and row.vmta
    return {
        "organization": row.organization_id,
        "type": row.type,
        "at": row.occurred_at,
        "attempt": (row.vmta, row.provider or "other", row.code // 100) if is_attempt else None,
        "sending_domain": [message.domain if message else row.details.get("sender", "").rpartition("@")[2]],
        "recipient_domain": [(row.recipient or "").partition(",")[0].rpartition("@")[2]],
        "vmta": [row.vmta],
        "provider": [row.provider or "other"],
        "tag": set(message.tags) if message else [row.campaign],
        "batch": [message.batch_id] if message else [],
        "bounce_class": [row.bounce_class],
    }


def summed(facts: list[dict[str, Any]]) -> dict[str, Counter[Any]]:
    types: Counter[Any] = Counter()
    dimensions: Counter[Any] = Counter()
    attempts: Counter[Any] = Counter()
    for one in facts:
        hour = one["at"].replace(minute=0, second=0, microsecond=0)
        slot = hour + timedelta(minutes=one["at"].minute // 15 * 15)
        types[one["organization"], slot, one["type"]] += 1
        for dimension in Dimension:
            for value in filter(None, one.get(dimension.value, ())):
                dimensions[one["organization"], dimension.value, hour, value, one["type"]] += 1
        if one["attempt"]:
            vmta, provider, code_class = one["attempt"]
            attempts[one["organization"], vmta, hour, provider, code_class] += 1
    return {"types": types, "dimensions": dimensions, "attempts": attempts}


async def kept_counts(db: Any) -> dict[str, Counter[Any]]:
    tables = {"types": rollup_types, "dimensions": rollup_dimensions, "attempts": rollup_attempts}
    async with db.reading() as connection:
        # The count is the last column of each table, the others are its key.
        return {
            name: Counter({tuple(row[:-1]): row[-1] for row in await connection.execute(select(table))})
            for name, table in tables.items()
        }


async def check(db: Any) -> dict[str, Counter[Any]]:
    kept, raw = await kept_counts(db), await raw_counts(db)
    assert kept == raw
    return kept


async def test_the_real_stream(client: Any, db: Any) -> None:
    await add_node(db)
    await add_messages(db, injected())
    chance, lines = random.Random(7), hook_lines()
    lines += chance.choices(lines, k=700)
    chance.shuffle(lines)
    while lines:
        size = chance.randint(1, 900)
        await post(client, lines[:size])
        lines = lines[size:]
    async with db.reading() as connection:
        rows = (await connection.execute(select(rollup_types.c.type, rollup_types.c["count"]))).all()
    by_type: Counter[str] = Counter()
    for kind, number in rows:
        by_type[kind] += number
    assert by_type == {
        "message.accepted": 1500,
        "message.delivered": 1147,
        "message.deferred": 338,
        "message.bounced": 353,
    }
    # The messages were put into the database behind the API's back, so none of them was counted as queued.
    kept, raw = await kept_counts(db), await raw_counts(db)
    for name in ("types", "dimensions"):
        assert kept[name] == Counter({key: n for key, n in raw[name].items() if key[-1] != "message.queued"})
    assert kept["attempts"] == raw["attempts"]


async def test_the_same_batch_at_the_same_time(client: Any, db: Any) -> None:
    await add_node(db)
    await add_messages(db, injected())
    size = int((STREAM / "batch-sizes.txt").read_text().split()[0])
    lines = hook_lines()[: max(size, 300)]
    answers = await asyncio.gather(*(post(client, random.Random(n).sample(lines, len(lines))) for n in range(4)))
    assert sum(answer["added"] for answer in answers) == len(lines)
    kept = await kept_counts(db)
    assert sum(kept["types"].values()) == len(lines)


async def test_different_batches_at_the_same_time(client: Any, db: Any) -> None:
    await add_node(db)
    await add_messages(db, injected())
    lines = hook_lines()[:1200]
    random.Random(3).shuffle(lines)
    await asyncio.gather(*(post(client, lines[n::8]) for n in range(8)))
    kept, raw = await kept_counts(db), await raw_counts(db)
    assert sum(kept["types"].values()) == len(lines)
    assert kept["attempts"] == raw["attempts"]


async def test_opens_at_the_same_time_are_one_person(client: Any, db: Any, system: Any, acme: Any) -> None:
    mail = {"from": "ann@acme.test", "to": ["bob@example.org"], "subject": "x", "text": "x"}
    sent = (await client.post("/api/v1/messages/send", json=mail, headers=acme)).json()
    path = tracker(system).open_url(sent["recipients"][0]["id"]).removeprefix(system.settings.url)
    await asyncio.gather(*(client.get(path, headers={"User-Agent": "Thunderbird"}) for _ in range(10)))
    await work(client, keep_fetches)
    kept = counted((await kept_counts(db))["types"])
    assert (kept["opened"], kept["unique_opened"]) == (10, 1)


class Mail:
    """Random mail through the API, and the records a node might write of it."""

    def __init__(self, client: Any, headers: Any, chance: random.Random) -> None:
        self.client, self.headers, self.chance = client, headers, chance
        self.rids: dict[str, str] = {}

    async def send(self) -> None:
        chance = self.chance
        letters = [
            {
                "from": "ann@acme.test",
                "to": [f"r{n}-{chance.random()}@{chance.choice(DOMAINS)}" for n in range(chance.randint(1, 3))],
                "subject": "x",
                "text": "x",
                "tags": chance.choices(TAGS, k=chance.randint(0, 3)),
            }
            for _ in range(chance.randint(1, 6))
        ]
        body = {"messages": letters} | ({"batch_id": chance.choice(["b1", "b2"])} if chance.random() < 0.6 else {})
        answer = await self.client.post("/api/v1/messages/batch", json=body, headers=self.headers)
        assert answer.json()["rejected"] == 0, answer.text
        for result in answer.json()["results"]:
            self.rids |= {one["id"]: one["address"] for one in result["message"]["recipients"]}

    def record(self) -> bytes:
        chance = self.chance
        rid, address = chance.choice(sorted(self.rids.items()))
        kind, code = chance.choice(
            [
                ("Reception", 250),
                ("Delivery", 250),
                ("TransientFailure", 451),
                ("Bounce", 550),
                ("Expiration", 551),
                OOB,
                LATE,
            ]
        )
        if chance.random() < 0.1:
            rid = "nobody-we-know"
        at = NOW - timedelta(seconds=chance.randint(0, 3 * 86400), microseconds=chance.randint(0, 999_999))
        attempt = kind in ("Delivery", "TransientFailure", "Bounce") and chance.random() < 0.9
        extra = {"rid": rid, "tenant": chance.choice(["acme", "unknown"]), "campaign": chance.choice(TAGS)}
        return json.dumps(
            {
                "type": kind,
                "id": f"{chance.getrandbits(128):032x}",
                "nodeid": "n",
                "sender": f"b+{rid}@bounce.postmta.test",
                "recipient": address if chance.random() < 0.9 else [address, "second@example.org"],
                "queue": "q",
                "response": {"code": code, "content": chance.choice(["no such user", "mailbox full", "spam"])},
                "event_time": at.isoformat().replace("+00:00", "Z"),
                "egress_source": chance.choice(["acme.mx1.r1", "acme.mx2.r3", "foreign"]) if attempt else None,
                "peer_address": {"name": chance.choice(["mx.google.com.", "mx.corp.test"]), "addr": "192.0.2.1"},
                "provider_name": chance.choice([None, "gmail"]) if attempt else None,
                "meta": {} if kind == "OOB" else {"extra": extra},
            }
        ).encode()


@pytest.mark.parametrize("seed", range(4))
async def test_random_mail(client: Any, db: Any, system: Any, acme: Any, clock: Any, seed: int) -> None:
    await add_node(db)
    chance = random.Random(seed)
    key = {"name": "k", "scopes": ["messages:send", "analytics:read"]}
    made = (await client.post("/api/v1/api-keys", json=key, headers=acme)).json()
    headers = {"X-API-Key": made["secret"]}
    mail = Mail(client, headers, chance)
    await mail.send()
    before: list[bytes] = []
    for _ in range(25):
        clock.advance(minutes=chance.randint(0, 200))
        step = chance.random()
        if step < 0.25:
            await mail.send()
        elif step < 0.5:
            rid = chance.choice(sorted(mail.rids))
            url = chance.choice([tracker(system).open_url(rid), tracker(system).click_url(rid, "https://example.com/")])
            await client.get(url.removeprefix(system.settings.url), follow_redirects=False)
            await work(client, keep_fetches)
        else:
            batch = [mail.record() for _ in range(chance.randint(1, 40))]
            batch += chance.sample(batch, len(batch) // 3) + chance.sample(before, len(before) // 4)
            chance.shuffle(batch)
            await post(client, batch)
            before += batch
    kept = await check(db)
    assert sum(kept["attempts"].values()) > 0
    await check_answers(client, headers, kept)


async def check_answers(client: Any, acme: Any, kept: dict[str, Counter[Any]]) -> None:
    """All answers over the whole time say the same as the tables."""
    period = {"from": "2026-11-01T00:00:00Z", "to": "2026-12-31T00:00:00Z"}

    async def get(path: str, **more: Any) -> Any:
        answer = await client.get(f"/api/v1/analytics/{path}", params=period | more, headers=acme)
        assert answer.status_code == 200, answer.text
        return answer.json()

    totals = added((await get("summary"))["counts"])
    assert totals == counted(kept["types"])
    for tz in ("UTC", "Asia/Kathmandu"):
        points = (await get("timeseries", interval="day", tz=tz))["points"]
        assert added(*(point["counts"] for point in points)) == totals
    for dimension in Dimension:
        expected = counted({key: n for key, n in kept["dimensions"].items() if key[1] == dimension.value})
        for limit in (1, 500):
            shown = await get("breakdown", by=dimension.value, limit=limit)
            assert len(shown["data"]) <= limit
            assert added(*(one["counts"] for one in shown["data"]), shown["rest"]) == expected
    for dimension in (Dimension.PROVIDER, Dimension.SENDING_DOMAIN, Dimension.RECIPIENT_DOMAIN):
        shown = await get("breakdown", by=dimension.value)
        assert added(*(one["counts"] for one in shown["data"])) == totals


def added(*counts: dict[str, int]) -> Counter[str]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return +total


def counted(rows: dict[Any, int]) -> Counter[str]:
    """By the names of the API, from rows whose key ends with the type."""
    total: Counter[str] = Counter()
    for key, number in rows.items():
        kind = key[-1]
        name = kind.removeprefix("message.")
        name = f"unique_{name.removesuffix('_first')}" if name.endswith("_first") else name
        if kind.startswith("message."):
            total[name] += number
    return total


async def test_a_hostile_sender_and_recipient_fit(client: Any, db: Any, ann: Any) -> None:
    await add_node(db)
    record = {
        "type": "Reception",
        "id": "a" * 32,
        "sender": "x@" + "d" * 5000,
        "recipient": "y@" + "e" * 5000,
        "event_time": "2026-11-22T12:00:00Z",
        "meta": {"tenant": "acme", "campaign": "c" * 500},
        "response": {"code": 250},
    }
    assert (await post(client, [json.dumps(record).encode()]))["added"] == 1
    kept = await kept_counts(db)
    assert sum(kept["types"].values()) == 1
