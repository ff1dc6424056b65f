"""Mail that a node took by SMTP: its records make the message, its recipients, counts, events and credits."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from postmta_ctl.core.ids import new_id
from postmta_ctl.features.ingest.service import ingest
from postmta_ctl.settings import Settings
from postmta_ctl.store.tables import credit_entries, dead_letters, messages, outbox, recipients, webhook_deliveries
from tests.api.credits_support import CATALOGUE, email, sums_equal_balances

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SMTP = {"from": "ann@acme.test", "subject": "Grüße", "tags": ["spring", "vip"], "unsubscribe": False}


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Everybody begins with the plan ``small``: 10 emails."""
    (tmp_path / "plans.toml").write_text(CATALOGUE)
    return msgspec.structs.replace(settings, plans_file=str(tmp_path / "plans.toml"), default_plan="small")


@pytest.fixture
def here(system: Any, db: Any) -> Any:
    """The system of the test's own event loop."""
    return dataclasses.replace(system, db=db)


@dataclasses.dataclass
class Mail:
    """One recipient of a message, as the policy writes of it in the meta of its records."""

    address: str = "bob@example.org"
    rid: str = dataclasses.field(default_factory=lambda: new_id(NOW))
    mid: str = dataclasses.field(default_factory=lambda: new_id(NOW))
    smtp: Any = dataclasses.field(default_factory=lambda: dict(SMTP))
    tenant: str = "acme"
    meta: dict[str, Any] = dataclasses.field(default_factory=dict)

    def record(self, kind: str, code: int = 250, seconds: int = 1, content: str = "ok", **more: Any) -> bytes:
        at = NOW + timedelta(seconds=seconds)
        body = {
            "type": kind,
            "id": self.rid.replace("-", ""),
            "sender": "b+x@bounce.postmta.test",
            "recipient": self.address,
            "queue": f"spring:{self.tenant}@example.org",
            "response": {"code": code, "enhanced_code": None, "content": content, "command": None},
            "timestamp": int(at.timestamp()),
            "event_time": at.isoformat(),
            "created_time": NOW.isoformat(),
            "num_attempts": 0,
            "egress_source": None if kind == "Reception" else "acme.mx1.r1",
            "nodeid": "n",
            "meta": {"x_rid": self.rid, "x_mid": self.mid, "x_smtp": self.smtp, "tenant": self.tenant}
            | {"campaign": "spring"}
            | self.meta,
        }
        return json.dumps(body | more).encode()


