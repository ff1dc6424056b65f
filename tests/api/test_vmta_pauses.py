"""Pausing: nodes stop at once, remember nothing, and go on when it is over."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from postmta_ctl.clients.kumod import ReadySuspension
from postmta_ctl.features.policy.load import load_model
from postmta_ctl.features.vmtas import queries
from postmta_ctl.features.vmtas.pausing import keep_pauses, pause
from postmta_ctl.store.tables import policy_changes, vmtas
from tests.fake_fleet import FakeFleet, add_nodes, ready

MX1 = {"name": "mx1", "ip_address": "192.0.2.10", "ehlo_domain": "mx1.acme.test"}
GMAIL, YAHOO = ready("acme.mx1.r1", "gmail.test"), ready("acme.mx1.r1", "yahoo.test")


@pytest.fixture
def fleet() -> FakeFleet:
    return FakeFleet()


@pytest.fixture
async def system(system: Any, fleet: FakeFleet, db: Any, clock: Any) -> Any:
    await system.kumod.close()
    object.__setattr__(system, "kumod", fleet)
    await add_nodes(system, db, clock())
    return system


@pytest.fixture
async def mx1(client: Any, ann: Any) -> str:
    return await made(client, ann)


async def made(client: Any, auth: Any, **changes: Any) -> str:
    answer = await client.post("/api/v1/vmtas", json=MX1 | changes, headers=auth)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def switch(client: Any, auth: Any, vmta_id: str, what: str, **body: Any) -> Any:
    answer = await client.post(f"/api/v1/vmtas/{vmta_id}/{what}", json=body or None, headers=auth)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def job(system: Any, db: Any) -> None:
    """The job, by the database connections of the test's own event loop."""
    await keep_pauses(dataclasses.replace(system, db=db))


async def changes_of(db: Any) -> list[str]:
    async with db.reading() as connection:
        return list((await connection.scalars(select(policy_changes.c.summary).order_by(policy_changes.c.id))).all())


async def publish(db: Any) -> None:
    """As if a release had taken up all changes."""
    async with db.transaction() as connection:
        await connection.execute(update(policy_changes).values(release=1))


