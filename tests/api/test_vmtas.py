"""Virtual MTAs: created, warmed up, listed, deleted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from postmta_ctl.store.tables import outbox, policy_changes

MX1 = {"name": "mx1", "ip_address": "192.0.2.10", "ehlo_domain": "mx1.acme.test"}


async def make(client: Any, headers: dict[str, str], **changes: Any) -> Any:
    return await client.post("/api/v1/vmtas", json=MX1 | changes, headers=headers)


async def changes_of(db: Any) -> list[tuple[str, str]]:
    async with db.reading() as connection:
        query = select(policy_changes.c.author, policy_changes.c.summary).order_by(policy_changes.c.id)
        return [tuple(row) for row in await connection.execute(query)]


async def test_a_vmta_without_warm_up_is_active(client: Any, ann: Any, db: Any) -> None:
    answer = await make(client, ann, ehlo_domain="MX1.Acme.Test.")
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made | {"id": ""} == MX1 | {
        "id": "",
        "ipv6_address": None,
        "is_public": False,
        "state": "active",
        "version": 1,
        "warmup": None,
        "proxy": None,
        "nodes": [],
        "pause": None,
        "created_at": "2026-11-22T12:00:00Z",
        "updated_at": "2026-11-22T12:00:00Z",
    }
    assert (await client.get(f"/api/v1/vmtas/{made['id']}", headers=ann)).json() == made
    assert (await client.get("/api/v1/vmtas", headers=ann)).json() == {"data": [made], "next_cursor": None}
    assert await changes_of(db) == [("ann@acme.test", "vMTA mx1 created")]


async def test_own_allowances_begin_with_the_first(client: Any, ann: Any) -> None:
    made = (await make(client, ann, warmup={"daily_allowances": [50, 100, 400]})).json()
    assert made["state"] == "warming"
    assert made["warmup"] == {
        "schedule": None,
        "daily_allowances": [50, 100, 400],
        "provider_shares": {},
        "day": 1,
        "allowance_today": 50,
        "is_paused": False,
    }


@pytest.mark.parametrize("schedule", ["conservative", "standard", "aggressive"])
async def test_a_schedule_by_name_grows(client: Any, ann: Any, schedule: str) -> None:
    shown = (await make(client, ann, warmup={"schedule": schedule})).json()["warmup"]
    assert shown["schedule"] == schedule
    assert shown["allowance_today"] == shown["daily_allowances"][0] > 0
    assert shown["daily_allowances"] == sorted(set(shown["daily_allowances"]))


@pytest.mark.parametrize(
    ("given", "shown"),
    [("2001:DB8:0::0:1", "2001:db8::1"), ("::ffff:192.0.2.9", "192.0.2.9"), ("127.0.0.1", "127.0.0.1")],
)
async def test_an_address_is_shown_in_its_canonical_form(client: Any, ann: Any, given: str, shown: str) -> None:
    assert (await make(client, ann, ip_address=given)).json()["ip_address"] == shown


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "MX1"}, "name"),
        ({"name": "mx1\n"}, "name"),
        ({"name": "mx\x001"}, "name"),
        ({"name": "mx.1"}, "name"),
        ({"name": "x" * 64}, "name"),
        ({"name": "x" * 1_000_000}, "name"),
        ({"name": None}, "name"),
        ({"name": ["mx1"]}, "name"),
        ({"ip_address": "0.0.0.0"}, "ip_address"),
        ({"ip_address": "ff02::1"}, "ip_address"),
        ({"ip_address": "192.0.2.1\r\n"}, "ip_address"),
        ({"ip_address": "192.0.2.1/24"}, "ip_address"),
        ({"ip_address": 3221225985}, "ip_address"),
        ({"ip_address": "mx1.acme.test"}, "ip_address"),
        ({"ehlo_domain": "mx1"}, "ehlo_domain"),
        ({"ehlo_domain": "192.0.2.1"}, "ehlo_domain"),
        ({"ehlo_domain": "mx1.acme.test\r\nMAIL FROM:<>"}, "ehlo_domain"),
        ({"ehlo_domain": "mx1.acme.test\x00"}, "ehlo_domain"),
        ({"warmup": {}}, "warmup"),
        ({"warmup": {"schedule": "standard", "daily_allowances": [1]}}, "warmup"),
        ({"warmup": {"schedule": "fast"}}, "warmup.schedule"),
        ({"warmup": {"daily_allowances": []}}, "warmup.daily_allowances"),
        ({"warmup": {"daily_allowances": [0]}}, "warmup.daily_allowances[0]"),
        ({"warmup": {"daily_allowances": [1.5]}}, "warmup.daily_allowances[0]"),
        ({"warmup": {"daily_allowances": [10**30]}}, "warmup.daily_allowances[0]"),
        ({"warmup": {"daily_allowances": [1] * 367}}, "warmup.daily_allowances"),
        ({"warmup": "standard"}, "warmup"),
        ({"warmup": {"schedule": "standard", "provider_shares": {"gmail": 0}}}, "warmup.provider_shares[...]"),
        ({"warmup": {"schedule": "standard", "provider_shares": {"gmial": 0.5}}}, "warmup.provider_shares"),
        ({"state": "active"}, "state"),
    ],
)
async def test_a_bad_field_is_named(client: Any, ann: Any, change: dict[str, Any], field: str) -> None:
    answer = await make(client, ann, **change)
    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert len(answer.text) < 1000
    assert (await client.get("/api/v1/vmtas", headers=ann)).json()["data"] == []


async def test_all_bad_fields_are_named_at_once(client: Any, ann: Any) -> None:
    answer = await make(client, ann, name="MX", ip_address="x", ehlo_domain="x", warmup={})
    assert [error["field"] for error in answer.json()["errors"]] == ["name", "ip_address", "ehlo_domain", "warmup"]


async def test_a_name_is_used_once_in_an_organization(client: Any, ann: Any, bob: Any) -> None:
    assert (await make(client, ann)).status_code == 201
    answer = await make(client, ann, ip_address="192.0.2.11")
    assert (answer.status_code, answer.json()["code"]) == (409, "already_exists")
    assert answer.json()["errors"][0]["field"] == "name"
    assert (await make(client, bob, ip_address="192.0.2.11")).status_code == 201


async def test_an_address_belongs_to_one_vmta_of_all(client: Any, ann: Any, bob: Any) -> None:
    assert (await make(client, ann)).status_code == 201
    answer = await make(client, bob, name="other", ip_address="::ffff:192.0.2.10")
    assert (answer.status_code, answer.json()["code"]) == (409, "already_exists")
    assert answer.json()["errors"][0]["field"] == "ip_address"
    assert "acme" not in answer.text
    assert "mx1" not in answer.text


async def test_of_parallel_creations_one_succeeds(client: Any, ann: Any, db: Any) -> None:
    answers = await asyncio.gather(*(make(client, ann) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert len(await changes_of(db)) == 1


async def test_another_organizations_vmta_is_not_found(client: Any, ann: Any, bob: Any) -> None:
    vmta_id = (await make(client, ann)).json()["id"]
    assert (await client.get(f"/api/v1/vmtas/{vmta_id}", headers=bob)).status_code == 404
    assert (await client.delete(f"/api/v1/vmtas/{vmta_id}", headers=bob)).status_code == 404
    assert (await client.get("/api/v1/vmtas", headers=bob)).json()["data"] == []
    assert (await client.get(f"/api/v1/vmtas/{vmta_id}", headers=ann)).status_code == 200


@pytest.mark.parametrize("vmta_id", ["x", "%00", "%0d%0a", "x" * 5000, "00000000-0000-7000-8000-000000000000"])
async def test_an_unknown_id_is_not_found(client: Any, ann: Any, vmta_id: str) -> None:
    assert (await client.get(f"/api/v1/vmtas/{vmta_id}", headers=ann)).status_code == 404
    assert (await client.delete(f"/api/v1/vmtas/{vmta_id}", headers=ann)).status_code == 404


async def test_a_new_vmta_of_an_old_name_is_another_source(client: Any, ann: Any, db: Any) -> None:
    for version in (1, 2, 3):
        made = (await make(client, ann, ip_address=f"192.0.2.{version}")).json()
        assert made["version"] == version
        assert (await client.delete(f"/api/v1/vmtas/{made['id']}", headers=ann)).status_code == 204
        assert (await client.get(f"/api/v1/vmtas/{made['id']}", headers=ann)).status_code == 404
    assert (await make(client, ann, name="mx2")).json()["version"] == 1
    assert [summary for _, summary in await changes_of(db)][:2] == ["vMTA mx1 created", "vMTA mx1 deleted"]


async def test_a_vmta_that_accepted_mail_is_pinned_to_stays(client: Any, acme: Any, db: Any) -> None:
    pinned = (await make(client, acme)).json()["id"]
    other = (await make(client, acme, name="mx2", ip_address="192.0.2.11")).json()["id"]
    mail = {"from": "ann@acme.test", "to": ["bob@bolt.test"], "subject": "Hi", "text": "Hi", "vmta": "mx1"}
    assert (await client.post("/api/v1/messages/send", json=mail, headers=acme)).status_code == 202
    answer = await client.delete(f"/api/v1/vmtas/{pinned}", headers=acme)
    assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
    assert (await client.delete(f"/api/v1/vmtas/{other}", headers=acme)).status_code == 204
    async with db.transaction() as connection:
        await connection.execute(outbox.delete())
    assert (await client.delete(f"/api/v1/vmtas/{pinned}", headers=acme)).status_code == 204


async def test_reading_needs_no_write_scope_and_writing_does(client: Any, ann: Any) -> None:
    body = {"name": "reader", "scopes": ["vmtas:read"]}
    secret = (await client.post("/api/v1/api-keys", json=body, headers=ann)).json()["secret"]
    headers = {"X-API-Key": secret}
    assert (await client.get("/api/v1/vmtas", headers=headers)).status_code == 200
    answer = await make(client, headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
