"""Logins: refresh tokens, logout, the password, and guessing it."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from postmta_ctl.features.auth.sessions import forget_sessions
from postmta_ctl.store.tables import sessions
from tests.conftest import PASSWORD

ACCOUNT = {"email": "ann@acme.test", "password": PASSWORD}


async def login(client: Any, **changes: str) -> Any:
    return await client.post("/api/v1/auth/login", json=ACCOUNT | changes)


async def refresh(client: Any, token: str) -> Any:
    return await client.post("/api/v1/auth/refresh", json={"refresh_token": token})


async def status(client: Any, tokens: Any) -> int:
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    return int((await client.get("/api/v1/auth/me", headers=headers)).status_code)


async def test_a_refresh_token_keeps_a_login_alive(client: Any, ann: Any, clock: Any) -> None:
    tokens = (await login(client)).json()
    assert tokens["refresh_expires_in"] == 30 * 24 * 3600
    for _ in range(3):
        clock.advance(days=20)
        assert await status(client, tokens) == 401
        tokens = (await refresh(client, tokens["refresh_token"])).json()
        assert await status(client, tokens) == 200
    clock.advance(days=31)
    assert (await refresh(client, tokens["refresh_token"])).status_code == 401


async def test_a_refresh_token_used_twice_ends_its_login(client: Any, ann: Any) -> None:
    other = (await login(client)).json()
    stolen = (await login(client)).json()
    thief = (await refresh(client, stolen["refresh_token"])).json()
    assert (await refresh(client, stolen["refresh_token"])).status_code == 401
    assert (await refresh(client, thief["refresh_token"])).status_code == 401
    assert await status(client, thief) == await status(client, stolen) == 401
    assert await status(client, other) == 200


async def test_logout_ends_one_login(client: Any, ann: Any) -> None:
    one, other = (await login(client)).json(), (await login(client)).json()
    for _ in range(2):
        answer = await client.post("/api/v1/auth/logout", json={"refresh_token": one["refresh_token"]})
        assert answer.status_code == 204
    assert await status(client, one) == 401
    assert await status(client, other) == 200
    assert (await client.post("/api/v1/auth/logout", json={"refresh_token": "unknown"})).status_code == 204


async def test_a_new_password_ends_every_login(client: Any, ann: Any) -> None:
    old = (await login(client)).json()
    new_password = "a different horse, stapled"
    body = {"current_password": PASSWORD, "new_password": new_password}
    wrong = await client.post("/api/v1/auth/password", json=body | {"current_password": "no"}, headers=ann)
    assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_credentials")
    fresh = (await client.post("/api/v1/auth/password", json=body, headers=ann)).json()
    assert await status(client, fresh) == 200
    assert await status(client, old) == 401
    assert (await refresh(client, old["refresh_token"])).status_code == 401
    assert (await login(client)).status_code == 401
    assert (await login(client, password=new_password)).status_code == 200


async def test_a_key_has_no_password(client: Any, ann: Any) -> None:
    body = {"name": "k", "scopes": ["account:write"]}
    secret = (await client.post("/api/v1/api-keys", json=body, headers=ann)).json()["secret"]
    body = {"current_password": PASSWORD, "new_password": PASSWORD}
    answer = await client.post("/api/v1/auth/password", json=body, headers={"X-API-Key": secret})
    assert answer.status_code == 403


@pytest.mark.parametrize("email", ["ann@acme.test", "nobody@acme.test"])
async def test_guessing_is_slowed_down_for_known_and_unknown_alike(
    client: Any, ann: Any, clock: Any, email: str
) -> None:
    answers = [await login(client, email=email, password="guess") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert answers[-1].headers["retry-after"] == "90"
    assert (await login(client, email=email.upper(), password="guess")).status_code == 429
    clock.advance(seconds=90)
    assert (await login(client, email=email, password="guess")).status_code == 401


async def test_logins_that_succeed_are_not_counted(client: Any, ann: Any) -> None:
    assert {(await login(client)).status_code for _ in range(15)} == {200}


async def test_one_address_cannot_try_many_accounts(client: Any, ann: Any) -> None:
    answers = [await login(client, email=f"u{number}@acme.test", password="guess") for number in range(101)]
    assert [answer.status_code for answer in answers][-2:] == [401, 429]


@pytest.mark.parametrize(("registration", "invited"), [("invite", 201), ("closed", 403)])
async def test_registration_is_as_open_as_it_is_set(
    client: Any, ann: Any, system: Any, registration: str, invited: int
) -> None:
    made = await client.post(
        "/api/v1/users/invitations", json={"email": "ben@acme.test", "role": "viewer"}, headers=ann
    )
    changed = msgspec.structs.replace(system.settings, registration=registration)
    object.__setattr__(system, "settings", changed)
    account = {"email": "ben@acme.test", "password": PASSWORD}
    answer = await client.post("/api/v1/auth/register", json=account | {"organization": "own"})
    assert (answer.status_code, answer.json()["code"]) == (403, "registration_closed")
    answer = await client.post("/api/v1/auth/register", json=account | {"invitation": made.json()["token"]})
    assert answer.status_code == invited


@pytest.mark.parametrize("more", [{}, {"organization": "own", "invitation": "token"}])
async def test_registration_asks_for_an_organization_or_an_invitation(client: Any, more: dict[str, str]) -> None:
    answer = await client.post("/api/v1/auth/register", json=ACCOUNT | more)
    assert answer.json()["errors"][0]["field"] == "organization"


async def test_logins_that_nothing_keeps_alive_are_forgotten(
    client: Any, ann: Any, system: Any, db: Any, clock: Any
) -> None:
    clock.advance(days=29)
    tokens = (await login(client)).json()
    clock.advance(days=2)
    await forget_sessions(dataclasses.replace(system, db=db))
    async with db.reading() as connection:
        assert len((await connection.execute(select(sessions.c.id))).all()) == 1
    assert (await refresh(client, tokens["refresh_token"])).status_code == 200
