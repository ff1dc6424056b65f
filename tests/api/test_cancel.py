"""Cancelling and rescheduling: what waits here at once, what a node has through the node, and never a false promise."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from postmta_ctl.clients.kumod import NodeAddress, NodeTimeout
from postmta_ctl.core.ids import new_id
from postmta_ctl.errors import NodeFailed, NodeUnreachable
from postmta_ctl.features.ingest.service import ingest
from postmta_ctl.features.messages.cancelling import LONGEST_RETRY, TRIES, cancel_at_nodes
from postmta_ctl.features.messages.relay import relay
from postmta_ctl.features.nodes import access
from postmta_ctl.recent import Recent
from postmta_ctl.store.tables import cancellations, nodes, outbox, recipients

MAIL = {"from": "ann@acme.test", "to": ["bob@example.org"], "subject": "Hello", "text": "Hi"}
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass
class FakeNode:
    """Takes what is injected, and remembers what it was asked for."""

    injected: list[dict[str, Any]] = field(default_factory=list)
    rebinds: list[dict[str, Any]] = field(default_factory=list)
    failures: list[NodeFailed] = field(default_factory=list)
    """What happens to the next requests instead."""
    during: Any = None
    """Called in the middle of an injection."""

    async def inject(self, node: NodeAddress, body: bytes) -> tuple[int, bytes]:
        if self.failures:
            raise self.failures.pop(0)
        if self.during:
            await self.during()
        request = json.loads(body)
        people = [
            one | {"substitutions": request["substitutions"] | one["substitutions"]} for one in request["recipients"]
        ]
        self.injected += people
        return 200, json.dumps(
            {"success_count": len(people), "fail_count": 0, "failed_recipients": [], "errors": []}
        ).encode()

    async def admin(self, node: NodeAddress, method: str, path: str, body: Any = None) -> Any:
        assert (method, path) == ("POST", "/api/admin/rebind/v1")
        if self.failures:
            raise self.failures.pop(0)
        self.rebinds.append(body | {"node": node.name})
        return {}


@pytest.fixture
async def acme(client: Any, acme: Any) -> Any:
    """By an API key: an access token does not last for the hours that pass here."""
    body = {"name": "sender", "scopes": ["messages:read", "messages:send", "suppressions:write"]}
    return {"X-API-Key": (await client.post("/api/v1/api-keys", json=body, headers=acme)).json()["secret"]}


@pytest.fixture
def node() -> FakeNode:
    return FakeNode()


@pytest.fixture
async def here(client: Any, system: Any, db: Any, node: FakeNode) -> Any:
    """The system of the test's own event loop, with one node that the API knows as well."""
    node_id = new_id(NOW)
    sealed = access.seal(system, node_id, "sealed_admin_token", "t")
    async with db.transaction() as connection:
        await connection.execute(
            insert(nodes).values(
                id=node_id,
                name="mx1",
                kind="kumod",
                admin_url="http://127.0.0.1:1",
                policy_dir="/nowhere",
                ingest_token_digest=b"",
                sealed_ingest_token=b"",
                sealed_admin_token=sealed,
                created_at=NOW,
            )
        )
    here = dataclasses.replace(system, db=db, kumod=node, node_addresses=Recent(3600))
    here.node_addresses.set((NodeAddress(name="mx1", admin_url="http://127.0.0.1:1", token="t"),))
    object.__setattr__(system, "kumod", node)
    node.close = system_close  # type: ignore[attr-defined]
    return here


async def system_close() -> None:
    pass


async def send(client: Any, auth: Any, **changes: Any) -> Any:
    answer = await client.post("/api/v1/messages/send", json=MAIL | changes, headers=auth)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def cancel(client: Any, auth: Any, sent: Any) -> Any:
    answer = await client.post(f"/api/v1/messages/{sent['id']}/cancel", headers=auth)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def show(client: Any, auth: Any, sent: Any) -> Any:
    return (await client.get(f"/api/v1/messages/{sent['id']}", headers=auth)).json()


async def rows(db: Any, table: Any) -> int:
    async with db.reading() as connection:
        return len((await connection.execute(select(table))).all())


