"""Queues: seen by their own organization only, held until released whatever happens to the nodes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import insert, select, update

from postmta_ctl.clients.kumod import NodeAddress, NodeRefused
from postmta_ctl.core.ids import new_id
from postmta_ctl.errors import NodeUnreachable
from postmta_ctl.features.nodes import access
from postmta_ctl.features.queues.holds import reconcile_holds
from postmta_ctl.store.tables import nodes, queue_holds

QUEUES = "/api/v1/queues"
QUEUE = "spring:acme@example.org"
METRICS = """\
scheduled_count{queue="spring:acme@example.org"} 5
scheduled_count{queue="acme.mx1@example.org"} 2
scheduled_count{queue="acme@empty.test"} 0
scheduled_count{queue="bolt@example.org"} 11
scheduled_count{queue="postmta.log_hook"} 100
ready_count{service="smtp_client:acme.mx1.r3->mx.example.org@smtp_client"} 4
ready_count{service="smtp_client:bolt.mx.r1->mx.example.org@smtp_client"} 40
queued_count_by_provider_and_pool{provider="gmail",pool="acme"} 6
queued_count_by_provider_and_pool{provider="gmail",pool="acme.mx1"} 1
queued_count_by_provider_and_pool{provider="gmail",pool="bolt"} 70
"""


@dataclass
class FakeNodes:
    """Nodes that keep suspensions in memory, as kumod does."""

    held: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {"mx1": {}, "mx2": {}})
    """By node and suspension id."""
    flushes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    away: set[str] = field(default_factory=set)
    calls: list[tuple[str, str]] = field(default_factory=list)
    loses_answer: bool = False
    count: int = 0

    async def metric_lines(self, node: NodeAddress) -> Any:
        if node.name in self.away:
            raise NodeUnreachable(f"node {node.name}: cannot connect")
        for line in METRICS.splitlines():
            yield line

    async def admin(self, node: NodeAddress, method: str, path: str, body: Any = None) -> Any:
        if node.name in self.away:
            raise NodeUnreachable(f"node {node.name}: cannot connect")
        self.calls.append((method, path))
        held = self.held[node.name]
        if path == "/api/admin/rebind/v1":
            assert body["tenant"]
            assert body["domain"]
            self.flushes.append((node.name, body))
            return {}
        assert (method, path) == ("POST", "/api/admin/suspend/v1")
        assert len(body["queue_names"]) == 1
        for other in [one for one, rule in held.items() if rule["queue_names"] == body["queue_names"]]:
            del held[other]
        self.count += 1
        held[f"rule-{self.count}"] = body
        if self.loses_answer:
            raise NodeRefused("the answer was lost", http_status=500)
        return {"id": f"rule-{self.count}"}

    async def end_suspension(self, node: NodeAddress, suspension_id: str) -> None:
        if node.name in self.away:
            raise NodeUnreachable(f"node {node.name}: cannot connect")
        self.calls.append(("DELETE", "/api/admin/suspend/v1"))
        self.held[node.name].pop(suspension_id, None)

    def holding(self) -> dict[str, list[str]]:
        return {node: [rule["queue_names"][0] for rule in held.values()] for node, held in self.held.items()}

    async def close(self) -> None:
        pass


@pytest.fixture
def fake() -> FakeNodes:
    return FakeNodes()


@pytest.fixture
async def system(system: Any, fake: FakeNodes) -> Any:
    await system.kumod.close()
    object.__setattr__(system, "kumod", fake)
    return system


@pytest.fixture
async def fleet(client: Any, system: Any, db: Any, clock: Any) -> None:
    """Two nodes that were seen, and one that never was."""
    async with db.transaction() as connection:
        for name in ("mx1", "mx2", "new"):
            node_id = new_id(clock())
            await connection.execute(
                insert(nodes).values(
                    id=node_id,
                    name=name,
                    kind="kumod",
                    admin_url="http://127.0.0.1:1",
                    policy_dir=f"/{name}",
                    ingest_token_digest=name.encode(),
                    sealed_ingest_token=b"",
                    sealed_admin_token=access.seal(system, node_id, "sealed_admin_token", "t"),
                    online_since=None if name == "new" else clock(),
                    created_at=clock(),
                )
            )


async def act(client: Any, auth: Any, action: str, queue: str = QUEUE, body: Any = None) -> Any:
    return await client.post(f"{QUEUES}/{quote(queue, safe='')}/{action}", json=body, headers=auth)


async def hold(client: Any, auth: Any, **body: Any) -> Any:
    answer = await act(client, auth, "hold", body=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def reconcile_here(system: Any, db: Any) -> None:
    """The job, by the database connections of the test's own event loop."""
    await reconcile_holds(dataclasses.replace(system, db=db))


