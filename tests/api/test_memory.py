"""What is in memory has a bound, whatever waits and whoever sends."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from postmta_ctl.bodies import Bodies
from postmta_ctl.clients.kumod import NodeAddress
from postmta_ctl.features.messages.injecting import PART_OCTETS
from postmta_ctl.features.messages.relay import relay
from postmta_ctl.recent import Recent
from postmta_ctl.store.tables import outbox
from tests.api.test_relay import FakeNode

KIB = 1024


class SlowNode(FakeNode):
    """Notes how many octets of requests are with it at a time."""

    now = most = 0

    async def inject(self, node: NodeAddress, body: bytes) -> tuple[int, bytes]:
        self.now += len(body)
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.001)
        self.now -= len(body)
        answer = await super().inject(node, body)
        self.requests.clear()
        self.taken = {fence: {} for fence in self.taken}
        return answer


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_backlog_of_large_messages_is_sent_within_the_bound(
    client: Any, acme: Any, system: Any, db: Any
) -> None:
    file = {"filename": "a.bin", "content_type": "application/octet-stream"}
    file["content"] = base64.b64encode(bytes(700 * KIB)).decode()
    page = "<a href='https://example.org/'>x</a>" + "y" * 400 * KIB
    mail = {"from": "ann@acme.test", "subject": "Hello", "track_clicks": True}
    for number in range(6):
        people = [f"r{one}@example.org" for one in range(8)]
        for content in ({"html": page}, {"text": f"{number}", "attachments": [file]}):
            body = mail | content | {"to": people}
            assert (await client.post("/api/v1/messages/send", json=body, headers=acme)).status_code == 202
    node, limit = SlowNode(), 2 * 1024 * KIB
    settings = msgspec.structs.replace(system.settings, relay_octets=limit)
    here = replace(system, db=db, kumod=node, node_addresses=Recent(3600), settings=settings)
    here.node_addresses.set((NodeAddress(name="mx1", admin_url="", token=""),))
    while await relay(here):
        pass
    async with db.reading() as connection:
        assert (await connection.scalars(select(outbox.c.recipient_id))).all() == []
    assert len(node.taken) == 96
    # Base64 and the escapes of JSON make it a third longer.
    assert PART_OCTETS < node.most < limit * 1.4


async def test_bodies_beyond_the_bound_are_refused_before_they_are_read() -> None:
    read, done = asyncio.Event(), asyncio.Event()

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        read.set()
        await done.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    bodies = Bodies(app, limit=300 * KIB, largest=250 * KIB)

    async def ask(**headers: str) -> list[Any]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "headers": named, "state": {"request_id": "r1"}}
        await bodies(scope, receive, send)
        return sent

    first = asyncio.create_task(ask(content_length=str(200 * KIB)))
    await read.wait()
    refused = [await ask(content_length=str(150 * KIB)), await ask(transfer_encoding="chunked")]
    for start, body in refused:
        assert (start["status"], dict(start["headers"])[b"retry-after"]) == (503, b"1")
        assert msgspec.json.decode(body["body"])["code"] == "busy"
    done.set()
    small = [await ask(content_length="2000"), await ask()]
    assert [one[0]["status"] for one in [*small, await first]] == [200, 200, 200]
    assert (await ask(content_length=str(999 * KIB)))[0]["status"] == 200, "there is room again"