async def log(here: Any, kind: str, rid: str, **fields: Any) -> None:
    record = {
        "type": kind,
        "id": f"s-{kind}",
        "nodeid": "n",
        "event_time": "2026-11-22T12:00:01Z",
        "meta": {"x_rid": rid},
    }
    record |= {"recipient": "bob@example.org", "queue": "acme@example.org", "sender": ""} | fields
    await ingest(here, "mx1", json.dumps(record).encode())


class TestHere:
    """What no node can have."""

    async def test_a_waiting_message_is_cancelled_at_once(
        self, client: Any, acme: Any, here: Any, node: FakeNode, db: Any
    ) -> None:
        sent = await send(client, acme, to=["a@example.org", "b@example.org"])
        answer = await cancel(client, acme, sent)
        assert answer["result"] == "cancelled"
        assert [one["result"] for one in answer["recipients"]] == ["cancelled", "cancelled"]
        assert await rows(db, outbox) == 0
        await relay(here)
        assert node.injected == []
        shown = await show(client, acme, sent)
        assert shown["status"] == "cancelled"
        assert [entry["type"] for entry in shown["timeline"]].count("message.cancelled") == 2

    async def test_once_cancelled_it_stays_so(self, client: Any, acme: Any, here: Any) -> None:
        sent = await send(client, acme)
        first = await cancel(client, acme, sent)
        assert await cancel(client, acme, sent) == first

    async def test_the_credit_comes_back(self, client: Any, acme: Any, here: Any, db: Any) -> None:
        sent = await send(client, acme)
        await cancel(client, acme, sent)
        async with db.reading() as connection:
            assert await connection.scalar(select(recipients.c.credit_state)) == "refunded"

    async def test_a_node_that_did_not_take_it_does_not_count(
        self, client: Any, acme: Any, here: Any, node: FakeNode
    ) -> None:
        sent = await send(client, acme)
        node.failures.append(NodeUnreachable("nobody there"))
        await relay(here)
        assert (await cancel(client, acme, sent))["result"] == "cancelled"

    async def test_suppressed_recipients_are_not_called_cancelled(self, client: Any, acme: Any, here: Any) -> None:
        await client.post("/api/v1/suppressions", json={"address": "bob@example.org"}, headers=acme)
        both = await cancel(client, acme, await send(client, acme, to=["bob@example.org", "eve@example.org"]))
        assert [one["result"] for one in both["recipients"]] == ["suppressed", "cancelled"]
        assert both["result"] == "cancelled"
        assert (await cancel(client, acme, await send(client, acme)))["result"] == "suppressed"

    async def test_another_organizations_message_is_not_found(
        self, client: Any, acme: Any, bob: Any, here: Any, db: Any
    ) -> None:
        sent = await send(client, acme)
        for method, path, body in (("POST", "cancel", None), ("PUT", "schedule", {"send_at": "2026-11-23T00:00:00Z"})):
            answer = await client.request(method, f"/api/v1/messages/{sent['id']}/{path}", json=body, headers=bob)
            assert answer.status_code == 404
        assert await rows(db, outbox) == 1

    async def test_many_at_once_and_the_relay_agree(
        self, client: Any, acme: Any, here: Any, node: FakeNode, db: Any
    ) -> None:
        sent = [await send(client, acme, to=[f"r{number}@example.org"]) for number in range(12)]
        answers, _ = await asyncio.gather(asyncio.gather(*(cancel(client, acme, one) for one in sent)), relay(here))
        gone = {one["recipients"][0]["address"] for one in answers if one["result"] == "cancelled"}
        given = {one["email"] for one in node.injected}
        assert gone.isdisjoint(given)
        assert gone | given == {f"r{number}@example.org" for number in range(12)}


