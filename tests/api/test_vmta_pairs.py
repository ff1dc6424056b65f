"""Pairs of addresses: a vMTA of IPv4 and IPv6, each of which belongs to one vMTA only."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from postmta_ctl.features.policy.load import load_model

FOUR, SIX = "192.0.2.10", "2001:db8::10"
PAIR = {"name": "mx1", "ip_address": FOUR, "ipv6_address": SIX, "ehlo_domain": "mx1.acme.test"}
only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def make(client: Any, headers: dict[str, str], **changes: Any) -> Any:
    return await client.post("/api/v1/vmtas", json=PAIR | changes, headers=headers)


async def put(client: Any, headers: dict[str, str], vmta_id: str, **body: Any) -> Any:
    return await client.put(f"/api/v1/vmtas/{vmta_id}", json=body, headers=headers)


def refusal(answer: Any) -> tuple[int, str, str]:
    (error,) = answer.json()["errors"]
    return answer.status_code, error["field"], error["code"]


@only_sqlite
async def test_a_pair_is_kept_shown_and_rendered(client: Any, ann: Any, system: Any) -> None:
    made = (await make(client, ann, ipv6_address="2001:0DB8:0::0010")).json()
    assert (made["ip_address"], made["ipv6_address"], made["is_public"]) == (FOUR, SIX, False)
    assert (await client.get(f"/api/v1/vmtas/{made['id']}", headers=ann)).json() == made
    async with system.db.reading() as connection:
        (vmta,) = (await load_model(connection, system.settings)).vmtas
    assert (vmta.address, vmta.ipv6_address, vmta.version) == (FOUR, SIX, 1)
    without = (await put(client, ann, made["id"], ipv6_address=None)).json()
    assert (without["ip_address"], without["ipv6_address"], without["version"]) == (FOUR, None, 2)
    only_six = (await put(client, ann, made["id"], ip_address=SIX)).json()
    assert (only_six["ip_address"], only_six["ipv6_address"], only_six["version"]) == (SIX, None, 3)


@only_sqlite
async def test_what_is_no_pair_is_refused(client: Any, ann: Any) -> None:
    made = (await make(client, ann)).json()
    for changes, field, code in (
        ({"ipv6_address": "192.0.2.11"}, "ipv6_address", "ip_address_family"),
        ({"ipv6_address": "::ffff:192.0.2.11"}, "ipv6_address", "ip_address_family"),
        ({"ipv6_address": FOUR}, "ipv6_address", "ip_address_family"),
        ({"ip_address": SIX}, "ip_address", "ip_address_family"),
        ({"ip_address": "2001:db8::99"}, "ip_address", "ip_address_family"),
        ({"ipv6_address": "fe80::1%eth0"}, "ipv6_address", "ip_address_syntax"),
        ({"ipv6_address": "::"}, "ipv6_address", "ip_address_unusable"),
        ({"ipv6_address": "ff02::1"}, "ipv6_address", "ip_address_unusable"),
        ({"ipv6_address": ""}, "ipv6_address", "ip_address_syntax"),
    ):
        assert refusal(await make(client, ann, **changes)) == (422, field, code), changes
        assert refusal(await put(client, ann, made["id"], **changes)) == (422, field, code), changes
    assert (await client.get(f"/api/v1/vmtas/{made['id']}", headers=ann)).json() == made


@only_sqlite
async def test_the_only_address_cannot_be_removed(client: Any, ann: Any) -> None:
    made = (await make(client, ann)).json()
    assert (await put(client, ann, made["id"], ip_address=None)).status_code == 422
    assert (await put(client, ann, made["id"], ip_address=None, ipv6_address=None)).status_code == 422


async def test_an_address_is_of_one_vmta_whichever_field_it_is_in(client: Any, ann: Any, bob: Any) -> None:
    made = (await make(client, ann)).json()
    other = {"name": "mx2", "ehlo_domain": "mx2.acme.test"}
    assert refusal(await make(client, bob, **other, ip_address="192.0.2.11")) == (409, "ipv6_address", "taken")
    assert refusal(await make(client, bob, **other, ipv6_address="2001:db8::11")) == (409, "ip_address", "taken")
    alone = other | {"ip_address": "2001:DB8:0:0::10", "ipv6_address": None}
    assert refusal(await make(client, bob, **alone)) == (409, "ip_address", "taken")
    six = (await make(client, bob, **alone | {"ip_address": "2001:db8::66"})).json()
    assert refusal(await put(client, ann, made["id"], ipv6_address="2001:db8::66")) == (409, "ipv6_address", "taken")
    # What is given up is free for others at once.
    assert (await put(client, ann, made["id"], ipv6_address=None)).status_code == 200
    assert (await put(client, bob, six["id"], ip_address=SIX)).status_code == 200


async def test_two_that_want_each_others_addresses_both_keep_theirs(client: Any, ann: Any) -> None:
    first = (await make(client, ann)).json()
    other = {"name": "mx2", "ip_address": "192.0.2.20", "ipv6_address": "2001:db8::20"}
    second = (await make(client, ann, **other)).json()
    answers = await asyncio.gather(
        put(client, ann, first["id"], ip_address="192.0.2.20", ipv6_address="2001:db8::20"),
        put(client, ann, second["id"], ip_address=FOUR, ipv6_address=SIX),
    )
    assert [one.status_code for one in answers] == [409, 409]
    shown = (await client.get("/api/v1/vmtas?sort=name", headers=ann)).json()["data"]
    assert sorted(shown, key=lambda one: one["name"]) == [first, second]


async def test_operators_assign_both_and_see_who_has_them(client: Any, ann: Any, bob: Any) -> None:
    async def listed(address: str, **body: Any) -> Any:
        return (await client.post("/api/v1/ips", json={"ip_address": address} | body, headers=ann)).json()

    await listed(FOUR, organization="bolt")
    six = await listed(SIX, organization="acme")
    assert refusal(await make(client, bob)) == (422, "ipv6_address", "ip_not_assigned")
    answer = await client.put(f"/api/v1/ips/{six['id']}", json={"organization": "bolt"}, headers=ann)
    assert answer.status_code == 200, answer.text
    assert (await make(client, bob)).status_code == 201
    found = (await client.get("/api/v1/ips", headers=ann)).json()["data"]
    assert {one["ip_address"]: one["vmtas"] for one in found} == {FOUR: ["bolt.mx1"], SIX: ["bolt.mx1"]}
    # Shared, another may have it as well; shared no more, it is one too many.
    shared = await client.put(f"/api/v1/ips/{six['id']}", json={"organization": None, "shared": True}, headers=ann)
    assert shared.status_code == 200, shared.text
    assert (await make(client, bob, name="mx2", ip_address=SIX, ipv6_address=None)).status_code == 201
    back = await client.put(f"/api/v1/ips/{six['id']}", json={"organization": "bolt", "shared": False}, headers=ann)
    assert back.status_code == 409, back.text
    assert (await client.delete(f"/api/v1/ips/{six['id']}", headers=ann)).status_code == 409
