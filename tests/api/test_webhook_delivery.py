"""The delivery job against real receivers: retries, health, fairness, crashes."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from standardwebhooks import Webhook

from postmta_ctl.clients.webhooks import WebhookClient
from postmta_ctl.core.ssrf import EndpointPolicy, parse_networks
from postmta_ctl.core.webhooks import RETRY_AFTER
from postmta_ctl.features.webhooks.delivery import LEASE, LIMITS, RETENTION, deliver, finish, forget
from postmta_ctl.features.webhooks.outbox import Happening, announce
from postmta_ctl.features.webhooks.payloads import MailData
from postmta_ctl.in_flight import InFlight
from postmta_ctl.store.tables import events, organizations, webhook_attempts, webhook_deliveries, webhooks
from tests.receivers import OK, answer, receiving

LAB = EndpointPolicy(allow_http=True, allowed_networks=parse_networks("127.0.0.0/8"))


@pytest.fixture
def system(system: Any) -> Any:
    return dataclasses.replace(system, webhooks=WebhookClient(LAB, timeout=2))


@pytest.fixture
async def ann(client: Any, ann: dict[str, str]) -> dict[str, str]:
    """The owner of ``acme`` by an API key: access tokens do not last as long as these tests."""
    body = {"name": "x", "scopes": ["webhooks:read", "webhooks:write"]}
    key = (await client.post("/api/v1/api-keys", json=body, headers=ann)).json()["secret"]
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
async def here(system: Any, db: Any) -> AsyncIterator[Any]:
    """The system of the test's own event loop."""
    made = process(system, db)
    yield made
    await made.deliveries.drain(0)
    await made.webhooks.close()


def process(system: Any, db: Any, timeout: float = 2) -> Any:
    """A process that delivers."""
    client = WebhookClient(LAB, timeout=timeout)
    return dataclasses.replace(system, db=db, webhooks=client, deliveries=InFlight(), slow_webhooks=set())


async def make(client: Any, headers: dict[str, str], url: str, **more: Any) -> tuple[str, str]:
    """An endpoint: its path in the API, and its secret."""
    answered = await client.post("/api/v1/webhooks", json={"url": url} | more, headers=headers)
    assert answered.status_code == 201, answered.text
    return f"/api/v1/webhooks/{answered.json()['webhook']['id']}", answered.json()["secret"]


async def happen(here: Any, count: int = 1, organization: str = "acme") -> None:
    """Let an organization's messages be delivered."""
    async with here.db.transaction() as connection:
        owner = await connection.scalar(select(organizations.c.id).where(organizations.c.slug == organization))
        happened = [
            Happening(organization_id=owner, type="message.delivered", at=here.now(), data=MailData(recipient=f"{n}@x"))
            for n in range(count)
        ]
        await announce(connection, happened, here.now())


async def settled(here: Any) -> None:
    """Turns until nothing is due and nothing under way."""
    async with asyncio.timeout(20):
        while await deliver(here):
            pass


async def log(client: Any, headers: dict[str, str], path: str) -> list[dict[str, Any]]:
    return (await client.get(f"{path}/deliveries?limit=500", headers=headers)).json()["data"]


async def test_an_event_is_delivered_once_and_verifies(client: Any, ann: Any, here: Any, clock: Any) -> None:
    with receiving(lambda request: answer(204)) as receiver:
        path, secret = await make(client, ann, receiver.url)
        await happen(here)
        await settled(here)
        await settled(here)
    [request] = receiver.requests
    signed = Webhook(secret).sign(request.headers["webhook-id"], clock(), request.body.decode())
    assert request.headers["webhook-signature"] == signed
    assert json.loads(request.body)["data"] == {"recipient": "0@x"}
    assert request.headers["content-type"] == "application/json"
    [delivery] = await log(client, ann, path)
    assert (delivery["status"], delivery["next_attempt_at"]) == ("succeeded", None)
    assert delivery["finished_at"] == "2026-11-22T12:00:00Z"
    assert [attempt["status_code"] for attempt in delivery["attempts"]] == [204]


