"""The isolation matrix: every operation of the API, with every credential that must not get through.

Generated from the OpenAPI document, so that a new route is in it from its first day.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from postmta_ctl.features.auth.principal import ROLES
from tests.api.belongings import Headers, create_all
from tests.api.operations import UNKNOWN, Operation, operations
from tests.conftest import PASSWORD, Client, FakeClock, FakeResolver, join, register

MALFORMED = ("%00", "..;etc", "'%20OR%201=1--", "0193A5B2", "x" * 300, "%F0%9F%92%A9")
NO_IDS = {"number", "version", "queue", "action", "credit_type"}
"""Parameters that are no id of a thing, so that a malformed one may be told as it is."""


async def call(client: Client, operation: Operation, ids: dict[str, str], headers: Headers) -> Any:
    return await client.request(operation.method, operation.at(ids), json=operation.body, headers=headers)


async def key(client: Client, headers: Headers, scopes: list[str], **more: Any) -> tuple[str, Headers]:
    body = {"name": "k", "scopes": scopes} | more
    made = (await client.post("/api/v1/api-keys", json=body, headers=headers)).json()
    return made["api_key"]["id"], {"X-API-Key": made["secret"]}


@pytest.fixture
async def ids(client: Client, resolver: FakeResolver, ann: Headers, tmp_path: Path) -> dict[str, str]:
    return await create_all(client, ann, resolver, tmp_path / "node")


async def dead_credentials(client: Client, ann: Headers, clock: FakeClock) -> dict[str, Headers]:
    """Each would have let everything through, once."""
    scopes = (await client.get("/api/v1/auth/me", headers=ann)).json()["scopes"]
    revoked_id, revoked = await key(client, ann, scopes)
    await client.delete(f"/api/v1/api-keys/{revoked_id}", headers=ann)
    rotated_id, rotated = await key(client, ann, scopes)
    await client.post(f"/api/v1/api-keys/{rotated_id}/rotate", json={"overlap_seconds": 5}, headers=ann)
    expires_at = clock().replace(minute=1).isoformat()
    _, expired = await key(client, ann, scopes, expires_at=expires_at)
    account = {"email": "ann@acme.test", "password": PASSWORD}
    login = (await client.post("/api/v1/auth/login", json=account)).json()
    await client.post("/api/v1/auth/logout", json={"refresh_token": login["refresh_token"]})
    clock.advance(minutes=2)
    return {
        "none": {},
        "revoked key": revoked,
        "rotated key": rotated,
        "expired key": expired,
        "ended login": {"Authorization": f"Bearer {login['access_token']}"},
        "refresh token": {"Authorization": f"Bearer {login['refresh_token']}"},
        "nonsense": {"Authorization": "Bearer pmta_00000000_" + "0" * 64},
    }


async def test_no_dead_credential_gets_through(
    client: Client, ann: Headers, ids: dict[str, str], clock: FakeClock
) -> None:
    credentials = await dead_credentials(client, ann, clock)
    leaks, cells = [], 0
    for operation in await operations(client):
        for name, headers in credentials.items():
            answer = await call(client, operation, ids, headers)
            cells += 1
            if answer.status_code != 401:
                leaks.append(f"{operation.method} {operation.path} with {name}: {answer.status_code}")
    assert leaks == []
    assert cells >= 600


async def test_nobody_does_what_his_scopes_do_not_cover(client: Client, ann: Headers, ids: dict[str, str]) -> None:
    """A key with every scope but the one that is asked for, and each role with the scopes it lacks."""
    scopes = (await client.get("/api/v1/auth/me", headers=ann)).json()["scopes"]
    credentials = {one: (await key(client, ann, [s for s in scopes if s != one]))[1] for one in scopes}
    roles = {role: await join(client, ann, f"{role}@acme.test", role) for role in ROLES}
    leaks, cells = [], 0
    for operation in await operations(client):
        lacking = [headers for role, headers in roles.items() if operation.scope not in ROLES[role]]
        for headers in (credentials[operation.scope], *lacking):
            answer = await call(client, operation, ids, headers)
            cells += 1
            told = answer.json()
            code = told["code"] if "code" in told else told["errors"][0]["error_id"]  # in SendGrid's form
            if (answer.status_code, code) != (403, "missing_scope"):
                leaks.append(f"{operation.method} {operation.path}: {answer.status_code} {answer.text}")
    assert leaks == []
    assert cells >= 150


async def strangers(client: Client) -> dict[str, Headers]:
    """Those of another organization who may do everything there."""
    owner = await register(client, "bob@bolt.test", "bolt")
    own = (await client.get("/api/v1/auth/me", headers=owner)).json()["scopes"]
    return {
        "owner": owner,
        "admin": await join(client, owner, "adam@bolt.test", "admin"),
        "viewer": await join(client, owner, "vic@bolt.test", "viewer"),
        "key": (await key(client, owner, own))[1],
    }


async def shown(client: Client, ann: Headers, ids: dict[str, str]) -> dict[str, Any]:
    """Everything that can be looked up by its id, as its owner sees it."""
    found = {}
    for operation in await operations(client):
        if operation.method == "get" and operation.parameters:
            answer = await call(client, operation, ids, ann)
            found[operation.path] = answer.status_code, answer.text if answer.status_code == 200 else ""
    return found


async def test_another_organizations_things_are_not_found(client: Client, ann: Headers, ids: dict[str, str]) -> None:
    others, before = await strangers(client), await shown(client, ann, ids)
    leaks, cells = [], 0
    for operation in await operations(client):
        for name, headers in others.items():
            may = (await client.get("/api/v1/auth/me", headers=headers)).json()["scopes"]
            for wanted in _foreign(operation, ids):
                answer = await call(client, operation, wanted, headers)
                cells += 1
                expected = 404 if operation.scope in may else 403
                if answer.status_code != expected:
                    leaks.append(f"{operation.method} {operation.at(wanted)[:80]} by {name}: {answer.status_code}")
    assert leaks == []
    assert cells >= 500
    assert await shown(client, ann, ids) == before


def _foreign(operation: Operation, ids: dict[str, str]) -> Iterator[dict[str, str]]:
    """The ids of somebody else's things, ids of nothing, and what is no id at all."""
    missing = set(operation.parameters) - set(ids)
    assert not missing, f"tests.api.belongings makes nothing for {missing}, see {operation.path}"
    if not set(operation.parameters) - {"credit_type"}:
        return
    yield ids
    for name in set(operation.parameters) - NO_IDS:
        for value in (UNKNOWN, *MALFORMED):
            yield ids | {name: value}


