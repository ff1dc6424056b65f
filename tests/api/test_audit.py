"""Who did what: every change leaves an entry, and the entries are for those who may read them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import PASSWORD, join, verify_domain


async def entries(client: Any, headers: dict[str, str], **wanted: str) -> list[dict[str, Any]]:
    answer = await client.get("/api/v1/audit", params=wanted, headers=headers)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def test_every_kind_of_change_leaves_an_entry(client: Any, resolver: Any, ann: Any, tmp_path: Any) -> None:
    ben = await join(client, ann, "ben@acme.test", "viewer")
    user = (await client.get("/api/v1/auth/me", headers=ben)).json()["user"]["id"]
    await client.put(f"/api/v1/users/{user}/role", json={"role": "developer"}, headers=ann)
    await client.delete(f"/api/v1/users/{user}", headers=ann)
    key = (await client.post("/api/v1/api-keys", json={"name": "k", "scopes": ["domains:read"]}, headers=ann)).json()
    await client.post(f"/api/v1/api-keys/{key['api_key']['id']}/rotate", headers=ann)
    await client.delete(f"/api/v1/api-keys/{key['api_key']['id']}", headers=ann)
    await verify_domain(client, resolver, ann, "acme.test")
    domain = (await client.get("/api/v1/domains", headers=ann)).json()["data"][0]["id"]
    await client.delete(f"/api/v1/domains/{domain}", headers=ann)
    vmta = {"name": "mx1", "ip_address": "192.0.2.10", "ehlo_domain": "mx1.acme.test"}
    made = (await client.post("/api/v1/vmtas", json=vmta, headers=ann)).json()
    await client.delete(f"/api/v1/vmtas/{made['id']}", headers=ann)
    node = {"name": "n1", "admin_url": "http://127.0.0.1:1", "policy_dir": str(tmp_path / "node")}
    added = (await client.post("/api/v1/nodes", json=node, headers=ann)).json()
    await client.delete(f"/api/v1/nodes/{added['node']['id']}", headers=ann)
    assert (await client.post("/api/v1/policy/publish", headers=ann)).status_code == 200
    actions = [entry["action"] for entry in await entries(client, ann)][::-1]
    assert actions == [
        "user.registered",
        "invitation.created",
        "user.registered",
        "user.role_changed",
        "user.removed",
        "api_key.created",
        "api_key.rotated",
        "api_key.deleted",
        "domain.created",
        "domain.status_changed",
        "domain.deleted",
        "vmta.created",
        "vmta.deleted",
        "node.added",
        "node.removed",
        "policy.published",
    ]


async def test_an_entry_says_who_what_when_from_where_and_how_it_was(client: Any, ann: Any, clock: Any) -> None:
    ben = await join(client, ann, "ben@acme.test", "viewer")
    user = (await client.get("/api/v1/auth/me", headers=ben)).json()["user"]
    scopes = (await client.get("/api/v1/auth/me", headers=ann)).json()["scopes"]
    body = {"name": "hr", "scopes": scopes}
    key = (await client.post("/api/v1/api-keys", json=body, headers=ann)).json()
    clock.advance(minutes=1)
    await client.put(
        f"/api/v1/users/{user['id']}/role",
        json={"role": "developer"},
        headers={"X-API-Key": key["secret"], "X-Request-ID": "change-4711"},
    )
    (entry,) = await entries(client, ann, action="user.role_changed")
    key_id = key["api_key"]["id"]
    assert entry | {"id": ""} == {
        "id": "",
        "actor_kind": "api_key",
        "actor_id": key_id,
        "actor": f"api key {key_id}",
        "action": "user.role_changed",
        "target_id": user["id"],
        "address": "testclient",
        "request_id": "change-4711",
        "before": user,
        "after": user | {"role": "developer"},
        "created_at": "2026-11-22T12:01:00Z",
    }


async def test_a_change_that_fails_leaves_none(client: Any, ann: Any) -> None:
    own = (await client.get("/api/v1/auth/me", headers=ann)).json()["user"]["id"]
    assert (await client.delete(f"/api/v1/users/{own}", headers=ann)).status_code == 409
    assert [entry["action"] for entry in await entries(client, ann)] == ["user.registered"]


async def test_no_secret_is_in_the_log(client: Any, ann: Any) -> None:
    body = {"name": "k", "scopes": ["domains:read"]}
    secret = (await client.post("/api/v1/api-keys", json=body, headers=ann)).json()["secret"]
    password = {"current_password": PASSWORD, "new_password": "a different horse, stapled"}
    tokens = (await client.post("/api/v1/auth/password", json=password, headers=ann)).json()
    answer = await client.get("/api/v1/audit", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert "user.password_changed" in answer.text
    for hidden in (secret, secret.rpartition("_")[2], PASSWORD, "a different horse, stapled", tokens["refresh_token"]):
        assert hidden not in answer.text


async def test_the_log_is_filtered_and_paged(client: Any, ann: Any, clock: Any) -> None:
    for number in range(4):
        clock.advance(minutes=1)
        await client.post("/api/v1/api-keys", json={"name": str(number), "scopes": ["domains:read"]}, headers=ann)
    own = (await client.get("/api/v1/auth/me", headers=ann)).json()["user"]["id"]
    assert len(await entries(client, ann, actor_id=own)) == 5
    since, until = "2026-11-22T12:02:00Z", "2026-11-22T12:04:00Z"
    found = await entries(client, ann, since=since, until=until)
    assert [entry["after"]["name"] for entry in found] == ["2", "1"]
    assert await entries(client, ann, target_id=found[0]["target_id"]) == found[:1]
    page = (await client.get("/api/v1/audit?limit=2&action=api_key.created", headers=ann)).json()
    rest = await entries(client, ann, cursor=page["next_cursor"], action="api_key.created")
    assert [entry["after"]["name"] for entry in page["data"] + rest] == ["3", "2", "1", "0"]


@pytest.mark.parametrize("query", ["since=2026-11-22T12:00:00", "until=yesterday"])
async def test_a_time_that_is_none_is_refused(client: Any, ann: Any, query: str) -> None:
    assert (await client.get(f"/api/v1/audit?{query}", headers=ann)).status_code in (400, 422)


async def test_the_log_is_for_administrators_of_the_organization(client: Any, ann: Any, bob: Any) -> None:
    viewer = await join(client, ann, "vic@acme.test", "developer")
    assert (await client.get("/api/v1/audit", headers=viewer)).status_code == 403
    admin = await join(client, ann, "adam@acme.test", "admin")
    assert await entries(client, admin)
    assert {entry["actor"] for entry in await entries(client, bob)} == {"bob@bolt.test"}