class TestAtANode:
    """What a node has, or may have."""

    async def test_the_node_is_asked_for_exactly_this_recipient(
        self, client: Any, acme: Any, here: Any, node: FakeNode
    ) -> None:
        sent = await send(client, acme, to=["Bob@Example.org"], tags=["Spring"])
        await relay(here)
        assert (await cancel(client, acme, sent))["result"] == "pending"
        rid = sent["recipients"][0]["id"]
        (request,) = node.rebinds
        assert request == {
            "node": "mx1",
            "tenant": "acme",
            "domain": "example.org",
            "campaign": "spring",
            "reason": "cancelled through the API",
            "data": {"cancel_ids": rid},
            "trigger_rebind_event": True,
        }
        assert (await show(client, acme, sent))["status"] == "injected"
        await log(here, "AdminRebind", rid, queue="null")
        assert (await show(client, acme, sent))["status"] == "cancelled"
        assert (await cancel(client, acme, sent))["result"] == "cancelled"
        await cancel_at_nodes(here)
        assert len(node.rebinds) == 1

    @pytest.mark.parametrize("kind", ["Delivery", "Bounce"])
    async def test_what_is_over_is_too_late(self, client: Any, acme: Any, here: Any, node: FakeNode, kind: str) -> None:
        sent = await send(client, acme)
        await relay(here)
        await log(here, kind, sent["recipients"][0]["id"], response={"code": 250, "content": "ok"})
        assert (await cancel(client, acme, sent))["result"] == "too_late"
        assert node.rebinds == []

    async def test_each_recipient_has_its_own_result(self, client: Any, acme: Any, here: Any) -> None:
        sent = await send(client, acme, to=["a@example.org", "b@example.org"])
        await relay(here)
        await log(here, "Delivery", sent["recipients"][0]["id"], response={"code": 250})
        answer = await cancel(client, acme, sent)
        assert answer["result"] == "partial"
        assert [one["result"] for one in answer["recipients"]] == ["too_late", "pending"]

    async def test_a_node_that_is_away_is_asked_again(
        self, client: Any, acme: Any, here: Any, node: FakeNode, clock: Any
    ) -> None:
        sent = await send(client, acme)
        await relay(here)
        node.failures.append(NodeUnreachable("nobody there"))
        assert (await cancel(client, acme, sent))["result"] == "pending"
        await cancel_at_nodes(here)
        assert node.rebinds == [], "its time has not come"
        clock.advance(seconds=6)
        await cancel_at_nodes(here)
        assert len(node.rebinds) == 1

    async def test_asking_ends(self, client: Any, acme: Any, here: Any, node: FakeNode, clock: Any, db: Any) -> None:
        sent = await send(client, acme)
        await relay(here)
        await cancel(client, acme, sent)
        for _ in range(2 * TRIES):
            clock.advance(seconds=LONGEST_RETRY.total_seconds() + 1)
            await cancel_at_nodes(here)
        assert len(node.rebinds) == TRIES
        assert await rows(db, cancellations) == 0

    async def test_what_the_relay_holds_is_cancelled_when_it_comes_back(
        self, client: Any, acme: Any, here: Any, node: FakeNode, clock: Any
    ) -> None:
        sent = await send(client, acme)
        node.failures.append(NodeTimeout("no answer"))
        await relay(here)
        assert (await cancel(client, acme, sent))["result"] == "pending"
        clock.advance(minutes=6)
        await relay(here)
        assert node.injected == []
        assert (await show(client, acme, sent))["status"] == "cancelled"

    async def test_what_turns_out_to_be_at_the_node_is_cancelled_there(
        self, client: Any, acme: Any, here: Any, node: FakeNode, clock: Any
    ) -> None:
        sent = await send(client, acme)
        node.failures.append(NodeTimeout("no answer"))
        await relay(here)
        await cancel(client, acme, sent)
        await log(here, "Reception", sent["recipients"][0]["id"])
        clock.advance(minutes=6)
        await relay(here)
        await cancel_at_nodes(here)
        assert [one["data"]["cancel_ids"] for one in node.rebinds] == [sent["recipients"][0]["id"]]
        assert (await show(client, acme, sent))["status"] == "accepted"

    async def test_in_the_middle_of_an_injection(
        self, client: Any, acme: Any, here: Any, node: FakeNode, clock: Any
    ) -> None:
        sent = await send(client, acme)
        results: list[str] = []

        async def meanwhile() -> None:
            results.append((await cancel(client, acme, sent))["result"])

        node.during = meanwhile
        await relay(here)
        assert results == ["pending"]
        clock.advance(seconds=61)
        await cancel_at_nodes(here)
        assert len(node.rebinds) == 1

    async def test_a_relay_that_died_gives_it_back(
        self, client: Any, acme: Any, here: Any, node: FakeNode, clock: Any, db: Any
    ) -> None:
        sent = await send(client, acme)
        async with db.transaction() as connection:
            await connection.execute(update(outbox).values(attempts=1, due_at=clock() + timedelta(seconds=90)))
        assert (await cancel(client, acme, sent))["result"] == "pending"
        clock.advance(seconds=91)
        await relay(here)
        assert node.injected == []
        assert (await show(client, acme, sent))["status"] == "cancelled"