async def test_a_failure_is_tried_again_with_the_same_id_and_a_new_time(
    client: Any, ann: Any, here: Any, clock: Any
) -> None:
    answers = [answer(500, b"oops"), answer(301, b"", "Location: /"), OK]
    with receiving(lambda request: answers.pop(0)) as receiver:
        path, _ = await make(client, ann, receiver.url)
        await happen(here)
        for wait in (0, 4, 3, 299, 70):
            clock.advance(seconds=wait)
            await settled(here)
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert len({request.headers["webhook-timestamp"] for request in receiver.requests}) == 3
    [delivery] = await log(client, ann, path)
    assert [one["status_code"] for one in delivery["attempts"]] == [500, 301, 200]
    assert delivery["attempts"][0]["response_body"] == "oops"
    assert delivery["status"] == "succeeded"


async def test_after_the_whole_schedule_a_delivery_has_failed(client: Any, ann: Any, here: Any, clock: Any) -> None:
    with receiving(lambda request: answer(500)) as receiver:
        path, _ = await make(client, ann, receiver.url)
        await happen(here)
        for wait in (*RETRY_AFTER, timedelta()):
            await settled(here)
            clock.advance(seconds=wait.total_seconds() * 1.3)
        assert len(receiver.requests) == len(RETRY_AFTER) + 1
        [delivery] = await log(client, ann, path)
        assert (delivery["status"], delivery["next_attempt_at"]) == ("failed", None)
        assert (await client.get(path, headers=ann)).json()["failing_since"] == "2026-11-22T12:00:00Z"


async def test_retry_after_is_honoured(client: Any, ann: Any, here: Any, clock: Any) -> None:
    answers = [answer(503, b"", "Retry-After: 3600"), OK]
    with receiving(lambda request: answers.pop(0)) as receiver:
        path, _ = await make(client, ann, receiver.url)
        await happen(here)
        await settled(here)
        assert (await log(client, ann, path))[0]["next_attempt_at"] == "2026-11-22T13:00:00Z"
        clock.advance(minutes=59)
        await settled(here)
        assert len(receiver.requests) == 1
        clock.advance(minutes=1)
        await settled(here)
        assert len(receiver.requests) == 2


async def test_gone_disables_at_once_and_the_others_are_told(client: Any, ann: Any, here: Any, db: Any) -> None:
    with receiving(lambda request: answer(410)) as gone, receiving() as other:
        path, _ = await make(client, ann, gone.url)
        await make(client, ann, other.url, events=["webhook.disabled"])
        await happen(here)
        await settled(here)
        await happen(here)
        await settled(here)
    assert len(gone.requests) == 1
    shown = (await client.get(path, headers=ann)).json()
    assert (shown["enabled"], shown["disabled_reason"]) == (False, "gone")
    [told] = other.requests
    assert json.loads(told.body)["data"] | {"webhook_id": ""} == {
        "webhook_id": "",
        "url": gone.url,
        "reason": "gone",
        "failing_since": "2026-11-22T12:00:00Z",
    }
    async with db.reading() as connection:
        [notice] = (await connection.execute(select(events.c.type, events.c.details))).all()
    assert (notice.type, notice.details["reason"]) == ("webhook.disabled", "gone")


async def test_days_of_nothing_but_failures_disable(client: Any, ann: Any, here: Any, clock: Any) -> None:
    with receiving(lambda request: answer(500)) as receiver:
        path, _ = await make(client, ann, receiver.url)
        for _ in range(5):
            await happen(here)
            await settled(here)
            assert (await client.get(path, headers=ann)).json()["enabled"] is True
            clock.advance(days=1)
        await settled(here)
        shown = (await client.get(path, headers=ann)).json()
        assert (shown["enabled"], shown["disabled_reason"]) == (False, "failing")
        on = (await client.put(path, json={"enabled": True}, headers=ann)).json()
        assert (on["disabled_reason"], on["failing_since"]) == (None, None)
        sent = len(receiver.requests)
        clock.advance(days=1)
        await settled(here)
        # What waited goes out again, and a new count of days begins.
        assert len(receiver.requests) > sent
        assert (await client.get(path, headers=ann)).json()["enabled"] is True