async def shown(client: Any, headers: Any, mail: Mail) -> dict[str, Any]:
    answer = await client.get(f"/api/v1/messages/{mail.mid}", headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def count(db: Any, table: Any) -> int:
    async with db.reading() as connection:
        return int(await connection.scalar(select(func.count()).select_from(table)) or 0)


async def summary(client: Any, headers: Any) -> dict[str, Any]:
    answer = await client.get("/api/v1/analytics/summary?period=24h", headers=headers)
    return dict(answer.json()["counts"])


async def test_it_is_a_message_like_any_other(client: Any, acme: Any, here: Any, clock: Any) -> None:
    mail = Mail(smtp=SMTP | {"username": "acme-1"})
    await ingest(here, "n1", b"\n".join([mail.record("Reception"), mail.record("Delivery", seconds=2)]))
    message = await shown(client, acme, mail)
    assert (message["from"], message["subject"], message["status"]) == ("ann@acme.test", "Grüße", "delivered")
    assert (message["tags"], message["smtp_username"]) == (["spring", "vip"], "acme-1")
    assert message["created_at"] == "2026-11-22T12:00:00Z"
    (recipient,) = message["recipients"]
    assert (recipient["address"], recipient["status"], recipient["vmta"]) == ("bob@example.org", "delivered", "mx1")
    kinds = [entry["type"] for entry in message["timeline"]]
    assert kinds == ["message.queued", "message.accepted", "message.delivered"]
    for query in ("to=BOB@example.org", "tag=vip", "from=ann@acme.test", "domain=acme.test"):
        found = (await client.get(f"/api/v1/messages?{query}", headers=acme)).json()["data"]
        assert [one["id"] for one in found] == [mail.mid], query
    clock.advance(minutes=30)
    counts = await summary(client, acme)
    assert (counts["queued"], counts["accepted"], counts["delivered"]) == (1, 1, 1)
    assert await count(here.db, outbox) == 0


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_records_in_any_order_and_twice_come_to_the_same(
    client: Any, acme: Any, here: Any, order: tuple[int, ...]
) -> None:
    mail = Mail()
    records = [
        mail.record("Reception"),
        mail.record("TransientFailure", 451, seconds=2, content="later"),
        mail.record("Delivery", seconds=3),
    ]
    for number in (*order, *order):
        await ingest(here, "n1", records[number])
    message = await shown(client, acme, mail)
    assert (message["status"], len(message["timeline"])) == ("delivered", 4)
    assert await email(client, acme) == (9, 0, 1)
    await sums_equal_balances(here.db)


async def test_recipients_of_one_transaction_share_a_message(client: Any, acme: Any, here: Any) -> None:
    one = Mail()
    other = Mail("ben@example.org", mid=one.mid)
    await ingest(here, "n1", one.record("Delivery"))
    await ingest(here, "n1", other.record("Bounce", 550, content="5.1.1 no such user"))
    message = await shown(client, acme, one)
    fates = {each["address"]: each["status"] for each in message["recipients"]}
    assert fates == {"bob@example.org": "delivered", "ben@example.org": "bounced"}
    assert message["status"] == "partial"
    check = await client.post("/api/v1/suppressions/check", json={"addresses": ["ben@example.org"]}, headers=acme)
    assert check.json()["data"][0]["reason"] == "hard_bounce"


async def test_a_credit_is_drawn_for_each_recipient_and_settled(client: Any, acme: Any, here: Any) -> None:
    mails = [Mail(f"r{number}@example.org") for number in range(3)]
    await ingest(here, "n1", b"\n".join(mail.record("Reception") for mail in mails))
    assert await email(client, acme) == (7, 3, 3)
    ends = [("Delivery", 250), ("Bounce", 550), ("AdminBounce", 551)]
    lines = [mail.record(kind, code, seconds=2) for mail, (kind, code) in zip(mails, ends, strict=True)]
    await ingest(here, "n1", b"\n".join(lines))
    assert await email(client, acme) == (8, 0, 2)
    await sums_equal_balances(here.db)


async def test_what_no_balance_covers_is_in_the_ledger_all_the_same(client: Any, acme: Any, here: Any) -> None:
    mails = [Mail(f"r{number}@example.org") for number in range(12)]
    await ingest(here, "n1", b"\n".join(mail.record("Reception") for mail in mails))
    assert await email(client, acme) == (0, 10, 12)
    table = credit_entries.c
    query = select(table.quantity, table.available).where(table.cause == "smtp").order_by(table.available)
    async with here.db.reading() as connection:
        assert [tuple(row) for row in await connection.execute(query)] == [(10, -10), (2, 0)]
        charged = await connection.scalars(select(recipients.c.credits).order_by(recipients.c.credits))
        assert list(charged) == [0, 0] + [1] * 10
    await ingest(here, "n1", b"\n".join(mail.record("Delivery", seconds=2) for mail in mails))
    assert await email(client, acme) == (0, 0, 12)
    await sums_equal_balances(here.db)


async def test_webhooks_hear_of_it(client: Any, acme: Any, here: Any) -> None:
    body = {"url": "https://example.com/hook", "events": ["message.queued", "message.accepted", "message.suppressed"]}
    assert (await client.post("/api/v1/webhooks", json=body, headers=acme)).status_code == 201
    mail = Mail()
    await ingest(here, "n1", b"\n".join([mail.record("Reception"), refusal()]))
    async with here.db.reading() as connection:
        kinds = list(await connection.scalars(select(webhook_deliveries.c.type).order_by(webhook_deliveries.c.id)))
        payloads = list(await connection.scalars(select(webhook_deliveries.c.payload)))
    assert sorted(kinds) == ["message.accepted", "message.queued", "message.suppressed"]
    assert any(mail.mid.encode() in payload for payload in payloads)


def refusal(tenant: str = "acme", content: str = "postmta-suppressed: no more mail") -> bytes:
    """A recipient that the policy refused; the record has the one before it as its recipient."""
    body = {
        "type": "Rejection",
        "id": "",
        "sender": "ann@acme.test",
        "recipient": "before@example.org",
        "queue": "",
        "response": {
            "code": 550,
            "enhanced_code": {"class": 5, "subject": 7, "detail": 1},
            "content": content,
            "command": "RCPT TO:<gone@example.org>",
        },
        "timestamp": int(NOW.timestamp()) + 1,
        "event_time": (NOW + timedelta(seconds=1)).isoformat(),
        "nodeid": "n",
        "session_id": "s",
        "meta": {"tenant": tenant, "x_submission": True, "x_credential": "acme-1"},
    }
    return json.dumps(body).encode()


async def test_a_refused_recipient_is_an_event_of_its_organization(
    client: Any, acme: Any, bob: Any, here: Any, clock: Any
) -> None:
    await ingest(here, "n1", b"\n".join([refusal(), refusal(content="relaying not permitted")]))
    clock.advance(minutes=30)
    counts = await summary(client, acme)
    assert (counts["suppressed"], counts["rejected"], counts["queued"]) == (1, 1, 0)
    assert (await summary(client, bob))["suppressed"] == 0
    assert await count(here.db, messages) == 0


async def test_a_recipient_that_was_dropped_is_suppressed_and_costs_nothing(client: Any, acme: Any, here: Any) -> None:
    mail = Mail(meta={"x_suppressed": True})
    await ingest(here, "n1", mail.record("Reception", queue="null"))
    message = await shown(client, acme, mail)
    assert (message["status"], message["timeline"][-1]["type"]) == ("suppressed", "message.suppressed")
    assert await email(client, acme) == (10, 0, 0)
    await sums_equal_balances(here.db)


async def test_one_that_the_node_could_not_queue_is_not_brought_again(client: Any, acme: Any, here: Any) -> None:
    mail = Mail()
    words = "KumoMTA internal: QueueManager::insert failed during reception: no pool"
    await ingest(here, "n1", mail.record("Bounce", 500, content=words, egress_source=None))
    assert (await shown(client, acme, mail))["status"] == "bounced"
    assert await count(here.db, outbox) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"smtp": "text"},
        {"smtp": {}},
        {"smtp": {"from": 7}},
        {"smtp": SMTP | {"tags": [7]}},
        {"mid": "not-an-id"},
        {"mid": ""},
        {"rid": "r-1"},
        {"tenant": "nobody"},
        {"tenant": ""},
    ],
)
async def test_what_the_policy_did_not_write_makes_no_message(here: Any, acme: Any, wrong: Any) -> None:
    mail = Mail(**wrong)
    answer = await ingest(here, "n1", mail.record("Reception"))
    assert (answer.added, answer.unreadable) == (1, 0)
    assert await count(here.db, messages) == await count(here.db, recipients) == await count(here.db, dead_letters) == 0


