"""Addresses that operators assign: whoever has none listed for it gets none."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

IPS = "/api/v1/ips"


async def add(client: Any, auth: Any, address: str, **body: Any) -> Any:
    answer = await client.post(IPS, json={"ip_address": address} | body, headers=auth)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def vmta(client: Any, auth: Any, name: str, address: str) -> Any:
    body = {"name": name, "ip_address": address, "ehlo_domain": "mx.acme.test"}
    return await client.post("/api/v1/vmtas", json=body, headers=auth)


def refusal(answer: Any) -> tuple[int, str]:
    body = answer.json()
    return answer.status_code, body["errors"][0]["code"] if body.get("errors") else body["code"]


class TestWhoMayHaveAnAddress:
    async def test_without_a_list_whoever_comes_first(self, client: Any, ann: Any, bob: Any) -> None:
        assert (await vmta(client, bob, "a", "192.0.2.1")).status_code == 201
        assert (await vmta(client, ann, "a", "192.0.2.1")).status_code == 409

    async def test_with_one_only_what_is_assigned(self, client: Any, ann: Any, bob: Any) -> None:
        await add(client, ann, "192.0.2.1", organization="bolt")
        await add(client, ann, "192.0.2.2", organization="acme")
        await add(client, ann, "192.0.2.3")
        assert (await vmta(client, bob, "own", "::ffff:192.0.2.1")).status_code == 201
        for address in ("192.0.2.2", "192.0.2.3", "192.0.2.99"):
            answer = await vmta(client, bob, "other", address)
            assert refusal(answer) == (422, "ip_not_assigned")
            assert "acme" not in answer.text
        # Operators, too, have to list what their organization uses.
        assert refusal(await vmta(client, ann, "other", "192.0.2.99")) == (422, "ip_not_assigned")

    async def test_a_change_of_address_is_judged_and_another_change_is_not(
        self, client: Any, ann: Any, bob: Any
    ) -> None:
        made = (await vmta(client, bob, "old", "192.0.2.50")).json()["id"]
        await add(client, ann, "192.0.2.1", organization="bolt")
        path = f"/api/v1/vmtas/{made}"
        answer = await client.put(path, json={"ehlo_domain": "mx2.bolt.test"}, headers=bob)
        assert (answer.status_code, answer.json()["ip_address"]) == (200, "192.0.2.50")
        assert refusal(await client.put(path, json={"ip_address": "192.0.2.2"}, headers=bob)) == (
            422,
            "ip_not_assigned",
        )
        assert (await client.put(path, json={"ip_address": "192.0.2.1"}, headers=bob)).status_code == 200

    async def test_a_shared_one_is_everybodys(self, client: Any, ann: Any, bob: Any) -> None:
        await add(client, ann, "192.0.2.1", shared=True)
        for auth, name in ((ann, "a"), (bob, "a"), (bob, "b")):
            assert (await vmta(client, auth, name, "192.0.2.1")).status_code == 201

    async def test_an_assigned_one_is_of_one_vmta(self, client: Any, ann: Any) -> None:
        await add(client, ann, "192.0.2.1", organization="acme")
        answers = await asyncio.gather(*(vmta(client, ann, f"mx{number}", "192.0.2.1") for number in range(5)))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 4


class TestTheList:
    async def test_operators_see_all_and_others_what_they_may_use(self, client: Any, ann: Any, bob: Any) -> None:
        mine = await add(client, ann, "192.0.2.1", organization="bolt", note="rack 4")
        foreign = await add(client, ann, "192.0.2.2", organization="acme")
        shared = await add(client, ann, "2001:DB8::0:3", shared=True)
        assert shared["ip_address"] == "2001:db8::3"
        await vmta(client, ann, "a", "2001:db8::3")
        await vmta(client, bob, "b", "2001:db8::3")
        seen = (await client.get(IPS, headers=bob)).json()["data"]
        assert [(one["ip_address"], one["note"], one["vmtas"]) for one in seen] == [
            ("2001:db8::3", "", ["bolt.b"]),
            ("192.0.2.1", "", []),
        ]
        all_of_them = (await client.get(IPS, headers=ann)).json()["data"]
        assert [one["vmtas"] for one in all_of_them] == [["acme.a", "bolt.b"], [], []]
        assert (await client.get(f"{IPS}/{foreign['id']}", headers=bob)).status_code == 404
        assert (await client.get(f"{IPS}/{mine['id']}", headers=bob)).status_code == 200

    async def test_only_operators_change_it(self, client: Any, ann: Any, bob: Any) -> None:
        made = await add(client, ann, "192.0.2.1", organization="bolt")
        path = f"{IPS}/{made['id']}"
        assert (await client.post(IPS, json={"ip_address": "192.0.2.2"}, headers=bob)).status_code == 403
        assert (await client.put(path, json={"shared": True}, headers=bob)).status_code == 403
        assert (await client.delete(path, headers=bob)).status_code == 403
        assert (await client.get(path, headers=ann)).json() == made

    async def test_an_address_is_listed_once(self, client: Any, ann: Any) -> None:
        await add(client, ann, "192.0.2.1")
        answer = await client.post(IPS, json={"ip_address": "::ffff:192.0.2.1"}, headers=ann)
        assert (answer.status_code, answer.json()["code"]) == (409, "already_exists")

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "ip_address"),
            ({"ip_address": "x"}, "ip_address"),
            ({"ip_address": "192.0.2.0/24"}, "ip_address"),
            ({"ip_address": "0.0.0.0"}, "ip_address"),
            ({"ip_address": "192.0.2.1", "organization": "nobody"}, "organization"),
            ({"ip_address": "192.0.2.1", "organization": ""}, "organization"),
            ({"ip_address": "192.0.2.1", "organization": "acme", "shared": True}, "shared"),
            ({"ip_address": "192.0.2.1", "shared": "yes"}, "shared"),
            ({"ip_address": "192.0.2.1", "note": "a\nb"}, "note"),
            ({"ip_address": "192.0.2.1", "owner": "acme"}, "owner"),
        ],
    )
    async def test_a_bad_field_is_named(self, client: Any, ann: Any, body: Any, field: str) -> None:
        answer = await client.post(IPS, json=body, headers=ann)
        assert answer.status_code == 422, answer.text
        assert [error["field"] for error in answer.json()["errors"]] == [field]
        assert (await client.get(IPS, headers=ann)).json()["data"] == []


class TestChangingIt:
    async def test_what_a_vmta_has_is_not_given_away(self, client: Any, ann: Any, bob: Any) -> None:
        made = await add(client, ann, "192.0.2.1", organization="bolt")
        await vmta(client, bob, "b", "192.0.2.1")
        path = f"{IPS}/{made['id']}"
        for body in ({"organization": "acme"}, {"organization": None}):
            answer = await client.put(path, json=body, headers=ann)
            assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
            assert "bolt.b" in answer.json()["detail"]
        assert (await client.delete(path, headers=ann)).status_code == 409
        assert (await client.get(path, headers=ann)).json()["organization"] == "bolt"

    async def test_an_address_in_use_cannot_be_assigned_to_another(self, client: Any, ann: Any, bob: Any) -> None:
        await vmta(client, bob, "b", "192.0.2.1")
        answer = await client.post(IPS, json={"ip_address": "192.0.2.1", "organization": "acme"}, headers=ann)
        assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
        assert (await client.get(IPS, headers=ann)).json()["data"] == []

    async def test_shared_and_then_not(self, client: Any, ann: Any, bob: Any) -> None:
        made = await add(client, ann, "192.0.2.1", organization="bolt")
        await vmta(client, bob, "b", "192.0.2.1")
        path = f"{IPS}/{made['id']}"
        shared = await client.put(path, json={"organization": None, "shared": True}, headers=ann)
        assert shared.status_code == 200, shared.text
        other = (await vmta(client, ann, "a", "192.0.2.1")).json()["id"]
        back = {"organization": "bolt", "shared": False}
        assert (await client.put(path, json=back, headers=ann)).status_code == 409
        await client.delete(f"/api/v1/vmtas/{other}", headers=ann)
        assert (await client.put(path, json=back, headers=ann)).status_code == 200
        assert (await vmta(client, bob, "c", "192.0.2.1")).status_code == 409

    async def test_shared_by_two_of_one_organization_it_stays_shared(self, client: Any, ann: Any, bob: Any) -> None:
        made = await add(client, ann, "192.0.2.1", shared=True)
        for name in ("a", "b"):
            await vmta(client, bob, name, "192.0.2.1")
        body = {"organization": "bolt", "shared": False}
        answer = await client.put(f"{IPS}/{made['id']}", json=body, headers=ann)
        assert (answer.status_code, answer.json()["code"]) == (409, "in_use")

    async def test_of_two_editors_the_second_learns_of_the_first(self, client: Any, ann: Any) -> None:
        made = await add(client, ann, "192.0.2.1")
        path = f"{IPS}/{made['id']}"
        tag = (await client.get(path, headers=ann)).headers["etag"]
        headers = ann | {"If-Match": tag}
        answers = await asyncio.gather(
            *(client.put(path, json={"note": f"editor {number}"}, headers=headers) for number in range(4))
        )
        assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
        assert (await client.delete(path, headers=headers)).status_code == 412
        assert (await client.delete(path, headers=ann)).status_code == 204
        assert (await client.get(path, headers=ann)).status_code == 404
        actions = [one["action"] for one in (await client.get("/api/v1/audit", headers=ann)).json()["data"]]
        assert [action for action in actions if action.startswith("ip.")] == ["ip.removed", "ip.updated", "ip.added"]
