"""Registration, login, and the three ways to authenticate."""

from __future__ import annotations

from typing import Any

import pytest

PASSWORD = "correct horse battery staple"


async def test_the_first_user_is_owner_and_operator(client: Any) -> None:
    body = {"email": "Ann@Acme.test", "password": PASSWORD, "organization": "Acme Mail, Inc."}
    answer = await client.post("/api/v1/auth/register", json=body)
    assert answer.status_code == 201
    assert answer.json()["user"]["email"] == "ann@acme.test"
    assert answer.json()["user"]["role"] == "owner"
    assert answer.json()["user"]["is_operator"] is True
    assert answer.json()["organization"]["slug"] == "acme-mail-inc"
    assert PASSWORD not in answer.text


async def test_later_users_are_no_operators_and_get_a_slug_of_their_own(client: Any, ann: Any) -> None:
    body = {"email": "eve@acme.test", "password": PASSWORD, "organization": "ACME"}
    answer = await client.post("/api/v1/auth/register", json=body)
    assert answer.json()["user"]["is_operator"] is False
    assert answer.json()["organization"]["slug"] == "acme-2"


async def test_an_address_registers_once(client: Any, ann: Any) -> None:
    body = {"email": "ANN@acme.test", "password": PASSWORD, "organization": "other"}
    answer = await client.post("/api/v1/auth/register", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "already_exists")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"password": "short"}, "password"),
        ({"email": "not an address"}, "email"),
        ({"organization": ""}, "organization"),
        ({"emial": "x"}, "emial"),
        ({"name": 5}, "name"),
    ],
)
async def test_a_bad_field_is_named(client: Any, change: dict[str, Any], field: str) -> None:
    body = {"email": "ann@acme.test", "password": PASSWORD, "organization": "acme"} | change
    answer = await client.post("/api/v1/auth/register", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_a_missing_body_is_asked_for(client: Any) -> None:
    answer = await client.post("/api/v1/auth/login")
    assert (answer.status_code, answer.json()["detail"]) == (422, "body: a JSON body is needed")


@pytest.mark.parametrize("body", [b"{", b"", b"[]", b"5", b"\xff"])
async def test_a_body_that_is_no_object_is_refused(client: Any, body: bytes) -> None:
    answer = await client.post("/api/v1/auth/login", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_login_gives_a_token_that_expires(client: Any, ann: Any, clock: Any) -> None:
    assert (await client.get("/api/v1/auth/me", headers=ann)).json()["user"]["email"] == "ann@acme.test"
    clock.advance(seconds=3601)
    answer = await client.get("/api/v1/auth/me", headers=ann)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_wrong_password_and_unknown_address_look_alike(client: Any, ann: Any) -> None:
    wrong = await client.post("/api/v1/auth/login", json={"email": "ann@acme.test", "password": "no"})
    unknown = await client.post("/api/v1/auth/login", json={"email": "nobody@acme.test", "password": "no"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() | {"request_id": ""} == unknown.json() | {"request_id": ""}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Basic eDp5"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer a.b.c"},
        {"X-API-Key": "x"},
    ],
)
async def test_without_a_valid_credential_nothing_is_shown(client: Any, headers: dict[str, str]) -> None:
    assert (await client.get("/api/v1/auth/me", headers=headers)).status_code == 401


async def test_a_request_id_is_taken_over_when_it_is_harmless(client: Any) -> None:
    answer = await client.get("/health", headers={"X-Request-ID": "deploy-4711.a"})
    assert answer.headers["x-request-id"] == "deploy-4711.a"
    answer = await client.get("/health", headers={"X-Request-ID": "a\tb"})
    assert answer.headers["x-request-id"] != "a\tb"


async def test_health_needs_no_credential(client: Any) -> None:
    answer = await client.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert answer.json()["parts"] == {"database": {"status": "ok"}, "relay": {"status": "ok"}}


async def test_the_openapi_document_is_served(client: Any) -> None:
    document = (await client.get("/openapi.json")).json()
    assert "/api/v1/auth/register" in document["paths"]
    assert document["openapi"].startswith("3.1")


@pytest.mark.parametrize("path", ["/nowhere", "/api/v1/nowhere/at/all"])
async def test_an_unknown_address_is_answered_as_every_error(client: Any, path: str) -> None:
    answer = await client.post(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_a_wrong_method_is_no_wrong_address(client: Any) -> None:
    answer = await client.put("/api/v1/auth/login")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