async def test_an_id_of_another_organization_is_not_taken_over(client: Any, acme: Any, bob: Any, here: Any) -> None:
    mine = Mail()
    await ingest(here, "n1", mine.record("Reception"))
    theirs = Mail("eve@example.org", rid=mine.rid, mid=mine.mid, tenant="bolt")
    await ingest(here, "n1", theirs.record("Delivery", seconds=5))
    assert (await shown(client, acme, mine))["recipients"][0]["address"] == "bob@example.org"
    assert (await client.get(f"/api/v1/messages/{mine.mid}", headers=bob)).status_code == 404


async def test_an_empty_list_of_tags_comes_as_an_object(client: Any, acme: Any, here: Any) -> None:
    mail = Mail(smtp=SMTP | {"tags": {}})
    await ingest(here, "n1", mail.record("Reception"))
    assert (await shown(client, acme, mail))["tags"] == []


async def test_two_nodes_at_once(client: Any, acme: Any, here: Any) -> None:
    mails = [Mail(f"r{number}@example.org") for number in range(8)]
    lines = [[mail.record(kind) for mail in mails] for kind in ("Reception", "Delivery")]
    await asyncio.gather(*(ingest(here, "n1", b"\n".join(each)) for each in (lines[0], lines[1][::-1], lines[0])))
    assert await count(here.db, recipients) == 8
    assert await email(client, acme) == (2, 0, 8)
    await sums_equal_balances(here.db)


async def test_the_use_of_a_credential_is_noted(client: Any, acme: Any, here: Any) -> None:
    made = (await client.post("/api/v1/smtp-credentials", json={"name": "shop"}, headers=acme)).json()
    credential = made["smtp_credential"]
    await ingest(here, "n1", Mail(smtp=SMTP | {"username": credential["username"]}).record("Reception"))
    found = (await client.get(f"/api/v1/smtp-credentials/{credential['id']}", headers=acme)).json()
    assert found["last_used_at"] == "2026-11-22T12:00:00Z"