class TestSeeing:
    async def test_the_numbers_are_summed_over_the_nodes(self, client: Any, acme: Any, fleet: None) -> None:
        shown = (await client.get(f"{QUEUES}/status", headers=acme)).json()
        assert {name: shown[name] for name in ("here", "scheduled", "ready", "queues", "held")} == {
            "here": 0,
            "scheduled": 14,
            "ready": 8,
            "queues": 2,
            "held": 0,
        }
        assert shown["by_provider"] == [{"name": "gmail", "messages": 14}]
        assert shown["by_vmta"] == [{"name": "mx1", "messages": 8}]
        assert [(one["node"], one["ok"]) for one in shown["nodes"]] == [("mx1", True), ("mx2", True)]

    async def test_queues_are_listed_filtered_and_paged(self, client: Any, acme: Any, fleet: None) -> None:
        page = (await client.get(QUEUES, headers=acme)).json()
        assert [(one["id"], one["size"]) for one in page["data"]] == [("acme.mx1@example.org", 4), (QUEUE, 10)]
        assert page["data"][1]["by_node"] == {"mx1": 5, "mx2": 5}
        first = (await client.get(f"{QUEUES}?limit=1", headers=acme)).json()
        rest = (await client.get(f"{QUEUES}?limit=1&cursor={quote(first['next_cursor'])}", headers=acme)).json()
        assert ([one["id"] for one in rest["data"]], rest["next_cursor"]) == ([QUEUE], None)
        first = (await client.get(f"{QUEUES}?limit=1&sort=-size", headers=acme)).json()
        rest = await client.get(f"{QUEUES}?limit=1&sort=-size&cursor={quote(first['next_cursor'])}", headers=acme)
        assert [one["size"] for one in first["data"] + rest.json()["data"]] == [10, 4]
        assert (await client.get(f"{QUEUES}?sort=age", headers=acme)).status_code == 400
        for query, count in (("campaign=spring", 1), ("domain=example.org", 2), ("domain=x.test", 0), ("held=true", 0)):
            assert len((await client.get(f"{QUEUES}?{query}", headers=acme)).json()["data"]) == count
        assert (await client.get(f"{QUEUES}?limit=0", headers=acme)).status_code == 422

    async def test_a_node_that_is_away_is_named(self, client: Any, acme: Any, fleet: None, fake: FakeNodes) -> None:
        fake.away = {"mx2"}
        page = (await client.get(QUEUES, headers=acme)).json()
        assert [one["size"] for one in page["data"]] == [2, 5]
        assert [(one["node"], one["ok"]) for one in page["nodes"]] == [("mx1", True), ("mx2", False)]

    async def test_only_operators_see_everybodys(self, client: Any, acme: Any, bob: Any, fleet: None) -> None:
        mine = (await client.get(QUEUES, headers=bob)).json()["data"]
        assert [one["id"] for one in mine] == ["bolt@example.org"]
        assert (await client.get(f"{QUEUES}/status", headers=bob)).json()["scheduled"] == 22
        for path in ("", "/status"):
            assert (await client.get(f"{QUEUES}{path}?everybody=true", headers=bob)).status_code == 403
        all_of_them = (await client.get(f"{QUEUES}?everybody=true", headers=acme)).json()["data"]
        assert [one["id"] for one in all_of_them] == ["acme.mx1@example.org", "bolt@example.org", QUEUE]