async def test_one_success_forgives_all_failures(client: Any, ann: Any, here: Any, clock: Any) -> None:
    status = [500]
    with receiving(lambda request: answer(status[0])) as receiver:
        path, _ = await make(client, ann, receiver.url)
        for status[0] in (500, 200, 500):
            await happen(here)
            await settled(here)
            clock.advance(days=4)
        assert (await client.get(path, headers=ann)).json()["failing_since"] == "2026-11-30T12:00:00Z"
        await settled(here)
        assert (await client.get(path, headers=ann)).json()["enabled"] is True


async def test_a_hanging_endpoint_does_not_slow_the_others(
    client: Any, ann: Any, bob: Any, system: Any, db: Any
) -> None:
    here = process(system, db, timeout=60)
    with receiving(lambda request: None) as hanging, receiving() as fast, receiving() as own:
        await make(client, ann, hanging.url)
        await make(client, ann, own.url)
        await make(client, bob, fast.url)
        await happen(here, 300)
        await happen(here, 100, "bolt")
        async with asyncio.timeout(50):
            while len(fast.requests) < 100 or len(own.requests) < 300:
                await deliver(here)
        # All are served, and the first request to the hanging one has not even timed out.
        assert 0 < hanging.most_at_once <= LIMITS.per_endpoint
        assert here.deliveries.load().total() >= hanging.at_once > 0
        assert fast.most_at_once <= LIMITS.per_endpoint
        await here.deliveries.drain(0)
    await here.webhooks.close()


async def test_an_endpoint_in_trouble_gets_one_request_at_a_time_until_it_is_better(
    client: Any, ann: Any, here: Any, clock: Any
) -> None:
    status = [500]
    with receiving(lambda request: answer(status[0])) as receiver:
        await make(client, ann, receiver.url)
        await happen(here)
        await settled(here)
        await happen(here, 30)
        receiver.most_at_once = 0
        await settled(here)
        assert (len(receiver.requests), receiver.most_at_once) == (31, 1)
        status[0] = 200
        clock.advance(seconds=10)
        await settled(here)
        assert len(receiver.requests) == 62


async def test_what_a_killed_process_held_is_delivered_by_another(
    client: Any, ann: Any, here: Any, system: Any, db: Any, clock: Any
) -> None:
    with receiving() as receiver:
        path, _ = await make(client, ann, receiver.url)
        await happen(here, 3)
        assert await deliver(here)
        await here.deliveries.drain(0)  # killed: whatever was answered is not settled
        other = process(system, db)
        await settled(other)
        assert {one["status"] for one in await log(client, ann, path)} == {"pending"}
        clock.advance(seconds=LEASE.total_seconds())
        await settled(other)
        await other.webhooks.close()
    assert {one["status"] for one in await log(client, ann, path)} == {"succeeded"}
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 3


async def test_two_processes_never_deliver_the_same(client: Any, ann: Any, here: Any, system: Any, db: Any) -> None:
    with receiving() as receiver:
        await make(client, ann, receiver.url)
        await happen(here, 200)
        other = process(system, db)
        await asyncio.gather(settled(here), settled(other))
        await other.webhooks.close()
    ids = [request.headers["webhook-id"] for request in receiver.requests]
    assert len(ids) == len(set(ids)) == 200


async def test_a_stop_waits_for_what_is_under_way_and_settles_it(client: Any, ann: Any, here: Any) -> None:
    with receiving() as receiver:
        path, _ = await make(client, ann, receiver.url)
        await happen(here, 5)
        await deliver(here)
        await finish(here)
        assert len(here.deliveries) == 0
        assert {one["status"] for one in await log(client, ann, path)} == {"succeeded"}
        assert len(receiver.requests) == 5


