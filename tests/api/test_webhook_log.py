"""Test events and the delivery log, against a real receiver on loopback."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from standardwebhooks import Webhook

from postmta_ctl.clients.webhooks import WebhookClient
from postmta_ctl.core.ssrf import EndpointPolicy, parse_networks
from tests.receivers import answer, receiving

LAB = EndpointPolicy(allow_http=True, allowed_networks=parse_networks("127.0.0.0/8"))


@pytest.fixture
def system(system: Any) -> Any:
    """Webhooks may go to loopback here."""
    return dataclasses.replace(system, webhooks=WebhookClient(LAB, timeout=2))


async def make(client: Any, headers: dict[str, str], url: str) -> Any:
    answered = await client.post("/api/v1/webhooks", json={"url": url}, headers=headers)
    assert answered.status_code == 201, answered.text
    return answered.json()


async def test_a_test_event_is_sent_at_once_and_its_answer_is_shown(client: Any, ann: Any, clock: Any) -> None:
    with receiving(lambda request: answer(200, b"welcome \xff")) as receiver:
        made = await make(client, ann, receiver.url)
        path = f"/api/v1/webhooks/{made['webhook']['id']}"
        shown = (await client.post(f"{path}/test", headers=ann)).json()
    [request] = receiver.requests
    assert (shown["type"], shown["status"], shown["next_attempt_at"]) == ("webhook.test", "succeeded", None)
    [attempt] = shown["attempts"]
    assert (attempt["status_code"], attempt["response_body"], attempt["error"]) == (200, "welcome \ufffd", None)
    assert attempt["request_headers"]["webhook-id"] == shown["id"] == request.headers["webhook-id"]
    assert json.loads(request.body) == shown["payload"]
    assert shown["payload"]["data"] == {"webhook_id": made["webhook"]["id"], "requested_by": "ann@acme.test"}
    assert request.headers["webhook-timestamp"] == "1795348800"
    signed = Webhook(made["secret"]).sign(shown["id"], clock(), request.body.decode())
    assert request.headers["webhook-signature"] == signed
    listed = (await client.get(f"{path}/deliveries", headers=ann)).json()
    assert listed == {"data": [shown], "next_cursor": None}


async def test_a_failed_test_says_why_and_changes_nothing(client: Any, ann: Any) -> None:
    with receiving(lambda request: answer(410)) as receiver:
        webhook = (await make(client, ann, receiver.url))["webhook"]
        path = f"/api/v1/webhooks/{webhook['id']}"
        shown = (await client.post(f"{path}/test", headers=ann)).json()
    assert (shown["status"], shown["attempts"][0]["status_code"]) == ("failed", 410)
    shown = (await client.post(f"{path}/test", headers=ann)).json()
    assert (shown["status"], shown["attempts"][0]["error"]) == ("failed", "connect")
    assert (await client.get(path, headers=ann)).json() == webhook


async def test_the_log_is_filtered_and_paged(client: Any, ann: Any) -> None:
    answers = [answer(200), answer(500), answer(200)]
    with receiving(lambda request: answers.pop(0)) as receiver:
        path = f"/api/v1/webhooks/{(await make(client, ann, receiver.url))['webhook']['id']}"
        ids = [(await client.post(f"{path}/test", headers=ann)).json()["id"] for _ in range(3)]
    first = (await client.get(f"{path}/deliveries?limit=2", headers=ann)).json()
    assert [one["id"] for one in first["data"]] == ids[:0:-1]
    rest = (await client.get(f"{path}/deliveries?limit=2&cursor={first['next_cursor']}", headers=ann)).json()
    assert [one["id"] for one in rest["data"]] == ids[:1]
    failed = (await client.get(f"{path}/deliveries?status=failed&type=webhook.test", headers=ann)).json()
    assert [one["id"] for one in failed["data"]] == [ids[1]]
    assert (await client.get(f"{path}/deliveries?type=message.opened", headers=ann)).json()["data"] == []
    assert (await client.get(f"{path}/deliveries?status=odd", headers=ann)).status_code == 422


async def test_after_a_rotation_both_secrets_sign_until_the_overlap_is_over(client: Any, ann: Any, clock: Any) -> None:
    with receiving() as receiver:
        made = await make(client, ann, receiver.url)
        path = f"/api/v1/webhooks/{made['webhook']['id']}"
        rotated = (await client.post(f"{path}/rotate-secret", json={"overlap_seconds": 60}, headers=ann)).json()
        assert rotated["secret"] != made["secret"]
        assert rotated["webhook"]["previous_secret_expires_at"] == "2026-11-22T12:01:00Z"
        await client.post(f"{path}/test", headers=ann)
        clock.advance(seconds=60)
        await client.post(f"{path}/test", headers=ann)
        again = (await client.post(f"{path}/rotate-secret", json={"overlap_seconds": 0}, headers=ann)).json()
        assert again["webhook"]["previous_secret_expires_at"] is None
        await client.post(f"{path}/test", headers=ann)
    counts = [len(request.headers["webhook-signature"].split()) for request in receiver.requests]
    assert counts == [2, 1, 1]
    signatures = [request.headers["webhook-signature"] for request in receiver.requests]
    assert signatures[1].split()[0] not in signatures[2]