class TestSchedule:
    async def test_nothing_leaves_before_its_time(
        self, client: Any, acme: Any, here: Any, node: FakeNode, clock: Any
    ) -> None:
        sent = await send(client, acme, send_at="2026-11-22T15:00:00+02:00")
        assert (sent["status"], sent["scheduled_at"]) == ("queued", "2026-11-22T13:00:00Z")
        clock.advance(minutes=59)
        await relay(here)
        assert node.injected == []
        clock.advance(minutes=1)
        await relay(here)
        (given,) = node.injected
        assert parsedate_to_datetime(self.date(given)) == NOW + timedelta(hours=1)

    def date(self, given: Any) -> str:
        return next(value for value in given["substitutions"].values() if value.startswith("Sun, 22 Nov"))

    @pytest.mark.parametrize(
        ("send_at", "code"),
        [
            ("2026-11-22T15:00:00", "time_zone_missing"),
            ("2027-01-22T15:00:00Z", "too_far_ahead"),
            ("2026-11-22T11:00:00Z", "in_the_past"),
            ("tomorrow", "invalid"),
        ],
    )
    async def test_moments_that_make_no_sense_are_refused(
        self, client: Any, acme: Any, here: Any, send_at: str, code: str
    ) -> None:
        answer = await client.post("/api/v1/messages/send", json=MAIL | {"send_at": send_at}, headers=acme)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code)
        sent = await send(client, acme)
        moved = await client.put(f"/api/v1/messages/{sent['id']}/schedule", json={"send_at": send_at}, headers=acme)
        assert (moved.status_code, moved.json()["errors"][0]["code"]) == (422, code)

    async def test_a_moment_that_has_just_passed_means_at_once(self, client: Any, acme: Any, here: Any) -> None:
        assert (await send(client, acme, send_at="2026-11-22T11:59:00Z"))["scheduled_at"] is None

    async def test_a_message_is_moved_while_it_waits(
        self, client: Any, acme: Any, here: Any, node: FakeNode, clock: Any
    ) -> None:
        sent = await send(client, acme, send_at="2026-11-22T13:00:00Z")
        path = f"/api/v1/messages/{sent['id']}/schedule"
        moved = await client.put(path, json={"send_at": "2026-11-22T20:00:00Z"}, headers=acme)
        assert moved.json() == {"id": sent["id"], "scheduled_at": "2026-11-22T20:00:00Z"}
        clock.advance(hours=2)
        await relay(here)
        assert node.injected == []
        assert (await show(client, acme, sent))["scheduled_at"] == "2026-11-22T20:00:00Z"
        now = await client.put(path, json={"send_at": "2026-11-22T14:00:00Z"}, headers=acme)
        assert now.json()["scheduled_at"] is None
        await relay(here)
        assert parsedate_to_datetime(self.date(node.injected[0])) == NOW + timedelta(hours=2)
        late = await client.put(path, json={"send_at": "2026-11-22T20:00:00Z"}, headers=acme)
        assert (late.status_code, late.json()["code"]) == (409, "too_late")

    async def test_what_a_node_may_have_is_not_moved(self, client: Any, acme: Any, here: Any, node: FakeNode) -> None:
        sent = await send(client, acme)
        node.failures.append(NodeTimeout("no answer"))
        await relay(here)
        path = f"/api/v1/messages/{sent['id']}/schedule"
        assert (await client.put(path, json={"send_at": "2026-11-23T00:00:00Z"}, headers=acme)).status_code == 409

    async def test_who_was_suppressed_while_it_waited_gets_nothing(
        self, client: Any, acme: Any, here: Any, node: FakeNode, clock: Any
    ) -> None:
        sent = await send(client, acme, to=["Bob@example.org", "eve@example.org"], send_at="2026-11-22T13:00:00Z")
        await client.post("/api/v1/suppressions", json={"address": "bob@example.org"}, headers=acme)
        clock.advance(hours=1)
        await relay(here)
        assert [one["email"] for one in node.injected] == ["eve@example.org"]
        shown = await show(client, acme, sent)
        assert [one["status"] for one in shown["recipients"]] == ["suppressed", "injected"]

    async def test_a_scheduled_message_is_cancelled(self, client: Any, acme: Any, here: Any) -> None:
        sent = await send(client, acme, send_at="2026-11-22T13:00:00Z")
        assert (await cancel(client, acme, sent))["result"] == "cancelled"
        path = f"/api/v1/messages/{sent['id']}/schedule"
        assert (await client.put(path, json={"send_at": "2026-11-23T00:00:00Z"}, headers=acme)).status_code == 409


