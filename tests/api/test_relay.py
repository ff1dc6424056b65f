"""The relay against a node that keeps state: what it was given, and how it answers."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, update

from postmta_ctl.clients.kumod import NodeAddress, NodeTimeout
from postmta_ctl.core import kept_content
from postmta_ctl.errors import NodeUnreachable
from postmta_ctl.features.ingest.service import ingest
from postmta_ctl.features.messages.lease_queries import lease
from postmta_ctl.features.messages.relay import RECORD_WAIT, relay
from postmta_ctl.features.messages.relay_queries import settle_later
from postmta_ctl.recent import Recent
from postmta_ctl.store.tables import message_contents, nodes, outbox, recipients
from tests.api.test_rollups import check

MAIL = {"from": "ann@acme.test", "to": ["bob@example.org"], "subject": "Hello", "text": "Hi"}


class Killed(BaseException):
    """The process ends here: nothing of ours catches this."""


@dataclass
class FakeNode:
    """Answers injections as kumod does, and refuses a repeated recipient as our policy does."""

    requests: list[dict[str, Any]] = field(default_factory=list)
    taken: dict[str, dict[str, Any]] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    """Address → the text it is refused with."""
    answers: list[Any] = field(default_factory=list)
    """What to do with the next requests instead: an exception to raise, or a status to answer."""
    loses_answer: bool = False
    """Take the mail, then break the connection."""

    async def inject(self, node: NodeAddress, body: bytes) -> tuple[int, bytes]:
        request = json.loads(body)
        self.requests.append(request)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, BaseException):
                raise answer
            return answer, b"no"
        errors = {one["email"]: words for one in request["recipients"] if (words := self._refusal(one, request))}
        if self.loses_answer:
            raise NodeTimeout("connection reset")
        counts = {"success_count": len(request["recipients"]) - len(errors), "fail_count": len(errors)}
        failures = {"failed_recipients": list(errors), "errors": [f"{a}: {w}" for a, w in errors.items()]}
        return 200, json.dumps(counts | failures).encode()

    def _refusal(self, recipient: dict[str, Any], request: dict[str, Any]) -> str | None:
        if words := self.refusals.get(recipient["email"]):
            return words
        fence = f"{recipient['metadata']['rid']}#{recipient['metadata']['attempt']}"
        if fence in self.taken:
            return f"550 postmta-duplicate rid={fence}"
        self.taken[fence] = recipient | {"request": request}
        return None


@pytest.fixture
def node() -> FakeNode:
    return FakeNode()


@pytest.fixture
def relaying(system: Any, db: Any, node: FakeNode) -> Any:
    """The system of the test's own event loop, with one node."""
    here = dataclasses.replace(system, db=db, kumod=node, node_addresses=Recent(3600))
    here.node_addresses.set((NodeAddress(name="mx1", admin_url="http://127.0.0.1:1", token="t"),))
    return here


