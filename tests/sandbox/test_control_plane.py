"""Cancelling and holding against a node in a process of its own, from the API to the log record and back."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import insert

from postmta_ctl.clients.kumod import KumodClient, NodeAddress
from postmta_ctl.core.ids import new_id
from postmta_ctl.features.ingest.service import ingest
from postmta_ctl.features.messages.relay import relay
from postmta_ctl.features.nodes import access
from postmta_ctl.features.security.auto_block.watch import watch_rules
from postmta_ctl.recent import Recent
from postmta_ctl.store.tables import nodes
from tests.conftest import PASSWORD
from tests.sandbox.fleet import ADMIN_TOKEN
from tests.sandbox.ingestion import Ingestion
from tests.sandbox.process import SandboxProcess, StartSandbox

MAIL = {"from": "ann@acme.test", "subject": "Hello", "text": "Hi", "tags": ["spring"]}


@pytest.fixture
def sandbox(start: StartSandbox) -> SandboxProcess:
    """A node whose minute is a minute: nothing is tried again while a test runs."""
    return start()


@pytest.fixture
async def here(client: Any, system: Any, db: Any, sandbox: SandboxProcess, clock: Any) -> Any:
    """The control plane of the sandbox, in the test's own event loop and in the application's."""
    url, node_id = sandbox.banner["url"], new_id(clock())
    async with db.transaction() as connection:
        await connection.execute(
            insert(nodes).values(
                id=node_id,
                name="n1",
                kind="kumod",
                admin_url=url,
                policy_dir="/nowhere",
                ingest_token_digest=b"",
                sealed_ingest_token=b"",
                sealed_admin_token=access.seal(system, node_id, "sealed_admin_token", ADMIN_TOKEN),
                running_release=1,
                online_since=clock(),
                created_at=clock(),
            )
        )
    here = dataclasses.replace(system, db=db, kumod=KumodClient(timeout=10), node_addresses=Recent(3600))
    here.node_addresses.set((NodeAddress(name="n1", admin_url=url, token=ADMIN_TOKEN),))
    yield here
    await here.kumod.close()


async def send(client: Any, auth: Any, here: Any, *to: str) -> Any:
    sent = (await client.post("/api/v1/messages/send", json=MAIL | {"to": list(to)}, headers=auth)).json()
    await relay(here)
    return sent


async def learn(here: Any, ingestion: Ingestion, enough: Callable[[list[dict[str, Any]]], bool]) -> None:
    """Wait for the node's records, and take them in."""
    records = await asyncio.to_thread(ingestion.wait_for, enough)
    await ingest(here, "n1", "\n".join(json.dumps(one) for one in records).encode())


def told(*wanted: tuple[str, str]) -> Callable[[list[dict[str, Any]]], bool]:
    return lambda records: set(wanted) <= {(one["type"], one["recipient"]) for one in records}


async def statuses(client: Any, auth: Any, sent: Any) -> dict[str, str]:
    shown = (await client.get(f"/api/v1/messages/{sent['id']}", headers=auth)).json()
    return {one["address"]: one["status"] for one in shown["recipients"]}


async def test_a_deferred_message_is_cancelled_and_its_sibling_stays(
    client: Any, acme: Any, here: Any, ingestion: Ingestion
) -> None:
    first = await send(client, acme, here, "defer1@example.org")
    second = await send(client, acme, here, "defer2@example.org", "ok@example.org")
    deferred = [("TransientFailure", f"defer{number}@example.org") for number in (1, 2)]
    await learn(here, ingestion, told(*deferred, ("Delivery", "ok@example.org")))
    answer = (await client.post(f"/api/v1/messages/{first['id']}/cancel", headers=acme)).json()
    assert answer["result"] == "pending"
    await learn(here, ingestion, told(("AdminRebind", "defer1@example.org")))
    assert await statuses(client, acme, first) == {"defer1@example.org": "cancelled"}
    assert await statuses(client, acme, second) == {"defer2@example.org": "deferred", "ok@example.org": "delivered"}
    late = (await client.post(f"/api/v1/messages/{second['id']}/cancel", headers=acme)).json()
    assert {one["address"]: one["result"] for one in late["recipients"]} == {
        "defer2@example.org": "pending",
        "ok@example.org": "too_late",
    }