async def test_one_click_fields_are_each_recipients_own(client: Any, acme: Any, here: Any, node: FakeNode) -> None:
    await send(client, acme, to=["a@example.org", "b@example.org"], unsubscribe=True)
    await relay(here)
    links = {value for one in node.injected for value in one["substitutions"].values() if "/unsubscribe/" in value}
    assert len(links) == 2
    assert all(link.startswith("<http") and link.endswith(">") for link in links)


class TestFilters:
    @pytest.fixture
    async def some(self, client: Any, acme: Any, resolver: Any, clock: Any) -> dict[str, str]:
        first = await send(client, acme, subject="1", tags=["Spring sale", "b"], to=["Bob@example.org"])
        clock.advance(hours=1)
        body = {"messages": [MAIL | {"subject": "2", "from": "Eve@acme.test"}], "batch_id": "week 1"}
        batch = (await client.post("/api/v1/messages/batch", json=body, headers=acme)).json()
        clock.advance(hours=1)
        third = await send(client, acme, subject="3", tags=["b"], to=["x@example.org"], cc=["y@other.test"])
        return {"1": first["id"], "2": batch["results"][0]["message"]["id"], "3": third["id"]}

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", "321"),
            ("to=BOB@example.org", "21"),
            ("to=y@other.test", "3"),
            ("from=eve@ACME.test", "2"),
            ("domain=Acme.test", "321"),
            ("domain=other.test", ""),
            ("tag=b", "31"),
            ("tag=Spring%20sale", "1"),
            ("batch_id=week%201", "2"),
            ("created_after=2026-11-22T13:00:00Z", "32"),
            ("created_before=2026-11-22T13:00:00Z", "1"),
            ("created_after=2026-11-22T12:30:00Z&created_before=2026-11-22T13:30:00Z&status=queued", "2"),
            ("tag=b&to=x@example.org", "3"),
            ("status=delivered", ""),
        ],
    )
    async def test_all_filters_must_hold(self, client: Any, acme: Any, some: Any, query: str, found: str) -> None:
        answer = await client.get(f"/api/v1/messages?{query}", headers=acme)
        assert answer.status_code == 200, answer.text
        assert "".join(one["subject"] for one in answer.json()["data"]) == found

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("to=x", "to"),
            ("from=%40", "from"),
            ("domain=a%20b", "domain"),
            ("created_after=2026-11-22T12:00:00", "created_after"),
        ],
    )
    async def test_what_is_no_filter_is_refused(self, client: Any, acme: Any, query: str, field: str) -> None:
        answer = await client.get(f"/api/v1/messages?{query}", headers=acme)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)

    async def test_another_organization_finds_nothing(self, client: Any, some: Any, bob: Any) -> None:
        for query in ("to=bob@example.org", "tag=b", "batch_id=week%201"):
            assert (await client.get(f"/api/v1/messages?{query}", headers=bob)).json()["data"] == []
