"""What becomes of reserved credits when mail ends: by the node's log, at the relay, by cancelling."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from postmta_ctl.clients.kumod import NodeAddress
from postmta_ctl.features.ingest.service import ingest
from postmta_ctl.features.messages.relay import relay
from postmta_ctl.recent import Recent
from postmta_ctl.settings import Settings
from postmta_ctl.store.tables import credit_entries, recipients
from tests.api.credits_support import CATALOGUE, MAIL, email, organization_of, sums_equal_balances


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Everybody begins with the plan ``small``: 10 emails."""
    (tmp_path / "plans.toml").write_text(CATALOGUE)
    return msgspec.structs.replace(settings, plans_file=str(tmp_path / "plans.toml"), default_plan="small")


@pytest.fixture
def here(system: Any, db: Any) -> Any:
    """The system of the test's own event loop."""
    return dataclasses.replace(system, db=db)


async def send(client: Any, headers: Any, count: int) -> list[str]:
    """Send to so many; the ids of the recipients."""
    body = MAIL | {"to": [f"r{number}@example.org" for number in range(count)]}
    answer = await client.post("/api/v1/messages/send", json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    return [one["id"] for one in answer.json()["recipients"]]


def record(here: Any, kind: str, rid: str, **more: Any) -> bytes:
    """A line of the node's log about this recipient."""
    at = here.now() + timedelta(seconds=1)
    body = {
        "type": kind,
        "id": rid.replace("-", ""),
        "sender": f"b+{rid}@bounce.postmta.test",
        "recipient": "r@example.org",
        "queue": "acme@example.org",
        "site": "",
        "size": 100,
        "response": {"code": 250, "enhanced_code": None, "content": "ok", "command": None},
        "timestamp": int(at.timestamp()),
        "event_time": at.isoformat(),
        "created": int(at.timestamp()),
        "num_attempts": 0,
        "egress_source": "acme-mx1.r1",
        "nodeid": "n",
        "meta": {"x_rid": rid, "tenant": "acme"},
    }
    return json.dumps(body | more).encode()


async def entries(db: Any) -> list[tuple[str, int, int]]:
    """Entry, quantity and change of the available balance, without grants, oldest first."""
    table = credit_entries.c
    query = select(table.entry, table.quantity, table.available).where(table.entry != "grant", table.type == "email")
    async with db.reading() as connection:
        return [tuple(row) for row in await connection.execute(query.order_by(table.id))]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Delivery", (6, 3, 4)),
        ("Bounce", (6, 3, 4)),
        ("Expiration", (6, 3, 4)),
        ("AdminBounce", (7, 3, 3)),
        ("Reception", (6, 4, 4)),
        ("TransientFailure", (6, 4, 4)),
        ("Feedback", (6, 4, 4)),
    ],
)
async def test_the_log_decides(client: Any, acme: Any, here: Any, kind: str, expected: tuple[int, int, int]) -> None:
    rids = await send(client, acme, 4)
    assert await email(client, acme) == (6, 4, 4)
    line = record(here, kind, rids[0])
    assert (await ingest(here, "mx1", line)).added == 1
    assert await email(client, acme) == expected
    assert (await ingest(here, "mx1", line)).duplicates == 1
    assert await email(client, acme) == expected
    await sums_equal_balances(here.db)


async def test_a_batch_of_records_makes_one_entry_for_each_outcome(client: Any, acme: Any, here: Any) -> None:
    rids = await send(client, acme, 8)
    kinds = ["Delivery"] * 5 + ["Bounce"] + ["AdminBounce"] * 2
    lines = [record(here, kind, rid) for kind, rid in zip(kinds, rids, strict=True)]
    await ingest(here, "mx1", b"\n".join([*lines, *lines]))
    assert sorted(await entries(here.db)) == [("refund", 2, 2), ("reserve", 8, -8), ("settle", 6, 0)]
    assert await email(client, acme) == (4, 0, 6)
    await sums_equal_balances(here.db)


async def test_what_ends_twice_is_settled_once(client: Any, acme: Any, here: Any) -> None:
    (rid,) = await send(client, acme, 1)
    await ingest(here, "mx1", record(here, "Delivery", rid))
    await ingest(here, "mx1", record(here, "OOB", rid, id="other"))
    async with here.db.reading() as connection:
        assert (await connection.execute(select(recipients.c.status))).scalar_one() == "bounced"
    assert await email(client, acme) == (9, 0, 1)
    (rid,) = await send(client, acme, 1)
    await ingest(here, "mx1", record(here, "AdminBounce", rid))
    await ingest(here, "mx1", record(here, "Delivery", rid))
    assert await email(client, acme) == (9, 0, 1)
    await sums_equal_balances(here.db)


async def test_what_the_policy_refuses_is_given_back(client: Any, acme: Any, here: Any) -> None:
    class Refusing:
        async def inject(self, node: NodeAddress, body: bytes) -> tuple[int, bytes]:
            people = [one["email"] for one in json.loads(body)["recipients"]]
            errors = [f"{one}: 550 5.7.1 not here" for one in people]
            return 200, json.dumps(
                {"success_count": 0, "fail_count": len(people), "failed_recipients": people, "errors": errors}
            ).encode()

    await send(client, acme, 3)
    relaying = dataclasses.replace(here, kumod=Refusing(), node_addresses=Recent(3600))
    relaying.node_addresses.set((NodeAddress(name="mx1", admin_url="http://127.0.0.1:1", token="t"),))
    await relay(relaying)
    assert await entries(here.db) == [("reserve", 3, -3), ("refund", 3, 3)]
    assert await email(client, acme) == (10, 0, 0)
    await sums_equal_balances(here.db)


async def test_what_is_cancelled_here_is_given_back(client: Any, acme: Any, here: Any) -> None:
    body = MAIL | {"to": ["a@example.org", "b@example.org"]}
    made = (await client.post("/api/v1/messages/send", json=body, headers=acme)).json()
    for _ in range(2):
        answer = await client.post(f"/api/v1/messages/{made['id']}/cancel", headers=acme)
        assert answer.json()["result"] == "cancelled"
        assert await email(client, acme) == (10, 0, 0)
    await sums_equal_balances(here.db)


async def test_unmetered_mail_is_recorded_and_costs_nothing_later(client: Any, acme: Any, here: Any) -> None:
    """It is accepted without limit; that it ends under a metered plan changes no balance."""
    path = f"/api/v1/billing/organizations/{await organization_of(client, acme)}/plan"
    await client.put(path, json={"plan": "own"}, headers=acme)
    rids = await send(client, acme, 12)
    assert await email(client, acme) == (None, 0, 12)
    await client.put(path, json={"plan": "small"}, headers=acme)
    assert await email(client, acme) == (10, 0, 12)
    lines = [record(here, kind, rid) for kind, rid in zip(["Delivery", "AdminBounce"], rids[:2], strict=True)]
    await ingest(here, "mx1", b"\n".join(lines))
    assert await email(client, acme) == (10, 0, 11)
    assert sorted(await entries(here.db)) == [
        ("adjust", -10, -10),
        ("refund", 1, 0),
        ("reserve", 12, 0),
        ("settle", 1, 0),
    ]
    await sums_equal_balances(here.db)