async def test_no_list_of_a_stranger_shows_what_is_not_his(client: Client, ann: Headers, ids: dict[str, str]) -> None:
    hidden = [value for name, value in ids.items() if name not in NO_IDS] + ["acme", "For Bea only"]
    others, leaks, cells = await strangers(client), [], 0
    for operation in await operations(client):
        if operation.method == "get" and not operation.parameters:
            for name, headers in others.items():
                answer = await call(client, operation, {}, headers)
                cells += 1
                assert answer.status_code < 500 or answer.status_code == 501, operation.path
                leaks += [f"{operation.path} shows {one} to {name}" for one in hidden if one in answer.text]
    assert leaks == []
    assert cells >= 100


async def test_what_is_nobodys_is_not_found_by_its_owner_either(client: Client, ann: Headers, ids: Any) -> None:
    """An operator who may do everything meets 404 and never a server error for ids that are none."""
    wrong = []
    for operation in await operations(client):
        for wanted in _foreign(operation, ids):
            if wanted is not ids:
                answer = await call(client, operation, wanted, ann)
                if answer.status_code != 404 and not (
                    answer.status_code == 501 and answer.json()["code"] == "not_available"
                ):
                    wrong.append(f"{operation.method} {operation.at(wanted)[:80]}: {answer.status_code} {answer.text}")
    assert wrong == []
