"""What can be done with releases: roll back, compare, approve, try on some nodes first."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert

from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.features.policy.canaries import watch
from postmta_ctl.features.policy.jobs import bring_nodes_up_to_date, publish_pending
from postmta_ctl.features.users.service import set_operator
from postmta_ctl.store.tables import events
from postmta_ctl.system import System
from tests.api.test_policy import add, plan, publish, running
from tests.conftest import join, work
from tests.fake_node import FakeNode


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[list[FakeNode]]:
    """Three nodes that answer as kumod does."""
    with ExitStack() as stack:
        yield [stack.enter_context(FakeNode(tmp_path / f"mx-{number}").serving()) for number in (1, 2, 3)]


@pytest.fixture
async def node(client: Any, ann: Any, fleet: list[FakeNode]) -> FakeNode:
    await add(client, ann, fleet[0])
    return fleet[0]


@pytest.fixture
async def nodes(client: Any, ann: Any, fleet: list[FakeNode]) -> list[FakeNode]:
    for number, one in enumerate(fleet, start=1):
        await add(client, ann, one, f"mx-{number}")
    return fleet


async def add_vmta(client: Any, headers: Any, number: int) -> None:
    body = {"name": f"mx{number}", "ip_address": f"192.0.2.{number}", "ehlo_domain": "mx.acme.test"}
    answer = await client.post("/api/v1/vmtas", json=body, headers=headers)
    assert answer.status_code == 201, answer.text


async def post(client: Any, headers: Any, path: str, body: Any = None, *, status: int = 200) -> Any:
    answer = await client.post(f"/api/v1/policy/{path}", json=body or {}, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


async def recorded(client: Any, headers: Any) -> str:
    """What the newest entry of the audit log says was done."""
    return str((await client.get("/api/v1/audit", headers=headers)).json()["data"][0]["action"])


async def release(client: Any, headers: Any, number: int) -> Any:
    return (await client.get(f"/api/v1/policy/releases/{number}", headers=headers)).json()["release"]


def configure(system: Any, **changes: Any) -> None:
    """Other settings for the same system, as after a restart."""
    object.__setattr__(system, "settings", msgspec.structs.replace(system.settings, **changes))


class TestRollback:
    async def test_the_older_policy_is_a_new_release(self, client: Any, ann: Any, node: FakeNode) -> None:
        await publish(client, ann)
        before = Bundle.read(running(node)).digest
        await add_vmta(client, ann, 1)
        await publish(client, ann)
        done = await post(client, ann, "rollback", {"release": 1, "reason": "mx1 is listed"})
        assert (done["outcome"], done["release"], done["nodes"][0]["running_release"]) == ("published", 3, 3)
        assert Bundle.read(running(node)).digest == before
        shown = await release(client, ann, 3)
        assert (shown["rollback_to"], shown["reason"]) == (1, "mx1 is listed")
        assert await recorded(client, ann) == "policy.rolled_back"

    async def test_what_was_configured_stays_and_waits_for_somebody(
        self, client: Any, ann: Any, node: FakeNode, clock: Any
    ) -> None:
        system = client.app.state.system
        configure(system, auto_publish=True)
        await publish(client, ann)
        await add_vmta(client, ann, 1)
        await publish(client, ann)
        await post(client, ann, "rollback", {"release": 1})
        found = await plan(client, ann)
        assert found["stands_still"] == "release 3 went back to release 1"
        assert '+  ["acme.mx1"]' in found["diff"]
        await add_vmta(client, ann, 2)
        clock.advance(minutes=5)
        await work(client, publish_pending)
        assert node.running == 3, "else the next change would bring back what was rolled back"
        await publish(client, ann)
        assert node.running == 4
        await add_vmta(client, ann, 3)
        clock.advance(minutes=5)
        await work(client, publish_pending)
        assert node.running == 5, "from then on by itself again"

    async def test_the_policy_that_runs_is_not_released_again(self, client: Any, ann: Any, node: FakeNode) -> None:
        await publish(client, ann)
        done = await post(client, ann, "rollback", {"release": 1})
        assert (done["outcome"], done["release"]) == ("nothing", 1)

    async def test_a_key_that_is_gone_is_named(self, client: Any, acme: Any, node: FakeNode) -> None:
        await publish(client, acme)
        (domain,) = (await client.get("/api/v1/domains", headers=acme)).json()["data"]
        assert (await client.delete(f"/api/v1/domains/{domain['id']}", headers=acme)).status_code == 204
        await publish(client, acme)
        problem = await post(client, acme, "rollback", {"release": 1}, status=422)
        assert problem["code"] == "policy_refused"
        assert {(one["field"], one["code"]) for one in problem["errors"]} == {("acme.test", "key-gone")}
        assert node.running == 2

    @pytest.mark.parametrize(
        ("body", "status"), [({"release": 9}, 404), ({"release": 0}, 422), ({}, 422), ({"release": "one"}, 422)]
    )
    async def test_a_release_there_is_not(self, client: Any, ann: Any, body: Any, status: int) -> None:
        await post(client, ann, "rollback", body, status=status)


class TestDifference:
    async def test_between_two_releases_and_to_the_present(self, client: Any, ann: Any, node: FakeNode) -> None:
        await publish(client, ann)
        await add_vmta(client, ann, 1)
        await publish(client, ann)
        await add_vmta(client, ann, 2)

        async def compare(**query: int) -> Any:
            return (await client.get("/api/v1/policy/diff", params=query, headers=ann)).json()

        forth = await compare(**{"from": 1, "to": 2})
        back = await compare(**{"from": 2, "to": 1})
        assert '+  ["acme.mx1"]' in forth["diff"]
        assert '-  ["acme.mx1"]' in back["diff"]
        assert forth["change_class"] == {"kind": "live", "settings": []}
        now = await compare(**{"from": 1})
        assert (now["to_release"], '+  ["acme.mx2"]' in now["diff"]) == (None, True)
        assert (await compare(**{"from": 1, "to": 1}))["change_class"]["kind"] == "nothing"
        assert (await compare(**{"from": 1, "to": 7}))["status"] == 404


class TestDryRun:
    async def test_it_proves_names_the_nodes_and_writes_nothing(self, client: Any, ann: Any, node: FakeNode) -> None:
        await publish(client, ann)
        await add_vmta(client, ann, 1)
        done = await post(client, ann, "publish", {"dry_run": True})
        assert (done["outcome"], done["release"]) == ("dry_run", 2)
        assert done["nodes"][0]["detail"] == "runs release 1 and would be brought to release 2"
        assert node.running == 1
        assert len((await plan(client, ann))["changes"]) == 1


class TestApproval:
    @pytest.fixture
    async def bob(self, client: Any, ann: Any) -> Any:
        """A second operator."""
        headers = await join(client, ann, "bob@acme.test", "admin")
        await work(client, lambda system: set_operator(system, "bob@acme.test", is_operator=True, actor="test"))
        return headers

    @pytest.fixture(autouse=True)
    def four_eyes(self, client: Any) -> None:
        configure(client.app.state.system, publish_approval=True, auto_publish=True)

    async def test_what_one_proposed_another_publishes(
        self, client: Any, ann: Any, bob: Any, node: FakeNode, clock: Any
    ) -> None:
        await add_vmta(client, ann, 1)
        clock.advance(minutes=5)
        await work(client, publish_pending)
        done = await publish(client, ann)
        assert (done["outcome"], done["release"], done["nodes"]) == ("proposed", 1, [])
        assert node.running is None
        assert (await publish(client, ann))["release"] == 1, "the same proposal"
        problem = await post(client, ann, "releases/1/approve", status=403)
        assert "somebody else" in problem["detail"]
        done = await post(client, bob, "releases/1/approve")
        assert (done["outcome"], node.running) == ("published", 1)
        assert await recorded(client, bob) == "policy.approved"
        shown = await release(client, ann, 1)
        assert (shown["state"], shown["author"], shown["approved_by"]) == (
            "published",
            "ann@acme.test",
            "bob@acme.test",
        )
        assert (await plan(client, ann))["changes"] == []
        await post(client, bob, "releases/1/approve", status=409)

    async def test_what_changed_since_is_not_approved_unseen(
        self, client: Any, ann: Any, bob: Any, node: FakeNode
    ) -> None:
        await publish(client, ann)
        await add_vmta(client, ann, 1)
        assert (await post(client, bob, "releases/1/approve", status=409))["code"] == "stale_proposal"
        assert (await publish(client, ann))["release"] == 2
        assert (await release(client, ann, 1))["state"] == "superseded"
        assert (await post(client, bob, "releases/2/approve"))["outcome"] == "published"

    async def test_a_rejected_one_stays_in_the_history(self, client: Any, ann: Any, bob: Any, node: FakeNode) -> None:
        await publish(client, ann)
        shown = (await post(client, bob, "releases/1/reject", {"reason": "not before the sale"}))["release"]
        assert (shown["state"], shown["note"]) == ("rejected", "not before the sale")
        assert await recorded(client, bob) == "policy.rejected"
        await post(client, bob, "releases/1/approve", status=409)
        await post(client, bob, "rollback", {"release": 1}, status=409)
        assert node.running is None


class TestCanary:
    @pytest.fixture
    async def ready(self, client: Any, ann: Any, nodes: list[FakeNode]) -> list[FakeNode]:
        await publish(client, ann)
        await add_vmta(client, ann, 1)
        return nodes

    async def start(self, client: Any, ann: Any, **canary: Any) -> Any:
        return await publish(client, ann, canary={"nodes": ["mx-2"], "watch_seconds": 600} | canary)

    async def test_one_node_first_then_all(self, client: Any, ann: Any, ready: list[FakeNode], clock: Any) -> None:
        done = await self.start(client, ann)
        assert (done["outcome"], [one["node"] for one in done["nodes"]]) == ("canary", ["mx-2"])
        await work(client, watch)
        await work(client, bring_nodes_up_to_date)
        assert [node.running for node in ready] == [1, 2, 1]
        assert len((await plan(client, ann))["changes"]) == 1, "it is not everywhere yet"
        assert (await post(client, ann, "publish", status=409))["code"] == "canary"
        clock.advance(seconds=601)
        await work(client, watch)
        assert [node.running for node in ready] == [2, 2, 2]
        assert (await release(client, ann, 2))["state"] == "published"
        assert (await plan(client, ann))["changes"] == []

    @pytest.mark.parametrize(("kind", "word"), [("message.deferred", "deferred"), ("message.bounced", "bounced")])
    async def test_it_is_stopped_when_mail_goes_worse(
        self, client: Any, ann: Any, ready: list[FakeNode], clock: Any, kind: str, word: str
    ) -> None:
        system = client.app.state.system
        configure(system, auto_publish=True)
        await work(client, lambda system: happened(system, clock(), "mx-2", {"message.delivered": 100}, "before"))
        await self.start(client, ann)
        await work(
            client, lambda system: happened(system, clock(), "mx-2", {"message.delivered": 60, kind: 40}, "since")
        )
        await work(client, watch)
        assert [node.running for node in ready] == [1, 1, 1]
        shown = await release(client, ann, 2)
        assert (shown["state"], f"40 of 100 attempts were {word}" in shown["note"]) == ("stopped", True)
        clock.advance(minutes=5)
        await work(client, publish_pending)
        assert [node.running for node in ready] == [1, 1, 1], "what was stopped does not come back unasked"
        assert (await plan(client, ann))["stands_still"] == "release 2 was stopped as a canary"
        assert (await publish(client, ann))["release"] == 3

    async def test_what_happens_at_other_nodes_does_not_count(
        self, client: Any, ann: Any, ready: list[FakeNode], clock: Any
    ) -> None:
        await self.start(client, ann)
        await work(client, lambda system: happened(system, clock(), "mx-1", {"message.bounced": 100}, "elsewhere"))
        await work(client, watch)
        assert (await release(client, ann, 2))["state"] == "canary"

    async def test_a_node_that_does_not_come_to_run_it_stops_it(
        self, client: Any, ann: Any, ready: list[FakeNode], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("postmta_ctl.features.policy.bringing.PROBE_SECONDS", 0.4)
        ready[1].stuck = True
        done = await self.start(client, ann)
        assert done["outcome"] == "stopped"
        assert "still runs 1" in (await release(client, ann, 2))["note"]

    async def test_promoted_and_stopped_by_hand(self, client: Any, ann: Any, ready: list[FakeNode]) -> None:
        await self.start(client, ann)
        await post(client, ann, "releases/2/stop", {"reason": "second thoughts"})
        assert await recorded(client, ann) == "policy.stopped"
        assert [node.running for node in ready] == [1, 1, 1]
        await post(client, ann, "releases/2/promote", status=409)
        await self.start(client, ann)
        outcomes = await post(client, ann, "releases/3/promote")
        assert [one["running_release"] for one in outcomes] == [3, 3, 3]
        assert await recorded(client, ann) == "policy.promoted"

    async def test_a_roll_back_ends_it(self, client: Any, ann: Any, ready: list[FakeNode]) -> None:
        await self.start(client, ann)
        done = await post(client, ann, "rollback", {"release": 1})
        assert (done["outcome"], [node.running for node in ready]) == ("nothing", [1, 1, 1])
        assert (await release(client, ann, 2))["state"] == "stopped"

    async def test_a_part_of_the_nodes_by_percentage(self, client: Any, ann: Any, ready: list[FakeNode]) -> None:
        done = await self.start(client, ann, nodes=[], percent=40)
        assert [one["node"] for one in done["nodes"]] == ["mx-1", "mx-2"]

    @pytest.mark.parametrize(
        "canary",
        [{"nodes": ["mx-9"]}, {"nodes": ["mx-1", "mx-2", "mx-3"]}, {}, {"nodes": ["mx-1"], "percent": 5}],
    )
    async def test_one_that_makes_no_sense_is_refused(
        self, client: Any, ann: Any, ready: list[FakeNode], canary: Any
    ) -> None:
        problem = await post(client, ann, "publish", {"canary": canary}, status=422)
        assert problem["errors"][0]["field"].startswith("canary")
        assert [node.running for node in ready] == [1, 1, 1]


async def happened(system: System, now: datetime, node: str, counts: dict[str, int], mark: str) -> None:
    """Events of these types at a node."""
    moment = now + timedelta(seconds=1)
    rows = [
        {
            "dedupe_key": hashlib.md5(f"{mark} {kind} {number}".encode()).digest(),
            "type": kind,
            "record_type": "Delivery",
            "occurred_at": moment,
            "received_at": moment,
            "node": node,
        }
        for kind, count in counts.items()
        for number in range(count)
    ]
    async with system.db.transaction() as connection:
        await connection.execute(insert(events), rows)
