"""Keys replaced: new records first, then new signatures, and the old ones last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from postmta_ctl.clients.dns import Answer
from postmta_ctl.clients.kumod import KumodClient
from postmta_ctl.features.domains import queries
from postmta_ctl.features.domains.rotation_job import rotate_keys
from postmta_ctl.features.policy.publish import publish as publish_policy
from postmta_ctl.features.policy.releasing import By
from postmta_ctl.store.tables import audit_log, dkim_keys, dkim_rotations, webhook_deliveries
from tests.conftest import verify_domain
from tests.fake_node import FakeNode


@pytest.fixture
async def here(system: Any, db: Any) -> AsyncIterator[Any]:
    """The application's parts in the test's own event loop."""
    here = replace(system, db=db, kumod=KumodClient(timeout=5))
    yield here
    await here.kumod.close()


@pytest.fixture
async def acme(client: Any, resolver: Any, ann: dict[str, str]) -> dict[str, str]:
    """A key that outlives the weeks of these tests, of an organization with the verified domain ``acme.test``."""
    await verify_domain(client, resolver, ann, "acme.test")
    scopes = ["domains:read", "domains:write", "policy:read", "policy:write", "nodes:write", "webhooks:write"]
    made = await client.post("/api/v1/api-keys", json={"name": "long", "scopes": scopes}, headers=ann)
    return {"Authorization": f"Bearer {made.json()['secret']}"}


@pytest.fixture
async def node(client: Any, acme: Any, tmp_path: Path) -> AsyncIterator[FakeNode]:
    """A node that runs the release by which ``acme.test`` signs."""
    with FakeNode(tmp_path / "node").serving() as node:
        body = {"name": "mx-1", "admin_url": node.url, "policy_dir": str(node.policy_dir)}
        assert (await client.post("/api/v1/nodes", json=body, headers=acme)).status_code == 201
        await client.post("/api/v1/policy/publish", json={}, headers=acme)
        yield node


async def domain_of(client: Any, headers: Any) -> Any:
    (found,) = (await client.get("/api/v1/domains", headers=headers)).json()["data"]
    return found


async def start(client: Any, headers: Any, **body: Any) -> Any:
    domain = await domain_of(client, headers)
    return await client.post(f"/api/v1/domains/{domain['id']}/rotate-dkim", json=body, headers=headers)


async def shown(client: Any, headers: Any) -> Any:
    domain = await domain_of(client, headers)
    return (await client.get(f"/api/v1/domains/{domain['id']}/dkim-rotation", headers=headers)).json()


def publish_records(resolver: Any, rotation: Any, action: str = "publish") -> None:
    for record in rotation["records"]:
        if record["action"] == action:
            resolver.records[record["name"], record["type"]] = (record["value"],)


def steps(rotation: Any) -> dict[str, str]:
    return {step["name"]: step["state"] for step in rotation["steps"]}


async def signing(db: Any) -> list[str]:
    async with db.reading() as connection:
        return [key.selector for domain in await queries.all_signing_keys(connection) for key in domain.keys]


async def publish(here: Any) -> None:
    await publish_policy(here, By("test"))


def key_names(node: FakeNode) -> set[str]:
    return {path.name.partition(".")[0] for path in (node.policy_dir / "keys/acme.test").iterdir()}


OLD, NEW = {"pmta", "pmta-ed25519"}, {"pmta-20261122", "pmta-20261122-ed25519"}


async def test_a_rotation_from_its_records_to_the_end(
    client: Any, acme: Any, node: FakeNode, here: Any, db: Any, resolver: Any, clock: Any
) -> None:
    answer = await start(client, acme)
    assert answer.status_code == 202, answer.text
    begun = answer.json()
    assert (begun["state"], begun["can_cancel"]) == ("publishing", True)
    assert {one["selector"]: one["action"] for one in begun["records"]} == dict.fromkeys(OLD, "keep") | dict.fromkeys(
        NEW, "publish"
    )
    await rotate_keys(here)
    waiting = await shown(client, acme)
    assert {one["verdict"] for one in waiting["records"] if one["action"] == "publish"} == {"missing"}
    assert set(await signing(db)) == OLD

    publish_records(resolver, begun)
    clock.advance(minutes=2)
    await rotate_keys(here)
    switched = await shown(client, acme)
    assert (switched["state"], switched["can_cancel"]) == ("switching", False)
    assert set(await signing(db)) == NEW
    assert key_names(node) == OLD, "no node knows of it yet"

    clock.advance(minutes=1)
    await rotate_keys(here)
    assert (await shown(client, acme))["state"] == "switching", "no release has it"
    await publish(here)
    assert key_names(node) == OLD | NEW
    clock.advance(minutes=1)
    await rotate_keys(here)
    grace = await shown(client, acme)
    assert (grace["state"], grace["retire_at"]) == ("grace", "2026-11-29T12:04:00Z")
    assert {one["selector"]: one["action"] for one in grace["records"]} == dict.fromkeys(OLD, "keep") | dict.fromkeys(
        NEW, "publish"
    )
    domain = await domain_of(client, acme)
    assert {key["selector"]: key["state"] for key in domain["dkim_keys"]} == dict.fromkeys(
        OLD, "retiring"
    ) | dict.fromkeys(NEW, "active")
    assert {
        one["name"].split(".")[0]: one["required"] for one in domain["dns_records"] if one["purpose"] == "dkim"
    } == (dict.fromkeys(OLD, False) | dict.fromkeys(NEW, True))

    clock.advance(days=7)
    await rotate_keys(here)
    done = await shown(client, acme)
    assert (done["state"], set(steps(done).values())) == ("done", {"done"})
    assert key_names(node) == NEW
    removed = [one for one in done["records"] if one["action"] == "remove"]
    assert {one["selector"] for one in removed} == OLD
    assert all(one["revoked_value"] in ("v=DKIM1; k=rsa; p=", "v=DKIM1; k=ed25519; p=") for one in removed)
    async with db.reading() as connection:
        query = select(dkim_keys.c.selector).where(dkim_keys.c.sealed_private_key.is_(None))
        assert set(await connection.scalars(query)) == OLD
    assert {key["selector"] for key in (await domain_of(client, acme))["dkim_keys"]} == NEW


async def test_the_switch_waits_for_both_records(
    client: Any, acme: Any, here: Any, db: Any, resolver: Any, clock: Any
) -> None:
    begun = (await start(client, acme)).json()
    publish_records(resolver, begun)
    name = "pmta-20261122-ed25519._domainkey.acme.test"
    for wrong in ((), ("v=DKIM1; k=ed25519; p=AAAA",), ("v=DKIM1; k=ed25519; p=",)):
        resolver.records[name, "TXT"] = wrong
        clock.advance(hours=2)
        await rotate_keys(here)
        assert (await shown(client, acme))["state"] == "publishing"
    publish_records(resolver, begun)
    resolver.broken.add(name)
    clock.advance(hours=2)
    await rotate_keys(here)
    assert {one["verdict"] for one in (await shown(client, acme))["records"]} == {None, "ok", "unknown"}
    assert set(await signing(db)) == OLD


async def test_it_waits_for_resolvers_to_forget_that_there_was_nothing(
    client: Any, acme: Any, here: Any, resolver: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = (await start(client, acme)).json()

    class Remembering:
        async def lookup(self, name: str, kind: str) -> Answer:
            found = await resolver.lookup(name, kind)
            return Answer(status="missing", ttl=3600) if found.status == "missing" else found

    here = replace(here, resolver=Remembering())
    await rotate_keys(here)
    publish_records(resolver, begun)
    clock.advance(minutes=59)
    await rotate_keys(here)
    waiting = await shown(client, acme)
    assert (waiting["state"], waiting["not_before"]) == ("publishing", "2026-11-22T13:00:00Z")
    assert steps(waiting)["published"] == "done"
    clock.advance(minutes=1)
    await rotate_keys(here)
    assert (await shown(client, acme))["state"] == "switching"


async def test_a_node_that_is_away_keeps_the_old_keys_alive(
    client: Any, acme: Any, node: FakeNode, here: Any, resolver: Any, clock: Any
) -> None:
    publish_records(resolver, (await start(client, acme)).json())
    await rotate_keys(here)
    node.stuck = True
    await publish(here)
    for _ in range(3):
        clock.advance(days=30)
        await rotate_keys(here)
        assert (await shown(client, acme))["state"] == "switching"
    assert key_names(node) == OLD | NEW
    node.stuck = False
    await publish(here)
    clock.advance(minutes=1)
    await rotate_keys(here)
    assert (await shown(client, acme))["state"] == "grace"


async def test_keys_stay_while_a_policy_that_was_rolled_back_needs_them(
    client: Any, acme: Any, node: FakeNode, here: Any, resolver: Any, clock: Any
) -> None:
    publish_records(resolver, (await start(client, acme)).json())
    await rotate_keys(here)
    await publish(here)
    clock.advance(minutes=1)
    await rotate_keys(here)
    assert (await shown(client, acme))["state"] == "grace"
    back = await client.post("/api/v1/policy/rollback", json={"release": 1}, headers=acme)
    assert back.status_code == 200, back.text
    for _ in range(2):
        clock.advance(days=8)
        await rotate_keys(here)
        assert (await shown(client, acme))["state"] == "grace"
    assert key_names(node) == OLD | NEW, "the nodes sign with the old ones again"
    await publish(here)
    clock.advance(hours=1)
    await rotate_keys(here)
    assert (await shown(client, acme))["state"] == "done"
    assert key_names(node) == NEW
    refused = await client.post("/api/v1/policy/rollback", json={"release": 1}, headers=acme)
    assert refused.status_code == 422, "its keys are gone"


async def test_the_grace_time_is_never_shorter_than_mail_may_wait(
    client: Any, acme: Any, node: FakeNode, here: Any, resolver: Any, clock: Any
) -> None:
    policy = here.settings.policy.__class__(max_age="14 days")
    here = replace(
        here, settings=here.settings.__class__(**settings_of(here) | {"policy": policy, "dkim_grace_days": 0})
    )
    publish_records(resolver, (await start(client, acme)).json())
    await rotate_keys(here)
    await publish(here)
    clock.advance(minutes=1)
    await rotate_keys(here)
    assert (await shown(client, acme))["retire_at"] == "2026-12-07T12:01:00Z"


def settings_of(here: Any) -> dict[str, Any]:
    return {name: getattr(here.settings, name) for name in here.settings.__struct_fields__}


async def test_verify_looks_at_the_new_records_too(client: Any, acme: Any, resolver: Any) -> None:
    publish_records(resolver, (await start(client, acme)).json())
    domain = await domain_of(client, acme)
    await client.post(f"/api/v1/domains/{domain['id']}/verify", headers=acme)
    assert (await shown(client, acme))["state"] == "switching"


async def test_a_cancelled_rotation_leaves_all_as_it_was(
    client: Any, acme: Any, here: Any, db: Any, resolver: Any, clock: Any
) -> None:
    begun = (await start(client, acme)).json()
    path = f"/api/v1/domains/{begun['domain_id']}/dkim-rotation"
    answer = await client.delete(path, headers=acme)
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert {one["action"] for one in answer.json()["records"] if one["selector"] in NEW} == {"remove"}
    publish_records(resolver, begun)
    clock.advance(hours=1)
    await rotate_keys(here)
    assert set(await signing(db)) == OLD
    assert (await client.delete(path, headers=acme)).json()["code"] == "too_late"
    again = await start(client, acme)
    assert again.status_code == 202, again.text
    assert {one["selector"] for one in again.json()["records"] if one["action"] == "publish"} == {
        "pmta-20261122-2",
        "pmta-20261122-2-ed25519",
    }


async def test_after_the_switch_it_cannot_be_cancelled(client: Any, acme: Any, here: Any, resolver: Any) -> None:
    begun = (await start(client, acme)).json()
    publish_records(resolver, begun)
    await rotate_keys(here)
    answer = await client.delete(f"/api/v1/domains/{begun['domain_id']}/dkim-rotation", headers=acme)
    assert (answer.status_code, answer.json()["code"]) == (409, "too_late")


async def test_of_parallel_rotations_one_begins(client: Any, acme: Any, db: Any) -> None:
    answers = await asyncio.gather(*(start(client, acme, dkim_selector=f"k{number}") for number in range(4)))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    async with db.reading() as connection:
        assert len((await connection.execute(select(dkim_keys))).all()) == 4


@pytest.mark.parametrize(
    ("selector", "status", "code"),
    [
        ("pmta", 409, "already_exists"),
        ("PMTA", 409, "already_exists"),
        ("a.b", 422, "selector_syntax"),
        ("a\r\nb", 422, "selector_syntax"),
        ("../../x", 422, "selector_syntax"),
        ("x" * 60, 422, "selector_syntax"),
        (5, 422, None),
    ],
)
async def test_a_bad_selector_is_refused(client: Any, acme: Any, selector: Any, status: int, code: str | None) -> None:
    answer = await start(client, acme, dkim_selector=selector)
    assert answer.status_code == status, answer.text
    problem = answer.json()
    assert [one["field"] for one in problem["errors"]] == ["dkim_selector"]
    assert code is None or code in (problem["code"], problem["errors"][0]["code"])
    assert (await client.get((await path(client, acme)), headers=acme)).status_code == 404


async def path(client: Any, headers: Any) -> str:
    return f"/api/v1/domains/{(await domain_of(client, headers))['id']}/dkim-rotation"


async def test_a_domain_that_was_never_verified_has_nothing_to_rotate(client: Any, ann: Any) -> None:
    await client.post("/api/v1/domains", json={"domain": "claimed.test"}, headers=ann)
    answer = await start(client, ann)
    assert (answer.status_code, answer.json()["code"]) == (409, "domain_not_verified")


async def test_nobody_elses_rotation(client: Any, acme: Any, bob: Any) -> None:
    await start(client, acme)
    where = await path(client, acme)
    assert (await client.get(where, headers=bob)).status_code == 404
    assert (await client.delete(where, headers=bob)).status_code == 404
    assert (await client.post(where.replace("dkim-rotation", "rotate-dkim"), json={}, headers=bob)).status_code == 404
    assert (await client.get(where, headers=acme)).json()["state"] == "publishing"


async def test_records_that_nobody_publishes_are_given_up(client: Any, acme: Any, here: Any, clock: Any) -> None:
    await start(client, acme)
    clock.advance(days=31)
    await rotate_keys(here)
    assert (await shown(client, acme))["state"] == "cancelled"


async def test_a_deleted_domain_takes_its_rotation_with_it(
    client: Any, acme: Any, here: Any, db: Any, clock: Any
) -> None:
    begun = (await start(client, acme)).json()
    assert (await client.delete(f"/api/v1/domains/{begun['domain_id']}", headers=acme)).status_code == 204
    clock.advance(hours=1)
    await rotate_keys(here)
    async with db.reading() as connection:
        assert (await connection.execute(select(dkim_rotations))).all() == []


async def test_two_drivers_at_once_switch_once(client: Any, acme: Any, here: Any, db: Any, resolver: Any) -> None:
    publish_records(resolver, (await start(client, acme)).json())
    await asyncio.gather(*(rotate_keys(here) for _ in range(3)))
    plan = (await client.get("/api/v1/policy/plan", headers=acme)).json()
    assert [one["summary"] for one in plan["changes"]].count("domain acme.test signs with new keys") == 1


async def test_webhooks_are_told(
    client: Any, acme: Any, node: FakeNode, here: Any, db: Any, resolver: Any, clock: Any
) -> None:
    await client.post("/api/v1/webhooks", json={"url": "https://example.com/hook"}, headers=acme)
    publish_records(resolver, (await start(client, acme)).json())
    await rotate_keys(here)
    await publish(here)
    for days in (1, 10):
        clock.advance(days=days)
        await rotate_keys(here)
    async with db.reading() as connection:
        kept = list(await connection.scalars(select(audit_log.c.action).order_by(audit_log.c.id)))
        told = list(await connection.scalars(select(webhook_deliveries.c.type).order_by(webhook_deliveries.c.id)))
    assert [one for one in told if "rotation" in one] == [
        "domain.dkim_rotation_started",
        "domain.dkim_rotation_switched",
        "domain.dkim_rotation_completed",
    ]
    assert [one for one in kept if "rotation" in one] == [one for one in told if "rotation" in one]


async def test_keys_that_grow_old_are_replaced_by_themselves(
    client: Any, acme: Any, here: Any, db: Any, clock: Any
) -> None:
    async with db.transaction() as connection:
        await connection.execute(queries.domains.update().values(dkim_rotation_days=180))
    clock.advance(days=179)
    await rotate_keys(here)
    assert (await client.get(await path(client, acme), headers=acme)).status_code == 404
    clock.advance(days=2)
    await rotate_keys(here)
    begun = await shown(client, acme)
    assert (begun["state"], begun["author"]) == ("publishing", "schedule")
    clock.advance(days=31)
    await rotate_keys(here)
    await rotate_keys(here)
    assert (await shown(client, acme))["state"] == "cancelled", "and is not asked for again at once"
