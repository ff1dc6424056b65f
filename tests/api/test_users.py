"""The people of an organization: roles, invitations, and the last owner."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.conftest import PASSWORD, join


async def id_of(client: Any, headers: dict[str, str]) -> str:
    return str((await client.get("/api/v1/auth/me", headers=headers)).json()["user"]["id"])


async def set_role(client: Any, headers: dict[str, str], user_id: str, role: str, **more: str) -> Any:
    return await client.put(f"/api/v1/users/{user_id}/role", json={"role": role}, headers=headers | more)


async def test_an_invited_user_joins_the_organization_with_its_role(client: Any, ann: Any) -> None:
    ben = await join(client, ann, "ben@acme.test", "developer")
    me = (await client.get("/api/v1/auth/me", headers=ben)).json()
    assert (me["organization"]["slug"], me["user"]["role"], me["user"]["is_operator"]) == ("acme", "developer", False)
    listed = (await client.get("/api/v1/users", headers=ann)).json()["data"]
    assert [user["email"] for user in listed] == ["ben@acme.test", "ann@acme.test"]
    assert (await client.get("/api/v1/users?role=owner", headers=ann)).json()["data"] == listed[1:]
    assert (await client.get("/api/v1/users/invitations", headers=ann)).json()["data"] == []


async def test_an_invitation_is_good_once_for_its_address(client: Any, ann: Any) -> None:
    body = {"email": "ben@acme.test", "role": "viewer"}
    made = (await client.post("/api/v1/users/invitations", json=body, headers=ann)).json()
    assert made["token"] not in (await client.get("/api/v1/users/invitations", headers=ann)).text

    async def register(email: str) -> Any:
        account = {"email": email, "password": PASSWORD, "invitation": made["token"]}
        return await client.post("/api/v1/auth/register", json=account)

    assert (await register("eve@acme.test")).json()["code"] == "invitation_invalid"
    assert (await register("Ben@acme.test")).status_code == 201
    assert (await register("ben@acme.test")).json()["code"] == "invitation_invalid"


async def test_an_invitation_is_good_for_a_week(client: Any, ann: Any, clock: Any) -> None:
    body = {"email": "ben@acme.test", "role": "viewer"}
    token = (await client.post("/api/v1/users/invitations", json=body, headers=ann)).json()["token"]
    clock.advance(days=7)
    account = {"email": "ben@acme.test", "password": PASSWORD, "invitation": token}
    assert (await client.post("/api/v1/auth/register", json=account)).json()["code"] == "invitation_invalid"


async def test_a_withdrawn_invitation_is_refused(client: Any, ann: Any, bob: Any) -> None:
    body = {"email": "ben@acme.test", "role": "viewer"}
    made = (await client.post("/api/v1/users/invitations", json=body, headers=ann)).json()
    path = f"/api/v1/users/invitations/{made['invitation']['id']}"
    assert (await client.delete(path, headers=bob)).status_code == 404
    assert (await client.delete(path, headers=ann)).status_code == 204
    assert (await client.delete(path, headers=ann)).status_code == 404
    account = {"email": "ben@acme.test", "password": PASSWORD, "invitation": made["token"]}
    assert (await client.post("/api/v1/auth/register", json=account)).status_code == 403


async def test_nobody_deals_in_roles_above_his_own(client: Any, ann: Any) -> None:
    adam = await join(client, ann, "adam@acme.test", "admin")
    ben = await id_of(client, await join(client, adam, "ben@acme.test", "developer"))
    assert (await set_role(client, adam, ben, "admin")).json()["role"] == "admin"
    assert (await set_role(client, adam, ben, "owner")).json()["code"] == "role_too_high"
    assert (await set_role(client, adam, await id_of(client, ann), "viewer")).json()["code"] == "role_too_high"
    removed = await client.delete(f"/api/v1/users/{await id_of(client, ann)}", headers=adam)
    assert removed.json()["code"] == "role_too_high"
    body = {"email": "c@acme.test", "role": "owner"}
    assert (await client.post("/api/v1/users/invitations", json=body, headers=adam)).status_code == 403


async def test_a_key_gives_no_role_that_can_do_more_than_itself(client: Any, ann: Any) -> None:
    body = {"name": "hr", "scopes": ["users:write", "users:read"]}
    secret = (await client.post("/api/v1/api-keys", json=body, headers=ann)).json()["secret"]
    ben = await id_of(client, await join(client, ann, "ben@acme.test", "viewer"))
    assert (await set_role(client, {"X-API-Key": secret}, ben, "admin")).json()["code"] == "role_too_high"


async def test_the_last_owner_stays(client: Any, ann: Any) -> None:
    own = await id_of(client, ann)
    assert (await set_role(client, ann, own, "admin")).json()["code"] == "last_owner"
    assert (await client.delete(f"/api/v1/users/{own}", headers=ann)).json()["code"] == "last_owner"
    await join(client, ann, "olga@acme.test", "owner")
    assert (await set_role(client, ann, own, "admin")).status_code == 200


async def test_two_owners_who_demote_each_other_leave_one(client: Any, ann: Any) -> None:
    olga = await join(client, ann, "olga@acme.test", "owner")
    ids = await id_of(client, ann), await id_of(client, olga)
    answers = await asyncio.gather(
        set_role(client, ann, ids[1], "developer"), set_role(client, olga, ids[0], "developer")
    )
    assert min(answer.status_code for answer in answers) == 200
    owners = [(await client.get(f"/api/v1/users/{one}", headers=ann)).json()["role"] == "owner" for one in ids]
    assert owners.count(True) == 1


async def test_a_removed_user_is_out_at_once(client: Any, ann: Any) -> None:
    ben = await join(client, ann, "ben@acme.test", "admin")
    user_id = await id_of(client, ben)
    assert (await client.delete(f"/api/v1/users/{user_id}", headers=ann)).status_code == 204
    assert (await client.get("/api/v1/auth/me", headers=ben)).status_code == 401
    assert (await client.get(f"/api/v1/users/{user_id}", headers=ann)).status_code == 404


async def test_the_last_operator_stays(client: Any, ann: Any) -> None:
    olga = await join(client, ann, "olga@acme.test", "owner")
    removed = await client.delete(f"/api/v1/users/{await id_of(client, ann)}", headers=olga)
    assert (removed.status_code, removed.json()["code"]) == (409, "last_operator")


async def test_of_two_who_change_the_same_the_second_learns_of_the_first(client: Any, ann: Any) -> None:
    ben = await id_of(client, await join(client, ann, "ben@acme.test", "viewer"))
    seen = (await client.get(f"/api/v1/users/{ben}", headers=ann)).headers["etag"]
    first = await set_role(client, ann, ben, "developer", **{"If-Match": seen})
    second = await set_role(client, ann, ben, "admin", **{"If-Match": seen})
    assert (first.status_code, second.status_code, second.json()["code"]) == (200, 412, "precondition_failed")
    gone = await client.delete(f"/api/v1/users/{ben}", headers=ann | {"If-Match": seen})
    assert gone.status_code == 412
    now = first.headers["etag"]
    assert (await set_role(client, ann, ben, "admin", **{"If-Match": f'"other", {now}'})).status_code == 200
    assert (await set_role(client, ann, ben, "viewer", **{"If-Match": "*"})).status_code == 200


@pytest.mark.parametrize("user_id", ["%00", "x", "0193aaaa-0000-7000-8000-000000000000", "'", "a" * 400])
async def test_an_id_that_is_none_is_not_found(client: Any, ann: Any, user_id: str) -> None:
    assert (await client.get(f"/api/v1/users/{user_id}", headers=ann)).status_code == 404


async def test_another_organizations_users_are_not_found(client: Any, ann: Any, bob: Any) -> None:
    own = await id_of(client, ann)
    assert (await client.get(f"/api/v1/users/{own}", headers=bob)).status_code == 404
    assert (await set_role(client, bob, own, "viewer")).status_code == 404
    assert (await client.delete(f"/api/v1/users/{own}", headers=bob)).status_code == 404


async def test_a_body_nested_too_deeply_is_refused(client: Any, ann: Any) -> None:
    headers = ann | {"Content-Type": "application/json"}
    answer = await client.post("/api/v1/users/invitations", content=b"[" * 5000, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


@pytest.mark.parametrize("body", [b'{"email": "a\\u0000b@acme.test", "role": "viewer"}'])
async def test_the_nul_character_is_refused_in_words(client: Any, ann: Any, body: bytes) -> None:
    headers = ann | {"Content-Type": "application/json"}
    answer = await client.post("/api/v1/users/invitations", content=body, headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "email")
    answer = await client.get("/api/v1/audit?action=%00", headers=ann)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "action")