async def test_a_disabled_or_deleted_endpoint_gets_nothing(client: Any, ann: Any, here: Any, db: Any) -> None:
    with receiving() as receiver:
        paths = [(await make(client, ann, receiver.url))[0] for _ in range(2)]
        await happen(here)
        await client.put(paths[0], json={"enabled": False}, headers=ann)
        await client.delete(paths[1], headers=ann)
        await settled(here)
        assert receiver.requests == []
        assert not await forget(here)
        async with db.reading() as connection:
            assert await connection.scalar(select(func.count()).select_from(webhooks)) == 1
        await client.put(paths[0], json={"enabled": True}, headers=ann)
        await settled(here)
        assert len(receiver.requests) == 1


async def test_an_endpoint_deleted_while_its_answer_is_awaited(client: Any, ann: Any, here: Any) -> None:
    with receiving() as receiver:
        path, _ = await make(client, ann, receiver.url)
        await happen(here)
        await deliver(here)
        await client.delete(path, headers=ann)
        await forget(here)
        await settled(here)
        assert len(receiver.requests) == 1


async def test_a_replay_sends_the_same_once_more(client: Any, ann: Any, bob: Any, here: Any) -> None:
    with receiving() as receiver:
        path, _ = await make(client, ann, receiver.url)
        await happen(here)
        await settled(here)
        [delivery] = await log(client, ann, path)
        again = f"{path}/deliveries/{delivery['id']}/replay"
        assert (await client.post(again, headers=bob)).status_code == 404
        answered = await client.post(again, headers=ann)
        assert (answered.status_code, answered.json()["status"]) == (202, "pending")
        await settled(here)
        [delivery] = await log(client, ann, path)
        assert (delivery["status"], len(delivery["attempts"])) == ("succeeded", 2)
        first, second = receiver.requests
        assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
        await client.put(path, json={"enabled": False}, headers=ann)
        assert (await client.post(again, headers=ann)).json()["code"] == "webhook_disabled"


async def test_no_replay_while_an_attempt_is_under_way(client: Any, ann: Any, here: Any) -> None:
    with receiving(lambda request: None) as receiver:
        path, _ = await make(client, ann, receiver.url)
        await happen(here)
        await deliver(here)
        [delivery] = await log(client, ann, path)
        answered = await client.post(f"{path}/deliveries/{delivery['id']}/replay", headers=ann)
        assert (answered.status_code, answered.json()["code"]) == (409, "delivery_under_way")


async def test_old_deliveries_are_forgotten(client: Any, ann: Any, here: Any, db: Any, clock: Any) -> None:
    with receiving() as receiver:
        path, _ = await make(client, ann, receiver.url)
        await happen(here)
        await settled(here)
        clock.advance(seconds=RETENTION.total_seconds() - 1)
        await happen(here)
        await settled(here)
        assert not await forget(here)
        assert len(await log(client, ann, path)) == 2
        clock.advance(seconds=2)
        assert not await forget(here)
        assert len(await log(client, ann, path)) == 1
    async with db.reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(webhook_attempts)) == 1


async def test_an_endpoint_that_moved_to_a_refused_address_is_not_reached(
    client: Any, ann: Any, system: Any, db: Any, here: Any
) -> None:
    with receiving() as receiver:
        path, _ = await make(client, ann, receiver.url)
        await happen(here)
        strict = dataclasses.replace(process(system, db), webhooks=WebhookClient(timeout=2))
        await settled(strict)
        await strict.webhooks.close()
        assert receiver.requests == []
    [delivery] = await log(client, ann, path)
    assert [attempt["error"] for attempt in delivery["attempts"]] == ["refused"]


async def test_events_that_are_rolled_back_are_not_delivered(client: Any, ann: Any, here: Any, db: Any) -> None:
    with receiving() as receiver:
        await make(client, ann, receiver.url)
        with pytest.raises(RuntimeError):
            async with db.transaction() as connection:
                owner = await connection.scalar(select(organizations.c.id))
                one = Happening(organization_id=owner, type="message.delivered", at=here.now(), data=MailData())
                await announce(connection, [one], here.now())
                raise RuntimeError
        await settled(here)
        assert receiver.requests == []
    async with db.reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(webhook_deliveries)) == 0