async def test_a_held_queue_keeps_its_mail_until_it_is_released(
    client: Any, acme: Any, here: Any, ingestion: Ingestion
) -> None:
    queue = quote("spring:acme@example.org", safe="")
    held = await client.post(f"/api/v1/queues/{queue}/hold", json={"reason": "wait"}, headers=acme)
    assert held.json()["nodes"] == [{"node": "n1", "ok": True, "detail": None}], held.text
    sent = await send(client, acme, here, "ok@example.org")
    await learn(here, ingestion, told(("TransientFailure", "ok@example.org")))
    assert await statuses(client, acme, sent) == {"ok@example.org": "deferred"}
    (shown,) = (await client.get("/api/v1/queues", headers=acme)).json()["data"]
    assert (shown["id"], shown["size"], shown["hold"]["reason"]) == ("spring:acme@example.org", 1, "wait")
    assert "wait" in shown["last_error"]
    assert shown["oldest_waiting_since"] == sent["created_at"]
    released = (await client.post(f"/api/v1/queues/{queue}/release", headers=acme)).json()
    assert (released["hold"], released["nodes"][0]["ok"]) == (None, True)
    await learn(here, ingestion, told(("Delivery", "ok@example.org")))
    assert await statuses(client, acme, sent) == {"ok@example.org": "delivered"}


async def test_a_block_holds_what_waits_keeps_what_comes_and_lets_both_go(
    client: Any, acme: Any, here: Any, ingestion: Ingestion, clock: Any
) -> None:
    clock.moment = datetime.now(UTC)  # the node's records carry the time of day
    login = await client.post("/api/v1/auth/login", json={"email": "ann@acme.test", "password": PASSWORD})
    acme = {"Authorization": f"Bearer {login.json()['access_token']}"}
    rule = {"name": "Put off", "metric": "deferral_rate", "scope": "organization", "window_minutes": 60}
    rule |= {"threshold": 0.5, "minimum_volume": 2, "action": "hold"}
    made = await client.post("/api/v1/security/auto-block/rules", json=rule, headers=acme)
    assert made.status_code == 201, made.text
    addresses = ("defer1@example.org", "defer2@example.org")
    await send(client, acme, here, *addresses)
    await learn(here, ingestion, told(*(("TransientFailure", one) for one in addresses)))
    await watch_rules(here)

    (block,) = (await client.get("/api/v1/security/auto-block/active", headers=acme)).json()["data"]
    assert block["effect"]["queues"] == [{"queue": "spring:acme@example.org", "held": True}]
    assert (block["cause"]["count"], block["cause"]["volume"]) == (2, 2)
    assert [one["reason"] for one in await suspensions(here)] == [
        "auto-block: Put off: deferral_rate 100 % (2 of 2) reaches 50 %"
    ]
    sent = await send(client, acme, here, "ok@example.org")
    assert await statuses(client, acme, sent) == {"ok@example.org": "queued"}

    over = await client.post(f"/api/v1/security/auto-block/{block['id']}/resolve", headers=acme)
    assert over.json()["state"] == "resolved", over.text
    assert await suspensions(here) == []
    await relay(here)
    await learn(here, ingestion, told(("Delivery", "ok@example.org")))
    assert await statuses(client, acme, sent) == {"ok@example.org": "delivered"}


async def suspensions(here: Any) -> list[dict[str, Any]]:
    """As the node lists them."""
    (node,) = here.node_addresses.get()
    return list(await here.kumod.admin(node, "GET", "/api/admin/suspend/v1"))
