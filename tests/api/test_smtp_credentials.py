"""SMTP credentials: made, limited, rotated, deleted, and never shown twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from postmta_ctl.core.live_data import credential_digest
from postmta_ctl.features.smtp_credentials import service
from postmta_ctl.store.tables import smtp_credentials
from tests.conftest import join

PATH = "/api/v1/smtp-credentials"


async def create(client: Any, headers: Any, **body: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json={"name": "shop"} | body, headers=headers)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_a_secret_is_shown_once_and_kept_as_a_digest(client: Any, ann: Any, db: Any) -> None:
    made = await create(client, ann)
    credential, secret = made["smtp_credential"], made["secret"]
    assert credential["username"].startswith("acme-")
    assert len(secret) == 64
    shown = await client.get(f"{PATH}/{credential['id']}", headers=ann)
    listed = await client.get(PATH, headers=ann)
    assert shown.json() == credential == listed.json()["data"][0]
    log = await client.get("/api/v1/audit", headers=ann)
    assert log.json()["data"][0]["action"] == "smtp_credential.created"
    assert not any(secret in answer.text for answer in (shown, listed, log))
    async with db.reading() as connection:
        (row,) = (await connection.execute(select(smtp_credentials))).mappings()
    assert row["digest"] == credential_digest(credential["username"], secret)
    assert secret not in str(dict(row))


async def test_two_credentials_have_nothing_in_common(client: Any, ann: Any) -> None:
    one, other = [await create(client, ann) for _ in range(2)]
    assert one["secret"] != other["secret"]
    assert one["smtp_credential"]["username"] != other["smtp_credential"]["username"]


async def test_limits_are_kept_in_the_form_that_nodes_compare(client: Any, ann: Any) -> None:
    limits = {"domains": ["EXÄMPLE.test", "exämple.test"], "allowed_ips": [" 192.0.2.7 ", "2001:DB8::/32"]}
    made = await create(client, ann, **limits)
    assert made["smtp_credential"]["domains"] == ["xn--exmple-cua.test"]
    assert made["smtp_credential"]["allowed_ips"] == ["192.0.2.7/32", "2001:db8::/32"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": 7}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"domains": []}, "domains"),
        ({"domains": ["no domain"]}, "domains[0]"),
        ({"domains": ["a.test"] * 101}, "domains"),
        ({"allowed_ips": ["192.0.2.7/24"]}, "allowed_ips[0]"),
        ({"allowed_ips": ["::1", "localhost"]}, "allowed_ips[1]"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2027-01-01T00:00:00"}, "expires_at"),
        ({"username": "root"}, "username"),
    ],
)
async def test_what_cannot_be_is_refused_by_name(client: Any, ann: Any, body: Any, field: str) -> None:
    named = {"name": "shop"} if field != "name" else {}
    answer = await client.post(PATH, json=named | body, headers=ann)
    assert answer.status_code in (400, 422), answer.text
    assert field in [error["field"] for error in answer.json()["errors"]], answer.text


async def test_an_update_leaves_out_what_is_absent_and_takes_null_for_no_limit(client: Any, ann: Any) -> None:
    made = (await create(client, ann, domains=["a.test"], allowed_ips=["192.0.2.0/24"]))["smtp_credential"]
    changed = await client.put(f"{PATH}/{made['id']}", json={"name": "new", "domains": None}, headers=ann)
    assert changed.json() == made | {"name": "new", "domains": None}
    bad = await client.put(f"{PATH}/{made['id']}", json={"domains": ["?"]}, headers=ann)
    assert bad.status_code == 422
    assert (await client.get(f"{PATH}/{made['id']}", headers=ann)).json() == changed.json()


async def test_the_second_of_two_editors_learns_of_the_first(client: Any, ann: Any) -> None:
    path = f"{PATH}/{(await create(client, ann))['smtp_credential']['id']}"
    tag = {"If-Match": (await client.get(path, headers=ann)).headers["etag"]}
    answers = await asyncio.gather(
        *(client.put(path, json={"name": name}, headers=ann | tag) for name in ("one", "two"))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    assert (await client.delete(path, headers=ann | tag)).status_code == 412


async def test_a_rotation_keeps_the_user_name_and_for_a_while_the_old_secret(
    client: Any, ann: Any, db: Any, clock: Any
) -> None:
    made = await create(client, ann)
    path = f"{PATH}/{made['smtp_credential']['id']}/rotate"
    rotated = (await client.post(path, json={"overlap_seconds": 60}, headers=ann)).json()
    assert rotated["smtp_credential"]["username"] == made["smtp_credential"]["username"]
    assert rotated["smtp_credential"]["previous_until"] == "2026-11-22T12:01:00Z"
    async with db.reading() as connection:
        (row,) = (await connection.execute(select(smtp_credentials))).mappings()
    digests = [credential_digest(row["username"], one["secret"]) for one in (rotated, made)]
    assert [row["digest"], row["previous_digest"]] == digests
    ended = (await client.post(path, headers=ann)).json()
    assert ended["smtp_credential"]["previous_until"] is None


async def test_a_deleted_one_is_gone(client: Any, ann: Any) -> None:
    path = f"{PATH}/{(await create(client, ann))['smtp_credential']['id']}"
    assert (await client.delete(path, headers=ann)).status_code == 204
    assert (await client.delete(path, headers=ann)).status_code == 404
    assert (await client.get(PATH, headers=ann)).json()["data"] == []


async def test_developers_see_them_and_admins_make_them(client: Any, ann: Any) -> None:
    dev = await join(client, ann, "dev@acme.test", "developer")
    await create(client, ann)
    assert len((await client.get(PATH, headers=dev)).json()["data"]) == 1
    assert (await client.post(PATH, json={"name": "mine"}, headers=dev)).status_code == 403


async def test_there_is_an_end_to_them(client: Any, ann: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(service, "MOST", 1)
    await create(client, ann)
    assert (await client.post(PATH, json={"name": "one more"}, headers=ann)).json()["code"] == "too_many"