class TestPausing:
    async def test_every_ready_queue_of_it_is_suspended_and_no_other(
        self, client: Any, ann: Any, mx1: str, fleet: FakeFleet
    ) -> None:
        fleet.ready_queue("n1", GMAIL, messages=7)
        fleet.ready_queue("n1", ready("acme.mx1.r4", "gmail.test"))
        fleet.ready_queue("n1", ready("acme.mx10.r1", "gmail.test"))
        fleet.ready_queue("n1", ready("bolt.mx1.r1", "gmail.test"))
        fleet.ready_queue("n2", YAHOO, connections=1)
        answer = await switch(client, ann, mx1, "pause", reason="blocked at gmail")
        shown = answer["vmta"]
        assert (shown["state"], shown["pause"]) == (
            "paused",
            {"reason": "blocked at gmail", "author": "ann@acme.test", "since": "2026-11-22T12:00:00Z", "until": None},
        )
        assert [(one["node"], one["ok"]) for one in answer["nodes"]] == [("n1", True), ("n2", True)]
        assert fleet.suspended() == {"n1": [GMAIL, ready("acme.mx1.r4", "gmail.test")], "n2": [YAHOO]}
        assert {rule.reason for rule in fleet.rules["n1"].values()} == {"vMTA paused: blocked at gmail"}

    async def test_it_leaves_the_pools_and_comes_back(
        self, client: Any, ann: Any, mx1: str, db: Any, settings: Any, clock: Any
    ) -> None:
        for what, state in (("pause", "paused"), ("resume", "active")):
            await switch(client, ann, mx1, what)
            async with db.reading() as connection:
                (vmta,) = (await load_model(connection, settings)).vmtas
            assert vmta.state == state
        assert await changes_of(db) == ["vMTA mx1 created", "vMTA mx1 paused", "vMTA mx1 resumed"]

    async def test_a_warming_one_is_warming_after_it(self, client: Any, ann: Any) -> None:
        vmta_id = await made(client, ann, warmup={"daily_allowances": [50, 100]})
        paused = (await switch(client, ann, vmta_id, "pause"))["vmta"]
        assert paused["state"] == "paused"
        resumed = (await switch(client, ann, vmta_id, "resume"))["vmta"]
        assert (resumed["state"], resumed["warmup"], resumed["pause"]) == ("warming", paused["warmup"], None)

    async def test_paused_twice_it_has_the_second_reason_and_one_entry_in_the_next_release(
        self, client: Any, ann: Any, mx1: str, db: Any, clock: Any
    ) -> None:
        await switch(client, ann, mx1, "pause", reason="one")
        clock.advance(minutes=5)
        shown = (await switch(client, ann, mx1, "pause", reason="two", until="2026-11-22T13:00:00Z"))["vmta"]["pause"]
        assert (shown["reason"], shown["since"], shown["until"]) == (
            "two",
            "2026-11-22T12:00:00Z",
            "2026-11-22T13:00:00Z",
        )
        assert await changes_of(db) == ["vMTA mx1 created", "vMTA mx1 paused"]
        entries = (await client.get("/api/v1/audit?action=vmta.paused", headers=ann)).json()["data"]
        assert [one["after"]["pause"]["reason"] for one in entries] == ["two", "one"]

    async def test_what_is_not_paused_cannot_be_resumed(self, client: Any, ann: Any, mx1: str) -> None:
        answer = await client.post(f"/api/v1/vmtas/{mx1}/resume", headers=ann)
        assert (answer.status_code, answer.json()["code"]) == (409, "not_paused")

    async def test_of_many_at_once_one_resumes(self, client: Any, ann: Any, mx1: str, db: Any) -> None:
        await switch(client, ann, mx1, "pause")
        answers = await asyncio.gather(*(client.post(f"/api/v1/vmtas/{mx1}/resume", headers=ann) for _ in range(6)))
        assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5
        assert (await changes_of(db)).count("vMTA mx1 resumed") == 1

    @pytest.mark.parametrize(
        "body",
        [
            {"reason": ""},
            {"reason": "a\nb"},
            {"reason": "x" * 501},
            {"reason": None},
            {"until": "2026-11-22T11:59:59Z"},
            {"until": "2026-11-22T13:00:00"},
            {"until": "2028-01-01T00:00:00Z"},
            {"until": 5},
            {"for": "1h"},
            [],
        ],
    )
    async def test_a_bad_request_pauses_nothing(
        self, client: Any, ann: Any, mx1: str, fleet: FakeFleet, body: Any
    ) -> None:
        answer = await client.post(f"/api/v1/vmtas/{mx1}/pause", json=body, headers=ann)
        assert answer.status_code == 422, answer.text
        assert (await client.get(f"/api/v1/vmtas/{mx1}", headers=ann)).json()["pause"] is None
        assert fleet.calls == 0

    async def test_a_foreign_one_is_not_found(
        self, client: Any, ann: Any, bob: Any, mx1: str, fleet: FakeFleet
    ) -> None:
        for what in ("pause", "resume"):
            assert (await client.post(f"/api/v1/vmtas/{mx1}/{what}", headers=bob)).status_code == 404
        assert fleet.calls == 0

    async def test_endpoints_are_told(self, client: Any, ann: Any, mx1: str) -> None:
        hook = {"url": "https://example.com/hook", "events": ["vmta.paused", "vmta.resumed"]}
        made = (await client.post("/api/v1/webhooks", json=hook, headers=ann)).json()["webhook"]["id"]
        await switch(client, ann, mx1, "pause", reason="why")
        await switch(client, ann, mx1, "resume")
        told = (await client.get(f"/api/v1/webhooks/{made}/deliveries", headers=ann)).json()["data"]
        assert [(one["type"], one["payload"]["data"].get("reason")) for one in told] == [
            ("vmta.resumed", None),
            ("vmta.paused", "why"),
        ]


