"""API keys: made, used, listed, deleted."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from postmta_ctl.store.tables import api_keys


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
