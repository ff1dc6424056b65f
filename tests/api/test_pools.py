"""Named pools: made, chosen by messages and domains, compiled, changed and deleted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from postmta_ctl.compiler.pools import pools_of
from postmta_ctl.features.messages import lease_queries
from postmta_ctl.features.policy.load import load_model
from postmta_ctl.features.pools import queries as pools
from postmta_ctl.store.tables import messages, outbox, policy_changes
from tests.conftest import verify_domain

POOLS = "/api/v1/pools"
MAIL = {"from": "ann@acme.test", "to": ["bob@bolt.test"], "subject": "Hi", "text": "Hi"}


@pytest.fixture
async def two(client: Any, acme: Any) -> Any:
    """Like ``acme``, which has the vMTAs mx1 and mx2."""
    for number in (1, 2):
        name = f"mx{number}"
        body = {"name": name, "ip_address": f"192.0.2.{number}", "ehlo_domain": f"{name}.acme.test"}
        assert (await client.post("/api/v1/vmtas", json=body, headers=acme)).status_code == 201
    return acme


async def make(client: Any, auth: Any, **body: Any) -> Any:
    answer = await client.post(POOLS, json={"name": "news", "members": [{"vmta": "mx1"}]} | body, headers=auth)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def compiled(db: Any, settings: Any) -> dict[str, list[tuple[str, int]]]:
    async with db.reading() as connection:
        found = pools_of(await load_model(connection, settings))
    return {name: [(each.vmta.name, each.weight) for each in entries] for name, entries in found.items()}


async def send(client: Any, auth: Any, **more: Any) -> Any:
    return await client.post("/api/v1/messages/send", json=MAIL | more, headers=auth)


async def pools_of_messages(db: Any) -> list[str | None]:
    async with db.reading() as connection:
        return list((await connection.scalars(select(messages.c.pool).order_by(messages.c.id))).all())


class TestThePool:
    async def test_a_policy_of_a_few_domains_reads_the_pools_of_those_alone(
        self, client: Any, two: Any, db: Any, settings: Any
    ) -> None:
        names = ["acme.test", "never.asked.test"]
        await make(client, two, domains=names)
        async with db.reading() as connection:
            ((_, whole),) = await pools.of_all(connection)
            ((_, part),) = await pools.of_all(connection, only=frozenset(names[:1]))
            model = await load_model(connection, settings, only=frozenset(names[:1]))
        assert (set(whole.domains), part.domains, part.weights) == (set(names), ("acme.test",), whole.weights)
        assert [(each.name, each.pool) for each in model.domains] == [("acme.test", "news")]

    async def test_it_is_shown_as_it_was_made_and_compiled(self, client: Any, two: Any, db: Any, settings: Any) -> None:
        made = await make(
            client, two, members=[{"vmta": "mx2", "weight": 3}, {"vmta": "mx1"}], domains=["News.acme.test"]
        )
        assert made | {"id": "", "created_at": "", "updated_at": ""} == {
            "id": "",
            "name": "news",
            "members": [{"vmta": "mx1", "weight": 1}, {"vmta": "mx2", "weight": 3}],
            "domains": ["news.acme.test"],
            "default": False,
            "created_at": "",
            "updated_at": "",
        }
        assert (await client.get(f"{POOLS}/{made['id']}", headers=two)).json() == made
        assert (await client.get(POOLS, headers=two)).json()["data"] == [made]
        found = await compiled(db, settings)
        assert found["acme._news"] == [("mx1", 1), ("mx2", 3)]
        assert found["acme"] == [("mx1", 1), ("mx2", 1)]

    async def test_a_change_is_one_of_the_policy_and_no_change_is_none(self, client: Any, two: Any, db: Any) -> None:
        made = await make(client, two)
        path = f"{POOLS}/{made['id']}"
        for body in ({}, {"members": [{"vmta": "mx1", "weight": 1}]}, {"default": False}, {"domains": []}):
            assert (await client.put(path, json=body, headers=two)).json() == made
        changed = (await client.put(path, json={"members": [], "default": True}, headers=two)).json()
        assert changed == made | {"members": [], "default": True}
        assert (await client.delete(path, headers=two)).status_code == 204
        assert (await client.get(path, headers=two)).status_code == 404
        async with db.reading() as connection:
            query = select(policy_changes.c.summary).where(policy_changes.c.summary.startswith("pool"))
            found = list(await connection.scalars(query.order_by(policy_changes.c.id)))
        assert found == ["pool news created", "pool news changed", "pool news deleted"]

    async def test_the_default_is_one_and_takes_what_chooses_none(
        self, client: Any, two: Any, db: Any, settings: Any
    ) -> None:
        first = await make(client, two, default=True)
        assert (await compiled(db, settings))["acme"] == [("mx1", 1)]
        await make(client, two, name="other", members=[{"vmta": "mx2"}], default=True)
        assert (await client.get(f"{POOLS}/{first['id']}", headers=two)).json()["default"] is False
        assert (await compiled(db, settings))["acme"] == [("mx2", 1)]

    async def test_a_deleted_vmta_is_out_of_it(self, client: Any, two: Any, db: Any, settings: Any) -> None:
        made = await make(client, two, members=[{"vmta": "mx1"}, {"vmta": "mx2"}])
        vmtas = (await client.get("/api/v1/vmtas", headers=two)).json()["data"]
        mx1 = next(one["id"] for one in vmtas if one["name"] == "mx1")
        assert (await client.delete(f"/api/v1/vmtas/{mx1}", headers=two)).status_code == 204
        shown = (await client.get(f"{POOLS}/{made['id']}", headers=two)).json()
        assert shown["members"] == [{"vmta": "mx2", "weight": 1}]
        assert (await compiled(db, settings))["acme._news"] == [("mx2", 1)]

    async def test_a_paused_vmta_is_out_of_the_compiled_one(
        self, client: Any, two: Any, db: Any, settings: Any
    ) -> None:
        await make(client, two)
        vmtas = (await client.get("/api/v1/vmtas", headers=two)).json()["data"]
        mx1 = next(one["id"] for one in vmtas if one["name"] == "mx1")
        await client.post(f"/api/v1/vmtas/{mx1}/pause", headers=two)
        assert (await compiled(db, settings))["acme._news"] == []

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"name": "News"}, "name"),
            ({"name": ""}, "name"),
            ({"name": "_x"}, "name"),
            ({"name": "a\nb"}, "name"),
            ({"members": [{"vmta": "mx9"}]}, "members"),
            ({"members": [{"vmta": "mx1"}, {"vmta": "mx1"}]}, "members[1].vmta"),
            ({"members": [{"vmta": "mx1", "weight": 0}]}, "members[0].weight"),
            ({"members": [{"vmta": "mx1", "weight": 1.5}]}, "members[0].weight"),
            ({"members": [{"vmta": "mx1", "weight": 10**7}]}, "members[0].weight"),
            ({"members": "mx1"}, "members"),
            ({"domains": ["x\ny"]}, "domains[0]"),
            ({"domains": ["ok.test", "192.0.2.1"]}, "domains[1]"),
            ({"default": "yes"}, "default"),
            ({"weight": 1}, "weight"),
        ],
    )
    async def test_a_bad_field_is_named(self, client: Any, two: Any, body: Any, field: str) -> None:
        answer = await client.post(POOLS, json={"name": "news"} | body, headers=two)
        assert answer.status_code == 422, answer.text
        assert [error["field"] for error in answer.json()["errors"]] == [field]
        assert (await client.get(POOLS, headers=two)).json()["data"] == []

    async def test_a_name_and_a_domain_are_of_one_pool(self, client: Any, two: Any) -> None:
        await make(client, two, domains=["acme.test"])
        answer = await client.post(POOLS, json={"name": "news"}, headers=two)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (409, "name")
        answer = await client.post(POOLS, json={"name": "other", "domains": ["acme.test"]}, headers=two)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (409, "domains")
        other = await make(client, two, name="other")
        answer = await client.put(f"{POOLS}/{other['id']}", json={"domains": ["acme.test"]}, headers=two)
        assert answer.status_code == 409

    async def test_of_two_editors_the_second_learns_of_the_first(self, client: Any, two: Any) -> None:
        made = await make(client, two)
        path = f"{POOLS}/{made['id']}"
        headers = two | {"If-Match": (await client.get(path, headers=two)).headers["etag"]}
        answers = await asyncio.gather(
            *(client.put(path, json={"domains": [f"d{number}.test"]}, headers=headers) for number in range(4))
        )
        assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
        assert (await client.delete(path, headers=headers)).status_code == 412

    async def test_a_foreign_one_is_not_found_and_a_foreign_vmta_no_member(
        self, client: Any, two: Any, bob: Any
    ) -> None:
        made = await make(client, two)
        for method in ("get", "put", "delete"):
            more = {"json": {}} if method == "put" else {}
            assert (await client.request(method, f"{POOLS}/{made['id']}", headers=bob, **more)).status_code == 404
        answer = await client.post(POOLS, json={"name": "news", "members": [{"vmta": "mx1"}]}, headers=bob)
        assert answer.status_code == 422
        assert (await client.post(POOLS, json={"name": "news"}, headers=bob)).status_code == 201


class TestMail:
    async def test_a_message_may_choose_and_its_domain_may(
        self, client: Any, two: Any, resolver: Any, db: Any, clock: Any
    ) -> None:
        await make(client, two)
        await make(client, two, name="deals", domains=["deals.acme.test"])
        await verify_domain(client, resolver, two, "deals.acme.test")
        deals = {"from": "a@deals.acme.test"}
        for more in ({}, {"pool": "news"}, deals, deals | {"pool": "news"}, deals | {"vmta": "mx1"}):
            assert (await send(client, two, **more)).status_code == 202
        batch = {"messages": [MAIL | deals, MAIL | {"pool": "news"}]}
        assert (await client.post("/api/v1/messages/batch", json=batch, headers=two)).json()["accepted"] == 2
        assert sorted(map(str, await pools_of_messages(db))) == sorted(
            ["None", "news", "deals", "news", "None", "deals", "news"]
        )
        async with db.transaction() as connection:
            leased = (await lease_queries.lease(connection, clock(), limit=10, lifetime=clock() - clock())).leased
        assert sorted((one.vmta or "", one.pool or "") for one in leased)[0:2] == [("", ""), ("", "deals")]

    async def test_a_message_shows_its_pool(self, client: Any, two: Any) -> None:
        await make(client, two, domains=["acme.test"])
        message_id = (await send(client, two)).json()["id"]
        assert (await client.get(f"/api/v1/messages/{message_id}", headers=two)).json()["pool"] == "news"

    @pytest.mark.parametrize(
        ("more", "code"),
        [
            ({"pool": "nope"}, "pool_unknown"),
            ({"pool": ""}, "pool_unknown"),
            ({"pool": "news", "vmta": "mx1"}, "invalid"),
            ({"pool": "_news"}, "pool_unknown"),
        ],
    )
    async def test_a_pool_that_is_not_there_is_refused(self, client: Any, two: Any, more: Any, code: str) -> None:
        await make(client, two)
        answer = await send(client, two, **more)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code)

    async def test_a_pool_that_mail_waits_for_stays(self, client: Any, two: Any, db: Any) -> None:
        made = await make(client, two)
        await send(client, two, pool="news")
        answer = await client.delete(f"{POOLS}/{made['id']}", headers=two)
        assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
        async with db.transaction() as connection:
            await connection.execute(outbox.delete())
        assert (await client.delete(f"{POOLS}/{made['id']}", headers=two)).status_code == 204