class TestTheJob:
    async def test_a_node_that_was_away_is_told_when_it_is_back(
        self, client: Any, ann: Any, mx1: str, system: Any, db: Any, fleet: FakeFleet
    ) -> None:
        fleet.ready_queue("n1", GMAIL)
        fleet.ready_queue("n2", GMAIL)
        fleet.away = {"n2"}
        answer = await switch(client, ann, mx1, "pause")
        assert [(one["node"], one["ok"]) for one in answer["nodes"]] == [("n1", True), ("n2", False)]
        assert fleet.suspended() == {"n1": [GMAIL], "n2": []}
        fleet.away = set()
        await job(system, db)
        assert fleet.suspended() == {"n1": [GMAIL], "n2": [GMAIL]}

    async def test_what_a_restart_forgot_and_what_is_new_is_suspended(
        self, client: Any, ann: Any, mx1: str, system: Any, db: Any, fleet: FakeFleet
    ) -> None:
        fleet.ready_queue("n1", GMAIL)
        await switch(client, ann, mx1, "pause")
        fleet.restart("n1")
        fleet.ready_queue("n1", YAHOO)
        await job(system, db)
        assert fleet.suspended()["n1"] == [GMAIL, YAHOO]

    async def test_nothing_is_asked_for_twice(
        self, client: Any, ann: Any, mx1: str, system: Any, db: Any, fleet: FakeFleet
    ) -> None:
        fleet.ready_queue("n1", GMAIL)
        await switch(client, ann, mx1, "pause")
        before = dict(fleet.rules["n1"])
        await job(system, db)
        assert fleet.rules["n1"] == before

    async def test_a_suspension_is_renewed_before_it_ends_though_its_queue_is_gone(
        self, client: Any, ann: Any, mx1: str, system: Any, db: Any, fleet: FakeFleet, clock: Any
    ) -> None:
        fleet.ready_queue("n1", GMAIL)
        await switch(client, ann, mx1, "pause")
        fleet.metrics["n1"].clear()
        clock.advance(days=5)
        await job(system, db)
        (rule,) = fleet.rules["n1"].values()
        assert (rule.name, rule.expires - clock()) == (GMAIL, timedelta(days=7))

    async def test_suspensions_by_others_are_left_alone(
        self, client: Any, ann: Any, mx1: str, system: Any, db: Any, fleet: FakeFleet, clock: Any
    ) -> None:
        until = clock() + timedelta(minutes=1)
        rule = ReadySuspension(id="tsa", name=GMAIL, reason="automation rule: too fast", expires=until)
        fleet.rules["n1"]["tsa"] = rule
        fleet.ready_queue("n1", GMAIL)
        await switch(client, ann, mx1, "pause")
        await switch(client, ann, mx1, "resume")
        assert fleet.rules["n1"] == {"tsa": rule}
        await switch(client, ann, mx1, "pause")
        fleet.restart("n1")  # the other one has ended
        await job(system, db)
        assert fleet.suspended()["n1"] == [GMAIL]

    async def test_a_resumption_missed_by_a_node_is_made_up_for(
        self, client: Any, ann: Any, mx1: str, system: Any, db: Any, fleet: FakeFleet
    ) -> None:
        fleet.ready_queue("n1", GMAIL)
        await switch(client, ann, mx1, "pause")
        fleet.away = {"n1", "n2"}
        await switch(client, ann, mx1, "resume")
        fleet.away = set()
        await job(system, db)
        assert fleet.suspended() == {"n1": [], "n2": []}

    async def test_a_deleted_one_stays_suspended_and_a_new_one_of_its_name_is_not(
        self, client: Any, ann: Any, mx1: str, system: Any, db: Any, fleet: FakeFleet
    ) -> None:
        fleet.ready_queue("n1", GMAIL)
        await switch(client, ann, mx1, "pause")
        assert (await client.delete(f"/api/v1/vmtas/{mx1}", headers=ann)).status_code == 204
        await job(system, db)
        assert fleet.suspended()["n1"] == [GMAIL]
        await made(client, ann)
        fleet.ready_queue("n1", ready("acme.mx1.r2", "gmail.test"))
        await job(system, db)
        assert ready("acme.mx1.r2", "gmail.test") not in fleet.suspended()["n1"]

    async def test_a_pause_ends_by_itself(
        self, client: Any, ann: Any, mx1: str, system: Any, db: Any, fleet: FakeFleet, clock: Any
    ) -> None:
        fleet.ready_queue("n1", GMAIL)
        await switch(client, ann, mx1, "pause", until="2026-11-22T12:30:00Z")
        clock.advance(minutes=29)
        await job(system, db)
        assert fleet.suspended()["n1"] == [GMAIL]
        clock.advance(minutes=1)
        await job(system, db)
        assert (await client.get(f"/api/v1/vmtas/{mx1}", headers=ann)).json()["state"] == "active"
        assert fleet.suspended()["n1"] == []
        (entry,) = (await client.get("/api/v1/audit?action=vmta.resumed", headers=ann)).json()["data"]
        assert entry["actor"] == "postmta"

    async def test_others_may_pause_within_their_own_transaction(
        self, client: Any, ann: Any, mx1: str, system: Any, db: Any, fleet: FakeFleet, clock: Any
    ) -> None:
        fleet.ready_queue("n1", GMAIL)
        async with db.transaction() as connection:
            ((_, row),) = await queries.of_all(connection)
            await pause(connection, row, reason="rule: bounces", by="auto-block", now=clock())
        await job(system, db)
        assert fleet.suspended()["n1"] == [GMAIL]
        shown = (await client.get(f"/api/v1/vmtas/{mx1}", headers=ann)).json()["pause"]
        assert (shown["author"], shown["reason"]) == ("auto-block", "rule: bounces")