class TestActing:
    async def test_a_flush_names_exactly_the_queue(self, client: Any, acme: Any, fleet: None, fake: FakeNodes) -> None:
        answer = await act(client, acme, "flush")
        assert answer.status_code == 200, answer.text
        scope = {"tenant": "acme", "domain": "example.org", "campaign": "spring"}
        request = scope | {"reason": "flushed", "data": {}, "always_flush": True}
        assert sorted(fake.flushes, key=lambda one: one[0]) == [("mx1", request), ("mx2", request)]

    @pytest.mark.parametrize("action", ["flush", "hold", "release"])
    @pytest.mark.parametrize(
        "queue", ["acme@example.org", "postmta.log_hook", "example.org", "nobody@example.org", "null", "acme"]
    )
    async def test_a_queue_that_is_not_ones_own_is_not_found(
        self, client: Any, bob: Any, fleet: None, fake: FakeNodes, action: str, queue: str
    ) -> None:
        assert (await act(client, bob, action, queue)).status_code == 404
        assert fake.calls == []

    async def test_the_log_hook_is_nobodys_not_even_the_operators(
        self, client: Any, acme: Any, fleet: None, fake: FakeNodes
    ) -> None:
        for queue in ("postmta.log_hook", "x@postmta.log_hook", "nobody@example.org"):
            assert (await act(client, acme, "hold", queue)).status_code == 404
        assert fake.calls == []

    async def test_an_operator_may_hold_for_an_organization(
        self, client: Any, acme: Any, bob: Any, fleet: None, fake: FakeNodes
    ) -> None:
        assert (await act(client, acme, "hold", "bolt@example.org")).status_code == 200
        (shown,) = (await client.get(QUEUES, headers=bob)).json()["data"]
        assert shown["hold"]["author"] == "ann@acme.test"

    async def test_seeing_is_not_acting(self, client: Any, acme: Any, fleet: None, fake: FakeNodes) -> None:
        body = {"name": "reader", "scopes": ["queues:read"]}
        key = {"X-API-Key": (await client.post("/api/v1/api-keys", json=body, headers=acme)).json()["secret"]}
        assert (await client.get(QUEUES, headers=key)).status_code == 200
        assert (await act(client, key, "flush")).status_code == 403
        assert fake.calls == []

    @pytest.mark.parametrize(
        ("action", "body", "status"),
        [
            ("purge", None, 404),
            ("release", None, 409),
            ("flush", {"reason": "x"}, 422),
            ("hold", {"reason": ""}, 422),
            ("hold", {"expires_at": "2026-11-22T11:00:00Z"}, 422),
            ("hold", {"expires_at": "2026-11-23T11:00:00"}, 422),
            ("hold", {"expires_at": "2036-11-23T11:00:00Z"}, 422),
            ("hold", {"until": "x"}, 422),
        ],
    )
    async def test_what_makes_no_sense_is_refused(
        self, client: Any, acme: Any, fleet: None, fake: FakeNodes, action: str, body: Any, status: int
    ) -> None:
        assert (await act(client, acme, action, body=body)).status_code == status
        assert fake.calls == []


