"""Folding of old counts: whatever is asked, the sums are those of the raw events, before and after."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec

from postmta_ctl.core.rollups import Dimension
from postmta_ctl.features.retention.folding import fold_counts
from tests.api.test_ingest import add_node, post
from tests.api.test_rollups import kept_counts, raw_counts

DOMAINS = ["gmail.com", "example.org", "web.de"]
DAY = timedelta(days=1)
FIELDS = ("delivered", "deferred", "bounced")


def record(number: int, at: datetime, chance: random.Random) -> bytes:
    kind, code = chance.choice([("Delivery", 250), ("TransientFailure", 451), ("Bounce", 550)])
    return json.dumps(
        {
            "type": kind,
            "id": f"{number:032x}",
            "nodeid": "n",
            "sender": "b@acme.test",
            "recipient": f"a@{chance.choice(DOMAINS)}",
            "queue": "q",
            "response": {"code": code, "content": "no such user"},
            "event_time": at.isoformat().replace("+00:00", "Z"),
            "egress_source": "acme.mx1.r1",
            "meta": {"tenant": "acme", "campaign": chance.choice(["spring", "ü"])},
        }
    ).encode()


def by_day(counts: Counter[Any], hour: int, before: datetime) -> Counter[Any]:
    """The same counts with the hours of days before a moment as one."""
    found: Counter[Any] = Counter()
    for key, number in counts.items():
        at = key[hour].replace(hour=0) if key[hour] < before else key[hour]
        found[*key[:hour], at, *key[hour + 1 :]] += number
    return found


def total(counts: Any) -> int:
    return sum(int(counts[name]) for name in FIELDS)


async def test_old_hours_become_days_and_no_count_changes(
    client: Any, db: Any, system: Any, clock: Any, acme: Any
) -> None:
    await add_node(db)
    here, chance, now = dataclasses.replace(system, db=db), random.Random(5), clock()
    times = [now - timedelta(minutes=chance.randint(1, 45 * 24 * 60)) for _ in range(600)]
    lines = [record(number, at, chance) for number, at in enumerate(times)]
    await post(client, lines)
    before = await kept_counts(db)
    first, last = now - timedelta(days=44, hours=5), now - timedelta(days=2, hours=3)
    period = {"from": first.isoformat(), "to": last.isoformat()}

    async def get(path: str, **more: str) -> Any:
        answer = await client.get(f"/api/v1/analytics/{path}", params=period | more, headers=acme)
        assert answer.status_code == 200, answer.text
        return answer

    summary, series = (await get("summary")).json(), (await get("timeseries", tz="Asia/Kathmandu")).json()
    for_ever = msgspec.structs.replace(here.settings, hourly_counts_days=0)
    assert not await fold_counts(dataclasses.replace(here, settings=for_ever))
    assert await kept_counts(db) == before
    while await fold_counts(here):
        pass
    limit = (now - 35 * DAY).replace(hour=0, minute=0)
    after, raw = await kept_counts(db), await raw_counts(db)
    assert after["types"] == before["types"] == raw["types"]
    assert after["dimensions"] == by_day(raw["dimensions"], 2, limit)
    assert after["attempts"] == by_day(raw["attempts"], 2, limit)
    assert sum(len(one) for one in after.values()) < sum(len(one) for one in before.values())

    # What is counted by type alone is answered as before, in any time zone; what is counted by a property, by whole
    # days where it is folded, and the answer says which.
    assert (await get("summary")).json() == summary
    assert (await get("timeseries", tz="Asia/Kathmandu")).json() == series
    start = first.replace(hour=0, minute=0)
    end = last if last.minute == 0 else last.replace(minute=0) + timedelta(hours=1)
    for dimension in (Dimension.RECIPIENT_DOMAIN, Dimension.TAG, Dimension.VMTA):
        shown = (await get("breakdown", by=dimension.value)).json()
        assert datetime.fromisoformat(shown["from"]) == start
        assert datetime.fromisoformat(shown["to"]) == end
        touched = sum(start <= at < end for at in times)
        assert sum(total(one["counts"]) for one in shown["data"]) == touched
        for zone in ("Asia/Tokyo", "America/New_York", "UTC"):
            text = (await get("export", by=dimension.value, interval="day", tz=zone)).text
            rows = list(csv.DictReader(io.StringIO(text, newline="")))
            assert sum(total(row) for row in rows) == touched
            spans = sorted({(moment(row["start"]), moment(row["end"])) for row in rows})
            assert all(one[1] <= other[0] for one, other in pairwise(spans)), "none counts twice"
            assert all(bound.hour == 0 for span in spans for bound in span if bound < limit), "whole days of UTC"
    providers = (await get("isp")).json()
    replies = sum(
        one["taken"] + one["deferred"] + one["refused"] for each in providers["data"] for one in each["vmtas"]
    )
    assert replies == touched

    # What comes late, or again, is counted as ever.
    late = [record(1000, limit - timedelta(days=3, hours=2), chance), lines[0]]
    assert (await post(client, late))["added"] == 1
    clock.advance(days=1)
    while await fold_counts(here):
        pass
    after = await kept_counts(db)
    assert by_day(after["dimensions"], 2, limit + DAY) == by_day((await raw_counts(db))["dimensions"], 2, limit + DAY)
    assert not await fold_counts(here)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