class TestAfterwards:
    async def flushed(self, system: Any, db: Any, fleet: FakeFleet) -> list[tuple[str, str, str]]:
        fleet.flushes.clear()
        await job(system, db)
        return sorted(fleet.flushes)

    async def test_what_waited_is_tried_once_the_release_is_there(
        self, client: Any, ann: Any, mx1: str, system: Any, db: Any, fleet: FakeFleet
    ) -> None:
        fleet.scheduled("n1", "acme.mx1@a.test", 5)
        fleet.scheduled("n1", "spring:acme@a.test", 2)
        fleet.scheduled("n1", "acme@a.test", 2)
        fleet.scheduled("n1", "acme@empty.test", 0)
        fleet.scheduled("n1", "bolt@a.test", 2)
        fleet.scheduled("n2", "acme.mx1@b.test", 1)
        await switch(client, ann, mx1, "pause")
        await publish(db)
        assert await self.flushed(system, db, fleet) == []
        await switch(client, ann, mx1, "resume")
        assert await self.flushed(system, db, fleet) == []
        await publish(db)
        assert await self.flushed(system, db, fleet) == [
            ("n1", "acme", "a.test"),
            ("n1", "acme.mx1", "a.test"),
            ("n2", "acme.mx1", "b.test"),
        ]
        assert await self.flushed(system, db, fleet) == []

    async def test_mail_that_others_could_send_is_left_to_its_time(
        self, client: Any, ann: Any, mx1: str, system: Any, db: Any, fleet: FakeFleet
    ) -> None:
        await made(client, ann, name="mx2", ip_address="192.0.2.11")
        fleet.scheduled("n1", "acme@a.test", 2)
        fleet.scheduled("n1", "acme.mx1@a.test", 2)
        await switch(client, ann, mx1, "pause")
        await switch(client, ann, mx1, "resume")
        await publish(db)
        assert await self.flushed(system, db, fleet) == [("n1", "acme.mx1", "a.test")]

    async def test_the_pools_that_it_was_alone_in_are_tried(
        self, client: Any, ann: Any, mx1: str, system: Any, db: Any, fleet: FakeFleet
    ) -> None:
        await made(client, ann, name="mx2", ip_address="192.0.2.11")
        for name, members in (("alone", ["mx1"]), ("both", ["mx1", "mx2"]), ("other", ["mx2"])):
            body = {"name": name, "members": [{"vmta": one} for one in members], "default": name == "alone"}
            assert (await client.post("/api/v1/pools", json=body, headers=ann)).status_code == 201
        for tenant in ("acme", "acme._alone", "acme._both", "acme._other", "acme.mx1"):
            fleet.scheduled("n1", f"{tenant}@a.test", 2)
        await switch(client, ann, mx1, "pause")
        await switch(client, ann, mx1, "resume")
        await publish(db)
        flushed = [tenant for _, tenant, _ in await self.flushed(system, db, fleet)]
        assert flushed == ["acme", "acme._alone", "acme.mx1"]

    async def test_a_node_that_fails_is_tried_again(
        self, client: Any, ann: Any, mx1: str, system: Any, db: Any, fleet: FakeFleet
    ) -> None:
        fleet.scheduled("n1", "acme@a.test", 2)
        await switch(client, ann, mx1, "pause")
        await switch(client, ann, mx1, "resume")
        await publish(db)
        fleet.away = {"n1"}
        assert await self.flushed(system, db, fleet) == []
        fleet.away = set()
        assert await self.flushed(system, db, fleet) == [("n1", "acme", "a.test")]

    async def test_paused_again_before_that_nothing_is_tried(
        self, client: Any, ann: Any, mx1: str, system: Any, db: Any, fleet: FakeFleet
    ) -> None:
        fleet.scheduled("n1", "acme@a.test", 2)
        for what in ("pause", "resume", "pause"):
            await switch(client, ann, mx1, what)
        await publish(db)
        assert await self.flushed(system, db, fleet) == []
        async with db.reading() as connection:
            assert await connection.scalar(select(vmtas.c.resumed_at)) is None