class TestHolding:
    async def test_every_node_holds_and_lets_go_then_flushes(
        self, client: Any, acme: Any, fleet: None, fake: FakeNodes, db: Any
    ) -> None:
        held = await hold(client, acme, reason="the landing page is down")
        assert fake.holding() == {"mx1": [QUEUE], "mx2": [QUEUE]}
        assert [one["ok"] for one in held["hold"]["nodes"]] == [True, True]
        shown = (await client.get(f"{QUEUES}?held=true", headers=acme)).json()["data"]
        assert [(one["id"], one["hold"]["reason"]) for one in shown] == [(QUEUE, "the landing page is down")]
        fake.calls.clear()
        released = await act(client, acme, "release")
        assert (released.status_code, released.json()["hold"]) == (200, None)
        assert fake.holding() == {"mx1": [], "mx2": []}
        assert fake.calls[:2] == [("DELETE", "/api/admin/suspend/v1"), ("POST", "/api/admin/rebind/v1")]
        assert {body["domain"] for _, body in fake.flushes} == {"example.org"}

    async def test_a_node_forgets_at_a_restart_and_is_told_again(
        self, client: Any, acme: Any, fleet: None, fake: FakeNodes, system: Any, db: Any, clock: Any
    ) -> None:
        await hold(client, acme)
        fake.held["mx1"].clear()
        clock.advance(seconds=30)
        async with db.transaction() as connection:
            await connection.execute(update(nodes).where(nodes.c.name == "mx1").values(online_since=clock()))
        count = fake.count
        await reconcile_here(system, db)
        assert fake.holding() == {"mx1": [QUEUE], "mx2": [QUEUE]}
        await reconcile_here(system, db)
        assert fake.count == count + 1, "once for the restarted node, and no more"

    async def test_a_node_that_is_away_is_told_when_it_is_back(
        self, client: Any, acme: Any, fleet: None, fake: FakeNodes, system: Any, db: Any
    ) -> None:
        fake.away = {"mx2"}
        held = await hold(client, acme)
        assert [(one["node"], one["ok"]) for one in held["nodes"]] == [("mx1", True), ("mx2", False)]
        fake.away = set()
        await reconcile_here(system, db)
        assert fake.holding() == {"mx1": [QUEUE], "mx2": [QUEUE]}
        fake.away = {"mx2"}
        released = (await act(client, acme, "release")).json()
        assert released["hold"]["releasing"]
        assert fake.holding() == {"mx1": [], "mx2": [QUEUE]}
        fake.away = set()
        await reconcile_here(system, db)
        assert fake.holding() == {"mx1": [], "mx2": []}
        async with db.reading() as connection:
            assert (await connection.execute(select(queue_holds))).all() == []

    async def test_a_lost_answer_leaves_no_hold_behind(
        self, client: Any, acme: Any, fleet: None, fake: FakeNodes
    ) -> None:
        fake.loses_answer = True
        assert [one["ok"] for one in (await hold(client, acme))["nodes"]] == [False, False]
        assert fake.holding() == {"mx1": [QUEUE], "mx2": [QUEUE]}, "it has it, and nobody knows the id"
        fake.loses_answer = False
        assert (await act(client, acme, "release")).json()["hold"] is None
        assert fake.holding() == {"mx1": [], "mx2": []}

    async def test_it_ends_by_itself(
        self, client: Any, acme: Any, fleet: None, fake: FakeNodes, system: Any, db: Any, clock: Any
    ) -> None:
        await hold(client, acme, expires_at="2026-11-22T12:10:00Z")
        assert {rule["expires"] for rule in fake.held["mx1"].values()} == {"2026-11-22T12:10:00+00:00"}
        clock.advance(minutes=11)
        await reconcile_here(system, db)
        assert fake.holding() == {"mx1": [], "mx2": []}
        assert len(fake.flushes) == 2

    async def test_a_hold_is_changed_in_place(self, client: Any, acme: Any, fleet: None, fake: FakeNodes) -> None:
        await hold(client, acme, reason="first")
        changed = await hold(client, acme, reason="second", expires_at="2026-11-22T13:00:00Z")
        assert changed["hold"]["reason"] == "second"
        assert {node: len(held) for node, held in fake.held.items()} == {"mx1": 1, "mx2": 1}
        assert {rule["reason"] for held in fake.held.values() for rule in held.values()} == {"second"}
