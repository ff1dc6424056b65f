"""Virtual MTAs: address, EHLO name and proxy changed, each time as a source of a new name."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from postmta_ctl.features.policy.load import load_model
from postmta_ctl.store.tables import policy_changes

MX1 = {"name": "mx1", "ip_address": "192.0.2.10", "ehlo_domain": "mx1.acme.test"}
PROXY = {"protocol": "socks5", "server": "10.0.0.5:1080"}


async def make(client: Any, headers: dict[str, str], **changes: Any) -> Any:
    answer = await client.post("/api/v1/vmtas", json=MX1 | changes, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def put(client: Any, headers: dict[str, str], vmta_id: str, **body: Any) -> Any:
    return await client.put(f"/api/v1/vmtas/{vmta_id}", json=body, headers=headers)


async def changes_of(db: Any) -> list[str]:
    async with db.reading() as connection:
        return list((await connection.scalars(select(policy_changes.c.summary).order_by(policy_changes.c.id))).all())


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"ip_address": "192.0.2.11"}, {"ip_address": "192.0.2.11"}),
        ({"ehlo_domain": "Mail.Acme.Test."}, {"ehlo_domain": "mail.acme.test"}),
        ({"proxy": PROXY}, {"proxy": PROXY}),
        ({"proxy": {"protocol": "haproxy", "server": "[2001:DB8::0:5]:81"}},
         {"proxy": {"protocol": "haproxy", "server": "[2001:db8::5]:81"}}),
    ],
)  # fmt: skip
async def test_a_change_is_a_new_version(client: Any, ann: Any, db: Any, change: Any, shown: Any) -> None:
    made = await make(client, ann)
    answer = await put(client, ann, made["id"], **change)
    assert answer.status_code == 200, answer.text
    assert answer.json() == made | shown | {"version": 2}
    kept = await client.get(f"/api/v1/vmtas/{made['id']}", headers=ann)
    assert (kept.json(), kept.headers["etag"]) == (answer.json(), answer.headers["etag"])
    assert await changes_of(db) == ["vMTA mx1 created", "vMTA mx1 changed"]
    entries = (await client.get("/api/v1/audit?action=vmta.updated", headers=ann)).json()["data"]
    assert [one["before"]["version"] for one in entries] == [1]


async def test_what_changes_nothing_is_no_version_and_no_change_of_the_policy(client: Any, ann: Any, db: Any) -> None:
    made = await make(client, ann, proxy=PROXY)
    for body in ({}, {"ip_address": "::ffff:192.0.2.10"}, {"proxy": PROXY}, {"ehlo_domain": "MX1.acme.test"}):
        assert (await put(client, ann, made["id"], **body)).json() == made
    assert await changes_of(db) == ["vMTA mx1 created"]


async def test_a_proxy_can_be_taken_away_and_reaches_the_policy(
    client: Any, ann: Any, db: Any, settings: Any, clock: Any
) -> None:
    made = await make(client, ann, proxy=PROXY)
    async with db.reading() as connection:
        (vmta,) = (await load_model(connection, settings)).vmtas
    assert (vmta.proxy_protocol, vmta.proxy_server, vmta.address) == ("socks5", "10.0.0.5:1080", "192.0.2.10")
    answer = (await put(client, ann, made["id"], proxy=None)).json()
    assert (answer["proxy"], answer["version"]) == (None, 2)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "mx2"}, "name"),
        ({"state": "paused"}, "state"),
        ({"version": 7}, "version"),
        ({"ip_address": None}, "ip_address"),
        ({"ip_address": "mx1"}, "ip_address"),
        ({"ip_address": "192.0.2.1\n"}, "ip_address"),
        ({"ehlo_domain": ""}, "ehlo_domain"),
        ({"ehlo_domain": "a\"b.test"}, "ehlo_domain"),
        ({"proxy": {}}, "proxy.protocol"),
        ({"proxy": {"protocol": "http", "server": "10.0.0.5:80"}}, "proxy.protocol"),
        ({"proxy": {"protocol": "socks5", "server": "proxy.acme.test:1080"}}, "proxy.server"),
        ({"proxy": {"protocol": "socks5", "server": "10.0.0.5"}}, "proxy.server"),
        ({"proxy": {"protocol": "socks5", "server": "10.0.0.5:0"}}, "proxy.server"),
        ({"proxy": {"protocol": "socks5", "server": "10.0.0.5:65536"}}, "proxy.server"),
        ({"proxy": {"protocol": "socks5", "server": "2001:db8::5:1080"}}, "proxy.server"),
        ({"proxy": {"protocol": "socks5", "server": "[fe80::1%eth0]:1080"}}, "proxy.server"),
        ({"proxy": {"protocol": "socks5", "server": "0.0.0.0:1080"}}, "proxy.server"),
        ({"proxy": {"protocol": "socks5", "server": "10.0.0.5:1080", "password": "x"}}, "proxy.password"),
        ({"proxy": "10.0.0.5:1080"}, "proxy"),
    ],
)  # fmt: skip
async def test_a_bad_field_is_named_and_nothing_changes(client: Any, ann: Any, body: Any, field: str) -> None:
    made = await make(client, ann)
    answer = await put(client, ann, made["id"], **body)
    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert (await client.get(f"/api/v1/vmtas/{made['id']}", headers=ann)).json() == made


async def test_somebodys_address_is_not_taken_over(client: Any, ann: Any, bob: Any) -> None:
    await make(client, ann)
    mine = await make(client, bob, ip_address="192.0.2.20")
    answer = await put(client, bob, mine["id"], ip_address="192.0.2.10")
    assert (answer.status_code, answer.json()["code"]) == (409, "already_exists")
    assert "acme" not in answer.text
    assert (await client.get(f"/api/v1/vmtas/{mine['id']}", headers=bob)).json() == mine


async def test_of_two_editors_the_second_learns_of_the_first(client: Any, ann: Any) -> None:
    made = await make(client, ann)
    tag = (await client.get(f"/api/v1/vmtas/{made['id']}", headers=ann)).headers["etag"]
    headers = ann | {"If-Match": tag}
    answers = await asyncio.gather(
        *(put(client, headers, made["id"], ip_address=f"192.0.2.{last}") for last in range(20, 26))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 5
    assert (await client.get(f"/api/v1/vmtas/{made['id']}", headers=ann)).json()["version"] == 2
    assert (await client.delete(f"/api/v1/vmtas/{made['id']}", headers=headers)).status_code == 412


async def test_versions_go_on_after_changes_and_a_deletion(client: Any, ann: Any) -> None:
    made = await make(client, ann)
    await put(client, ann, made["id"], ip_address="192.0.2.11")
    await client.delete(f"/api/v1/vmtas/{made['id']}", headers=ann)
    assert (await make(client, ann))["version"] == 3


async def test_a_foreign_vmta_cannot_be_changed(client: Any, ann: Any, bob: Any) -> None:
    made = await make(client, ann)
    assert (await put(client, bob, made["id"], ip_address="192.0.2.99")).status_code == 404
    body = {"name": "reader", "scopes": ["vmtas:read"]}
    key = {"X-API-Key": (await client.post("/api/v1/api-keys", json=body, headers=ann)).json()["secret"]}
    assert (await put(client, key, made["id"], ip_address="192.0.2.99")).status_code == 403
    assert (await client.get(f"/api/v1/vmtas/{made['id']}", headers=ann)).json() == made