async def send(client: Any, headers: Any, **changes: Any) -> Any:
    answer = await client.post("/api/v1/messages/send", json=MAIL | changes, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def state(db: Any) -> list[tuple[str, str, int | None]]:
    """Each recipient's address, status, and how often it was tried if it still waits in the outbox."""
    query = select(recipients.c.address, recipients.c.status, outbox.c.attempts)
    query = query.outerjoin(outbox, outbox.c.recipient_id == recipients.c.id).order_by(recipients.c.id)
    async with db.reading() as connection:
        return [tuple(row) for row in await connection.execute(query)]


async def test_many_different_messages_travel_in_one_request(
    client: Any, acme: Any, relaying: Any, node: FakeNode, db: Any
) -> None:
    for number in range(5):
        await send(client, acme, to=[f"r{number}@example.org"], subject=f"Nº {number} {{{{ x }}}}", tags=["Spring!"])
    await relay(relaying)
    assert [len(request["recipients"]) for request in node.requests] == [5]
    assert await state(db) == [(f"r{number}@example.org", "injected", None) for number in range(5)]
    metadata = node.requests[0]["recipients"][0]["metadata"]
    assert metadata == {"rid": metadata["rid"], "tenant": "acme", "campaign": "spring", "attempt": 1}
    assert not await relay(relaying)


async def test_messages_with_attachments_travel_alone(client: Any, acme: Any, relaying: Any, node: FakeNode) -> None:
    file = {"filename": "a.txt", "content": "aGVsbG8=", "content_type": "text/plain"}
    await send(client, acme, attachments=[file], to=["a@example.org", "b@example.org"])
    await send(client, acme, attachments=[file])
    await send(client, acme)
    await relay(relaying)
    shapes = sorted((len(one["recipients"]), "attachments" in one["content"]) for one in node.requests)
    assert shapes == [(1, False), (1, True), (2, True)]


async def test_what_an_earlier_version_took_in_is_sent(
    client: Any, acme: Any, relaying: Any, node: FakeNode, db: Any
) -> None:
    await send(client, acme, subject="earlier", to=["ann@example.org"])
    await send(client, acme, subject="later")
    async with db.transaction() as connection:
        rows = (await connection.execute(select(message_contents).order_by(message_contents.c.message_id))).all()
        content = msgspec.msgpack.encode(kept_content.read(rows[0].content).opened())
        these = message_contents.c.message_id == rows[0].message_id
        await connection.execute(update(message_contents).where(these).values(content=content))
    await relay(relaying)
    (request,) = node.requests
    subject = request["content"]["headers"]["Subject"].strip("{}")
    assert [one["substitutions"][subject] for one in request["recipients"]] == ["earlier", "later"]
    assert [one["substitutions"]["text"] for one in request["recipients"]] == ["Hi", "Hi"]


async def test_a_pinned_message_names_its_vmta(client: Any, acme: Any, relaying: Any, node: FakeNode) -> None:
    vmta = {"name": "mx1", "ip_address": "192.0.2.1", "ehlo_domain": "mx1.acme.test"}
    assert (await client.post("/api/v1/vmtas", json=vmta, headers=acme)).status_code == 201
    await send(client, acme, vmta="mx1")
    await relay(relaying)
    assert node.requests[0]["recipients"][0]["metadata"]["tenant"] == "acme.mx1"


async def test_tracking_is_put_in_for_each_recipient(client: Any, acme: Any, relaying: Any, node: FakeNode) -> None:
    html = "<a href='https://example.org/'>x</a>"
    await send(client, acme, text=None, html=html, to=["a@example.org", "b@example.org"], track_clicks=True)
    await relay(relaying)
    bodies = [one["substitutions"]["html"] for one in node.requests[0]["recipients"]]
    assert len(set(bodies)) == 2
    assert all("/track/click/" in body for body in bodies)


async def test_what_the_policy_refuses_for_good_is_bounced(
    client: Any, acme: Any, relaying: Any, node: FakeNode, db: Any
) -> None:
    node.refusals["bad@example.org"] = "550 5.7.1 postmta-bad-from: no\nstack traceback:\n\t[C]"
    sent = await send(client, acme, to=["bad@example.org", "good@example.org"])
    await relay(relaying)
    assert await state(db) == [("bad@example.org", "bounced", None), ("good@example.org", "injected", None)]
    shown = (await client.get(f"/api/v1/messages/{sent['id']}", headers=acme)).json()
    assert shown["status"] == "injected"
    assert shown["recipients"][0]["reply"] == "550 5.7.1 postmta-bad-from: no"
    assert shown["recipients"][0]["bounce_class"] == "policy"


async def test_what_the_policy_refuses_is_an_event_counted_and_told(
    client: Any, acme: Any, relaying: Any, node: FakeNode, db: Any
) -> None:
    hook = {"url": "https://example.com/hook", "events": ["message.rejected"]}
    webhook = (await client.post("/api/v1/webhooks", json=hook, headers=acme)).json()["webhook"]["id"]
    node.refusals["bad@example.org"] = "550 5.7.1 postmta-bad-from: no"
    sent = await send(client, acme, to=["bad@example.org", "good@example.org"], tags=["spring"])
    await relay(relaying)
    timeline = (await client.get(f"/api/v1/messages/{sent['id']}", headers=acme)).json()["timeline"]
    told = [(one["type"], one["code"], one["reply"]) for one in timeline if one["type"] != "message.queued"]
    assert told == [("message.rejected", 550, "550 5.7.1 postmta-bad-from: no")]
    counts = (await client.get("/api/v1/analytics/summary", headers=acme)).json()["counts"]
    assert (counts["rejected"], counts["bounced"]) == (1, 0)
    log = (await client.get(f"/api/v1/webhooks/{webhook}/deliveries", headers=acme)).json()["data"]
    assert [one["payload"]["data"]["recipient"] for one in log] == ["bad@example.org"]
    await check(db)


@pytest.mark.parametrize(
    "words",
    [
        "550 5.7.1 postmta-unknown-tenant: not known to this release",
        "KumoMTA internal: QueueManager::insert failed during reception",
        "451 4.3.0 busy",
    ],
)
async def test_the_nodes_own_trouble_is_never_blamed_on_the_address(
    client: Any, acme: Any, relaying: Any, node: FakeNode, db: Any, clock: Any, words: str
) -> None:
    node.refusals["bob@example.org"] = words
    await send(client, acme)
    await relay(relaying)
    assert await state(db) == [("bob@example.org", "queued", 1)]
    assert not await relay(relaying)
    node.refusals.clear()
    clock.advance(seconds=2)
    await relay(relaying)
    assert await state(db) == [("bob@example.org", "injected", None)]


async def test_a_dead_node_is_tried_again_ever_more_slowly(
    client: Any, acme: Any, relaying: Any, node: FakeNode, db: Any, clock: Any
) -> None:
    await send(client, acme)
    tried = []
    for second in range(40):
        node.answers = [NodeUnreachable("refused")]
        before = len(node.requests)
        await relay(relaying)
        tried += [second] * (len(node.requests) - before)
        clock.advance(seconds=1)
    assert tried == [0, 1, 3, 7, 15, 31]


async def test_a_request_that_fails_whole_is_taken_apart(
    client: Any, acme: Any, relaying: Any, node: FakeNode, db: Any, clock: Any
) -> None:
    await send(client, acme, to=["a@example.org"])
    await send(client, acme, to=["b@example.org"])
    node.answers = [422]
    await relay(relaying)
    clock.advance(seconds=2)
    node.answers = [422]
    await relay(relaying)
    assert [len(one["recipients"]) for one in node.requests] == [2, 1, 1]
    assert sorted(status for _, status, _ in await state(db)) == ["bounced", "injected"]


class TestUnknown:
    """The node may have taken the mail; nobody was told."""

    async def test_the_fence_answers_a_repetition(
        self, client: Any, acme: Any, relaying: Any, node: FakeNode, db: Any, clock: Any
    ) -> None:
        node.loses_answer = True
        await send(client, acme)
        await relay(relaying)
        assert await state(db) == [("bob@example.org", "queued", 1)]
        node.loses_answer = False
        clock.advance(seconds=2)
        assert not await relay(relaying), "its record may still come"
        clock.advance(seconds=RECORD_WAIT.total_seconds())
        await relay(relaying)
        assert await state(db) == [("bob@example.org", "injected", None)]
        assert len(node.taken) == 1

    async def test_its_reception_record_settles_it(
        self, client: Any, acme: Any, relaying: Any, node: FakeNode, db: Any, clock: Any
    ) -> None:
        node.loses_answer = True
        sent = await send(client, acme)
        await relay(relaying)
        rid = sent["recipients"][0]["id"]
        await ingest(relaying, "mx1", record("Reception", rid))
        clock.advance(seconds=RECORD_WAIT.total_seconds() + 1)
        await relay(relaying)
        assert len(node.requests) == 1
        assert await state(db) == [("bob@example.org", "accepted", None)]

    async def test_a_message_that_the_node_could_not_queue_is_not_there(
        self, client: Any, acme: Any, relaying: Any, node: FakeNode, db: Any, clock: Any
    ) -> None:
        node.answers = [NodeTimeout("reset")]
        sent = await send(client, acme)
        await relay(relaying)
        rid = sent["recipients"][0]["id"]
        failure = "KumoMTA internal: QueueManager::insert failed during reception: no pool"
        await ingest(relaying, "mx1", record("Bounce", rid, failure))
        await ingest(relaying, "mx1", record("Reception", rid))
        clock.advance(seconds=RECORD_WAIT.total_seconds() + 1)
        await relay(relaying)
        assert len(node.taken) == 1

    async def test_what_the_node_took_and_lost_is_sent_again(
        self, client: Any, acme: Any, relaying: Any, node: FakeNode, db: Any, clock: Any
    ) -> None:
        node.loses_answer = True
        sent = await send(client, acme)
        await relay(relaying)
        node.loses_answer = False
        clock.advance(seconds=RECORD_WAIT.total_seconds() + 1)
        rid = sent["recipients"][0]["id"]
        failure = "KumoMTA internal: QueueManager::insert failed during reception: no pool"
        await ingest(relaying, "mx1", record("Bounce", rid, failure))
        await relay(relaying)
        assert await state(db) == [("bob@example.org", "deferred", 2)], "the fence knows it, and the log knows better"
        clock.advance(seconds=3)
        await relay(relaying)
        assert len(node.taken) == 2
        assert [waiting for _, _, waiting in await state(db)] == [None]

    async def test_a_failure_that_is_told_late_brings_it_back(
        self, client: Any, acme: Any, relaying: Any, node: FakeNode, db: Any
    ) -> None:
        sent = await send(client, acme)
        await relay(relaying)
        rid = sent["recipients"][0]["id"]
        failure = "KumoMTA internal: QueueManager::insert failed during reception: no pool"
        await ingest(relaying, "mx1", record("Bounce", rid, failure))
        async with db.reading() as connection:
            assert (await connection.scalar(select(outbox.c.octets)) or 0) > 0
        await relay(relaying)
        assert len(node.taken) == 2


async def test_the_mail_of_a_relay_that_died_is_taken_over(
    client: Any, acme: Any, relaying: Any, node: FakeNode, db: Any, clock: Any
) -> None:
    await send(client, acme)
    node.answers = [Killed()]
    with pytest.raises(Killed):
        await relay(relaying)
    assert not await relay(relaying), "the lease holds"
    clock.advance(seconds=91)
    await relay(relaying)
    assert await state(db) == [("bob@example.org", "injected", None)]


async def test_what_a_dead_relay_had_given_to_a_node_is_told_by_the_nodes_record(
    client: Any, acme: Any, relaying: Any, node: FakeNode, db: Any, clock: Any
) -> None:
    sent = await send(client, acme)
    node.answers = [Killed()]
    with pytest.raises(Killed):
        await relay(relaying)
    # The node was restarted as well and has forgotten what its fence let pass.
    await ingest(relaying, "mx1", record("Reception", sent["recipients"][0]["id"]))
    clock.advance(seconds=91)
    await relay(relaying)
    assert len(node.requests) == 1
    assert await state(db) == [("bob@example.org", "accepted", None)]


def record(kind: str, rid: str, content: str = "") -> bytes:
    """A log record of the one spool id."""
    return json.dumps(
        {
            "type": kind,
            "id": "0" * 32,
            "sender": f"b+{rid}@bounce.postmta.test",
            "recipient": "bob@example.org",
            "queue": "acme@example.org",
            "event_time": "2026-11-22T12:00:00.000000001Z",
            "response": {"code": 250 if kind == "Reception" else 500, "content": content},
            "meta": {"x_rid": rid, "tenant": "acme"},
            "nodeid": "n",
        }
    ).encode()


async def test_who_is_suppressed_by_the_word_of_a_node_is_so_if_we_say_so_too(
    client: Any, acme: Any, relaying: Any, node: FakeNode, db: Any, clock: Any
) -> None:
    node.refusals = {f"{name}@example.org": "550 5.7.1 postmta-suppressed: no" for name in ("gone", "back")}
    await send(client, acme, to=["gone@example.org", "back@example.org"])
    added = {"address": "gone@example.org", "reason": "manual"}
    assert (await client.post("/api/v1/suppressions", json=added, headers=acme)).status_code == 201
    await relay(relaying)
    assert await state(db) == [("gone@example.org", "suppressed", None), ("back@example.org", "queued", 1)]
    node.refusals.clear()
    clock.advance(seconds=5)
    await relay(relaying)
    assert await state(db) == [("gone@example.org", "suppressed", None), ("back@example.org", "injected", None)]


async def test_each_recipient_knows_the_release_that_took_it_in(
    client: Any, acme: Any, relaying: Any, node: FakeNode, db: Any, tmp_path: Any
) -> None:
    body = {"name": "mx1", "admin_url": "http://127.0.0.1:1", "policy_dir": str(tmp_path)}
    assert (await client.post("/api/v1/nodes", json=body, headers=acme)).status_code == 201
    async with db.transaction() as connection:
        await connection.execute(update(nodes).values(running_release=7))
    node.refusals["bad@example.org"] = "550 5.7.1 postmta-bad-from: no"
    sent = await send(client, acme, to=["bad@example.org", "good@example.org"])
    await relay(relaying)
    assert await releases_of(db) == [7, 7]
    # The node was brought to another release in that moment, as its record tells.
    line = json.loads(record("Reception", sent["recipients"][1]["id"]))
    line["meta"]["x_release"] = 8
    await ingest(relaying, "mx1", json.dumps(line).encode())
    assert await releases_of(db) == [7, 8]
    delivered = record("Delivery", sent["recipients"][1]["id"]).replace(b'"code": 500', b'"code": 250')
    await ingest(relaying, "mx1", delivered)
    assert await releases_of(db) == [7, 8]


async def releases_of(db: Any) -> list[int | None]:
    async with db.reading() as connection:
        return list(await connection.scalars(select(recipients.c.release).order_by(recipients.c.id)))


class TestSeveralNodes:
    """Which node mail goes to, and which it must not."""

    @pytest.fixture
    def fleet(self) -> dict[str, FakeNode]:
        return {"n1": FakeNode(), "n2": FakeNode()}

    @pytest.fixture
    def several(self, relaying: Any, fleet: dict[str, FakeNode]) -> Any:
        class Nodes:
            async def inject(self, node: NodeAddress, body: bytes) -> tuple[int, bytes]:
                return await fleet[node.name].inject(node, body)

        here = dataclasses.replace(relaying, kumod=Nodes(), node_addresses=Recent(3600))
        weights = {"n1": 3, "n2": 1}
        here.node_addresses.set(
            tuple(NodeAddress(name=name, admin_url="http://h", token="t", weight=weights[name]) for name in fleet)
        )
        return here

    async def test_each_gets_its_share(
        self, client: Any, acme: Any, several: Any, fleet: dict[str, FakeNode], db: Any
    ) -> None:
        await send(client, acme, to=[f"r{number}@example.org" for number in range(8)])
        await relay(several)
        assert {name: len(node.taken) for name, node in fleet.items()} == {"n1": 6, "n2": 2}
        async with db.reading() as connection:
            found = list(await connection.scalars(select(recipients.c.node).where(recipients.c.status == "injected")))
        assert sorted(found) == ["n1"] * 6 + ["n2"] * 2

    @pytest.mark.parametrize("answer", [503, 401, NodeUnreachable("refused")])
    async def test_what_one_declines_another_takes_at_once(
        self, client: Any, acme: Any, several: Any, fleet: dict[str, FakeNode], db: Any, answer: Any
    ) -> None:
        fleet["n1"].answers = [answer]
        await send(client, acme)
        await relay(several)
        assert (len(fleet["n1"].requests), len(fleet["n2"].taken)) == (1, 1)
        assert await state(db) == [("bob@example.org", "injected", None)]
        await send(client, acme)
        await relay(several)
        assert (len(fleet["n1"].requests), len(fleet["n2"].taken)) == (1, 2), "for a moment it is passed over"

    async def test_when_all_decline_it_waits(
        self, client: Any, acme: Any, several: Any, fleet: dict[str, FakeNode], db: Any, clock: Any
    ) -> None:
        for node in fleet.values():
            node.answers = [503]
        await send(client, acme)
        await relay(several)
        assert await state(db) == [("bob@example.org", "queued", 1)]
        clock.advance(seconds=2)
        await relay(several)
        assert await state(db) == [("bob@example.org", "injected", None)]

    @pytest.mark.parametrize("end", ["no answer", "relay killed"])
    async def test_what_a_node_may_have_is_given_to_no_other(
        self, client: Any, acme: Any, several: Any, fleet: dict[str, FakeNode], db: Any, clock: Any, end: str
    ) -> None:
        await send(client, acme)
        if end == "no answer":
            fleet["n1"].loses_answer = True
            await relay(several)
        else:
            fleet["n1"].answers = [Killed()]
            with pytest.raises(Killed):
                await relay(several)
        fleet["n1"].loses_answer = False
        clock.advance(seconds=91)
        fleet["n1"].answers = [NodeUnreachable("refused")]
        await relay(several)
        assert [waiting for _, _, waiting in await state(db)] == [2]
        clock.advance(seconds=10)
        await relay(several)
        assert fleet["n2"].requests == []
        attempts = {one["metadata"]["attempt"] for each in fleet["n1"].requests for one in each["recipients"]}
        assert attempts == {1}, "its fence must know it again"
        assert len(fleet["n1"].taken) == 1
        assert await state(db) == [("bob@example.org", "injected", None)]

    async def test_a_node_that_was_removed_has_it_no_more(
        self, client: Any, acme: Any, several: Any, fleet: dict[str, FakeNode], clock: Any
    ) -> None:
        await send(client, acme)
        fleet["n1"].answers = [NodeTimeout("reset")]
        await relay(several)
        several.node_addresses.set((NodeAddress(name="n2", admin_url="http://h", token="t"),))
        clock.advance(seconds=RECORD_WAIT.total_seconds() + 1)
        await relay(several)
        assert len(fleet["n2"].taken) == 1


class TestLeases:
    """What a relay takes at a time, and what it may still write about it."""

    async def test_large_messages_are_taken_one_after_the_other(
        self, client: Any, acme: Any, relaying: Any, node: FakeNode, db: Any, clock: Any
    ) -> None:
        for number in range(3):
            await send(client, acme, text="x" * 5000, to=[f"a{number}@example.org", f"b{number}@example.org"])
        sizes = []
        async with db.transaction() as connection:
            while (found := await lease(connection, clock(), limit=10, lifetime=timedelta(1), octets=8000)).leased:
                sizes.append((len(found.leased), found.may_be_more))
        assert sizes == [(2, True), (2, True), (2, False)], "recipients of a message share its content"
        clock.advance(days=1, seconds=1)
        await relay(relaying)
        assert {status for _, status, _ in await state(db)} == {"injected"}

    async def test_who_lost_his_lease_says_nothing_more_about_it(
        self, client: Any, acme: Any, relaying: Any, db: Any, clock: Any
    ) -> None:
        await send(client, acme)
        async with db.transaction() as connection:
            ((first,), _) = await lease(connection, clock(), limit=10, lifetime=timedelta(0), owner="one")
            ((second,), _) = await lease(connection, clock(), limit=10, lifetime=timedelta(0), owner="two")
            assert (first.attempts, second.attempts) == (1, 2)
            told = {"rid": first.recipient_id, "due": clock(), "by_itself": False, "words": "", "at_node": None}
            for owner, attempt in (("one", 1), ("one", 2), ("two", 1)):
                await settle_later(connection, owner, [told | {"lease": attempt, "next_generation": 7}])
            assert await connection.scalar(select(outbox.c.generation)) == 1
            await settle_later(connection, "two", [told | {"lease": 2, "next_generation": 7}])
            row = (await connection.execute(select(outbox.c.generation, outbox.c.owner))).one()
            assert tuple(row) == (7, None)
