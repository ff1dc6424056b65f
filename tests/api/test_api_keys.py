"""API keys: made, used, listed, deleted."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from httpx import ASGITransport, AsyncClient
from sqlalchemy import select

from postmta_ctl.app import create_app
from postmta_ctl.settings import Settings
from postmta_ctl.store.tables import api_keys
from tests.conftest import register


async def make_key(client: Any, headers: dict[str, str], **changes: Any) -> Any:
    body = {"name": "production", "scopes": ["account:read", "api_keys:read"]} | changes
    return await client.post("/api/v1/api-keys", json=body, headers=headers)


async def test_a_key_works_as_header_and_as_bearer(client: Any, ann: Any) -> None:
    made = (await make_key(client, ann)).json()
    prefix, secret = made["api_key"]["prefix"], made["secret"]
    assert secret.startswith(f"pmta_{prefix}_")
    for headers in ({"X-API-Key": secret}, {"Authorization": f"Bearer {secret}"}):
        me = (await client.get("/api/v1/auth/me", headers=headers)).json()
        assert me["user"] is None
        assert me["api_key_id"] == made["api_key"]["id"]
        assert me["scopes"] == ["account:read", "api_keys:read"]


async def test_the_secret_is_shown_once_and_not_kept(client: Any, ann: Any, db: Any) -> None:
    made = (await make_key(client, ann)).json()
    listed = await client.get("/api/v1/api-keys", headers=ann)
    shown = await client.get(f"/api/v1/api-keys/{made['api_key']['id']}", headers=ann)
    assert made["secret"] not in listed.text + shown.text
    async with db.reading() as connection:
        kept = repr((await connection.execute(select(api_keys))).all())
    assert made["api_key"]["prefix"] in kept
    assert made["secret"].rpartition("_")[2] not in kept


async def test_a_key_does_only_what_its_scopes_say(client: Any, ann: Any) -> None:
    secret = (await make_key(client, ann)).json()["secret"]
    answer = await make_key(client, {"X-API-Key": secret})
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")


async def test_nobody_gives_away_scopes_he_lacks(client: Any, bob: Any) -> None:
    answer = await make_key(client, bob, scopes=["account:read", "policy:write", "nonsense"])
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["scopes[1]", "scopes[2]"]


async def test_an_expired_key_is_refused(client: Any, ann: Any, clock: Any) -> None:
    made = (await make_key(client, ann, expires_at="2026-11-22T13:00:00Z")).json()
    headers = {"X-API-Key": made["secret"]}
    assert (await client.get("/api/v1/auth/me", headers=headers)).status_code == 200
    clock.advance(hours=1)
    assert (await client.get("/api/v1/auth/me", headers=headers)).status_code == 401


@pytest.mark.parametrize("expires_at", ["2020-01-01T00:00:00Z", "2030-01-01T00:00:00"])
async def test_an_expiry_that_makes_no_sense_is_refused(client: Any, ann: Any, expires_at: str) -> None:
    answer = await make_key(client, ann, expires_at=expires_at)
    assert answer.json()["errors"][0]["field"] == "expires_at"


async def test_last_use_is_noted(client: Any, ann: Any, clock: Any) -> None:
    made = (await make_key(client, ann)).json()
    clock.advance(minutes=5)
    await client.get("/api/v1/auth/me", headers={"X-API-Key": made["secret"]})
    shown = (await client.get(f"/api/v1/api-keys/{made['api_key']['id']}", headers=ann)).json()
    assert shown["last_used_at"] == "2026-11-22T12:05:00Z"


async def test_a_deleted_key_is_refused_at_once(client: Any, ann: Any) -> None:
    made = (await make_key(client, ann)).json()
    assert (await client.delete(f"/api/v1/api-keys/{made['api_key']['id']}", headers=ann)).status_code == 204
    assert (await client.get("/api/v1/auth/me", headers={"X-API-Key": made["secret"]})).status_code == 401


async def test_another_organizations_key_is_not_found(client: Any, ann: Any, bob: Any) -> None:
    key_id = (await make_key(client, ann)).json()["api_key"]["id"]
    assert (await client.get(f"/api/v1/api-keys/{key_id}", headers=bob)).status_code == 404
    assert (await client.delete(f"/api/v1/api-keys/{key_id}", headers=bob)).status_code == 404
    assert (await client.get("/api/v1/api-keys", headers=bob)).json()["data"] == []


async def test_the_list_is_paged_by_cursor(client: Any, ann: Any, clock: Any) -> None:
    names = [f"key {n}" for n in range(5)]
    for name in names:
        clock.advance(seconds=1)
        await make_key(client, ann, name=name)
    seen, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/api/v1/api-keys", params=params, headers=ann)).json()
        seen += [key["name"] for key in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == names[::-1]


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "cursor=nonsense"])
async def test_a_bad_page_is_refused(client: Any, ann: Any, query: str) -> None:
    answer = await client.get(f"/api/v1/api-keys?{query}", headers=ann)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == query.split("=", maxsplit=1)[0]


async def status(client: Any, secret: str, path: str = "/api/v1/auth/me") -> int:
    return int((await client.get(path, headers={"X-API-Key": secret})).status_code)


async def rotate(client: Any, headers: Any, key_id: str, **body: Any) -> Any:
    return await client.post(f"/api/v1/api-keys/{key_id}/rotate", json=body, headers=headers)


async def test_both_secrets_work_during_the_overlap_of_a_rotation(client: Any, ann: Any, clock: Any) -> None:
    made = (await make_key(client, ann)).json()
    rotated = (await rotate(client, ann, made["api_key"]["id"], overlap_seconds=3600)).json()
    assert rotated["api_key"]["id"] == made["api_key"]["id"]
    assert rotated["secret"] != made["secret"]
    assert [await status(client, one["secret"]) for one in (made, rotated)] == [200, 200]
    clock.advance(seconds=3600)
    assert [await status(client, one["secret"]) for one in (made, rotated)] == [401, 200]


async def test_without_an_overlap_the_old_secret_ends_at_once(client: Any, ann: Any) -> None:
    made = (await make_key(client, ann)).json()
    rotated = (await client.post(f"/api/v1/api-keys/{made['api_key']['id']}/rotate", headers=ann)).json()
    assert [await status(client, one["secret"]) for one in (made, rotated)] == [401, 200]


async def test_a_second_rotation_ends_the_oldest_secret(client: Any, ann: Any) -> None:
    made = (await make_key(client, ann)).json()
    answers = [await rotate(client, ann, made["api_key"]["id"], overlap_seconds=60) for _ in range(2)]
    secrets = [made["secret"], *(answer.json()["secret"] for answer in answers)]
    assert [await status(client, secret) for secret in secrets] == [401, 200, 200]


async def test_nobody_gets_at_scopes_by_rotating_a_key(client: Any, ann: Any) -> None:
    strong = (await make_key(client, ann, scopes=["policy:write"])).json()["api_key"]["id"]
    weak = (await make_key(client, ann, scopes=["api_keys:write"])).json()["secret"]
    answer = await rotate(client, {"X-API-Key": weak}, strong)
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")


async def test_an_expired_key_is_not_rotated(client: Any, ann: Any, clock: Any) -> None:
    made = (await make_key(client, ann, expires_at="2026-11-22T12:30:00Z")).json()
    clock.advance(minutes=30)
    assert (await rotate(client, ann, made["api_key"]["id"])).json()["code"] == "expired"


@pytest.mark.parametrize(
    ("allowed", "peer", "forwarded", "status_code"),
    [
        (["192.0.2.0/24"], "192.0.2.7", None, 200),
        (["192.0.2.0/24"], "::ffff:192.0.2.7", None, 200),
        (["2001:db8::/32"], "2001:db8::1", None, 200),
        (["192.0.2.0/24"], "198.51.100.1", None, 403),
        (["192.0.2.0/24"], "198.51.100.1", "192.0.2.7", 403),
        (["192.0.2.0/24"], "10.1.2.3", "192.0.2.7", 200),
        (["192.0.2.0/24"], "10.1.2.3", "192.0.2.7, 203.0.113.5", 403),
        (["192.0.2.0/24"], "10.1.2.3", "192.0.2.7, 10.9.9.9", 200),
    ],
)
async def test_a_key_works_from_its_addresses_only(
    settings: Settings, system: Any, allowed: list[str], peer: str, forwarded: str | None, status_code: int
) -> None:
    trusting = msgspec.structs.replace(settings, trusted_proxies="10.0.0.0/8")
    object.__setattr__(system, "settings", trusting)
    transport = ASGITransport(create_app(trusting, system=system, jobs=False), client=(peer, 1))
    async with AsyncClient(transport=transport, base_url="http://postmta.test") as client:
        owner = await register(client)
        secret = (await make_key(client, owner, allowed_ips=allowed)).json()["secret"]
        headers = {"X-API-Key": secret} | ({"X-Forwarded-For": forwarded} if forwarded else {})
        assert (await client.get("/api/v1/auth/me", headers=headers)).status_code == status_code


@pytest.mark.parametrize("allowed", [["nonsense"], ["192.0.2.7/24"], []])
async def test_addresses_that_are_none_are_refused(client: Any, ann: Any, allowed: list[str]) -> None:
    answer = await make_key(client, ann, allowed_ips=allowed)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith("allowed_ips")


async def test_changes_can_ask_for_the_version_they_were_made_for(client: Any, ann: Any, clock: Any) -> None:
    body = {"name": "k", "scopes": ["account:read"]}
    made = (await client.post("/api/v1/api-keys", json=body, headers=ann)).json()
    path = f"/api/v1/api-keys/{made['api_key']['id']}"
    known = (await client.get(path, headers=ann)).headers["etag"]
    clock.advance(minutes=30)
    assert (await client.get("/api/v1/auth/me", headers={"X-API-Key": made["secret"]})).status_code == 200
    used = await client.get(path, headers=ann)
    assert (used.json()["last_used_at"], used.headers["etag"]) == ("2026-11-22T12:30:00Z", known), "use is no change"
    stale = {"If-Match": '"another"'}
    assert (await client.post(f"{path}/rotate", headers=ann | stale)).status_code == 412
    assert (await client.post(f"{path}/rotate", headers=ann | {"If-Match": known})).status_code == 200
    assert (await client.delete(path, headers=ann | {"If-Match": known})).status_code == 412
    assert (await client.delete(path, headers=ann)).status_code == 204
