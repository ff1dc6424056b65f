"""The queue status of a vMTA: the nodes' own numbers, added up, and who could not be asked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from postmta_ctl.features.vmtas.queue_status import MAX_SITES, provider_of
from postmta_ctl.store.tables import events
from tests.fake_fleet import FakeFleet, add_nodes, ready

MX1 = {"name": "mx1", "ip_address": "192.0.2.10", "ehlo_domain": "mx1.acme.test"}
GMAIL = "(alt1|alt2|gmail-smtp-in).l.google.com"


@pytest.fixture
def fleet() -> FakeFleet:
    return FakeFleet()


@pytest.fixture
async def system(system: Any, fleet: FakeFleet, db: Any, clock: Any) -> Any:
    await system.kumod.close()
    object.__setattr__(system, "kumod", fleet)
    await add_nodes(system, db, clock())
    return system


@pytest.fixture
async def mx1(client: Any, acme: Any) -> str:
    return str((await client.post("/api/v1/vmtas", json=MX1, headers=acme)).json()["id"])


async def queue(client: Any, auth: Any, vmta_id: str) -> Any:
    answer = await client.get(f"/api/v1/vmtas/{vmta_id}/queue", headers=auth)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_numbers_of_its_own_sources_are_added_up(client: Any, acme: Any, mx1: str, fleet: FakeFleet) -> None:
    fleet.ready_queue("n1", ready("acme.mx1.r1", GMAIL), messages=7, connections=2)
    fleet.ready_queue("n1", ready("acme.mx1.r2", GMAIL), messages=3, connections=1)
    fleet.ready_queue("n2", ready("acme.mx1.r2", GMAIL), messages=10)
    fleet.ready_queue("n2", ready("acme.mx1.r2", "mx.dest.test"))
    fleet.ready_queue("n2", ready("acme.mx2.r1", GMAIL), messages=100, connections=100)
    fleet.ready_queue("n2", ready("bolt.mx1.r1", GMAIL), messages=100, connections=100)
    fleet.scheduled("n1", "acme.mx1@a.test", 5)
    fleet.scheduled("n2", "spring:acme.mx1@a.test", 6)
    fleet.scheduled("n2", "acme@a.test", 20)
    fleet.scheduled("n2", "bolt@a.test", 400)
    mail = {"from": "a@acme.test", "to": ["b@bolt.test", "c@bolt.test"], "subject": "Hi", "text": "Hi", "vmta": "mx1"}
    assert (await client.post("/api/v1/messages/send", json=mail, headers=acme)).status_code == 202
    shown = await queue(client, acme, mx1)
    numbers = ("here", "scheduled_for_it", "scheduled_for_any", "ready", "connections", "sites_left_off")
    assert [shown[name] for name in numbers] == [2, 11, 20, 20, 3, 0]
    gmail, other = shown["sites"]
    assert gmail == {
        "site": GMAIL,
        "provider": "gmail",
        "ready": 20,
        "connections": 3,
        "by_node": {"n1": 10, "n2": 10},
        "suspended": [],
    }
    assert (other["site"], other["ready"], other["provider"], other["by_node"]) == ("mx.dest.test", 0, None, {})
    assert shown["nodes"] == [{"node": "n1", "ok": True, "detail": None}, {"node": "n2", "ok": True, "detail": None}]


async def test_what_waits_for_its_pools_is_counted(client: Any, acme: Any, mx1: str, fleet: FakeFleet) -> None:
    for name, members in (("news", [{"vmta": "mx1"}]), ("rest", [])):
        body = {"name": name, "members": members, "default": name == "rest"}
        assert (await client.post("/api/v1/pools", json=body, headers=acme)).status_code == 201
    for tenant, size in (("acme", 1), ("acme._news", 10), ("acme._rest", 100), ("acme.mx1", 1000)):
        fleet.scheduled("n1", f"{tenant}@a.test", size)
    shown = await queue(client, acme, mx1)
    assert (shown["scheduled_for_it"], shown["scheduled_for_any"]) == (1000, 10)


async def test_a_node_that_is_away_is_named_and_not_counted_as_empty(
    client: Any, acme: Any, mx1: str, fleet: FakeFleet
) -> None:
    fleet.ready_queue("n1", ready("acme.mx1.r1", GMAIL), messages=7)
    fleet.ready_queue("n2", ready("acme.mx1.r1", GMAIL), messages=9)
    fleet.away = {"n2"}
    shown = await queue(client, acme, mx1)
    assert shown["ready"] == 7
    assert [(one["node"], one["ok"]) for one in shown["nodes"]] == [("n1", True), ("n2", False)]
    assert "cannot connect" in shown["nodes"][1]["detail"]


async def test_a_pause_is_shown_where_it_holds(client: Any, acme: Any, mx1: str, fleet: FakeFleet) -> None:
    fleet.ready_queue("n1", ready("acme.mx1.r1", GMAIL))
    await client.post(f"/api/v1/vmtas/{mx1}/pause", json={"reason": "blocked"}, headers=acme)
    fleet.metrics["n1"].clear()
    shown = await queue(client, acme, mx1)
    assert (shown["state"], shown["pause"]["reason"]) == ("paused", "blocked")
    (site,) = shown["sites"]
    assert [(one["node"], one["reason"]) for one in site["suspended"]] == [("n1", "vMTA paused: blocked")]


async def test_the_last_deferral_is_its_own(client: Any, acme: Any, mx1: str, db: Any, clock: Any) -> None:
    organization = (await client.get("/api/v1/auth/me", headers=acme)).json()["organization"]["id"]
    ago = {"old": 9 * 86400, "first": 120, "last": 60, "second": 90}
    moments = {reply: clock() - timedelta(seconds=seconds) for reply, seconds in ago.items()}
    rows = [(reply, "mx1", "message.deferred", organization) for reply in moments]
    rows += [("x", "mx2", "message.deferred", organization), ("x", "mx1", "message.bounced", organization)]
    rows += [("x", "mx1", "message.deferred", None)]
    async with db.transaction() as connection:
        for number, (reply, vmta, kind, owner) in enumerate(rows):
            moment = moments.get(reply, clock())
            row = {"type": kind, "record_type": "x", "node": "n1", "provider": "gmail", "reply": reply, "vmta": vmta}
            row |= {"occurred_at": moment, "received_at": moment, "organization_id": owner}
            await connection.execute(insert(events).values(dedupe_key=bytes([number]) * 16, **row))
    shown = await queue(client, acme, mx1)
    assert (shown["last_error"], shown["last_error_provider"]) == ("last", "gmail")
    assert shown["last_error_at"] == "2026-11-22T11:59:00Z"


async def test_many_sites_are_cut_off_and_counted(client: Any, acme: Any, mx1: str, fleet: FakeFleet) -> None:
    for number in range(MAX_SITES + 5):
        fleet.ready_queue("n1", ready("acme.mx1.r1", f"mx.site{number}.test"), messages=number)
    shown = await queue(client, acme, mx1)
    assert (len(shown["sites"]), shown["sites_left_off"]) == (MAX_SITES, 5)
    assert shown["sites"][0]["ready"] == MAX_SITES + 4
    assert shown["ready"] == sum(range(MAX_SITES + 5))


async def test_a_foreign_one_is_not_found(client: Any, bob: Any, mx1: str, fleet: FakeFleet) -> None:
    assert (await client.get(f"/api/v1/vmtas/{mx1}/queue", headers=bob)).status_code == 404
    assert fleet.calls == 0


@pytest.mark.parametrize(
    ("site", "provider"),
    [
        ("(alt1|alt2|alt3|alt4).gmail-smtp-in.l.google.com", "gmail"),
        ("(mta5|mta6|mta7).am0.yahoodns.net", "yahoo"),
        ("acme-com.mail.protection.outlook.com", "outlook"),
        ("mx_list:127.0.0.1", None),
        ("", None),
    ],
)
def test_a_site_is_known_by_its_hosts(site: str, provider: str | None) -> None:
    assert provider_of(site) == provider
