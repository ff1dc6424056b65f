"""Webhook endpoints through the API: made, shown, changed, rotated, tested, deleted; and what events write for them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from postmta_ctl.core.event_types import EVENT_TYPES
from postmta_ctl.features.tracking.noting import keep_fetches
from postmta_ctl.features.tracking.service import tracker
from postmta_ctl.features.webhooks.service import MAX_WEBHOOKS
from postmta_ctl.store.tables import webhook_deliveries, webhooks
from tests.conftest import work

URL = "https://hooks.example.com/postmta"
MAIL = {
    "from": "ann@acme.test",
    "to": ["bob@example.org", "eve@example.org"],
    "subject": "x",
    "text": "x",
    "tags": ["invoice"],
    "metadata": {"order": "42"},
}


async def make(client: Any, headers: dict[str, str], **changes: Any) -> Any:
    answered = await client.post("/api/v1/webhooks", json={"url": URL} | changes, headers=headers)
    assert answered.status_code == 201, answered.text
    return answered.json()


async def planned(db: Any) -> list[dict[str, Any]]:
    async with db.reading() as connection:
        rows = (await connection.execute(select(webhook_deliveries).order_by(webhook_deliveries.c.id))).mappings()
        return [dict(row) | {"payload": json.loads(row["payload"])} for row in rows]


async def test_made_shown_and_listed_without_its_secret(client: Any, ann: Any) -> None:
    made = await make(client, ann, events=["message.bounced", "message.delivered"], description="CRM")
    assert made["secret"].startswith("whsec_")
    webhook = made["webhook"]
    assert webhook | {"id": ""} == {
        "id": "",
        "url": URL,
        "events": ["message.delivered", "message.bounced"],
        "description": "CRM",
        "enabled": True,
        "disabled_reason": None,
        "failing_since": None,
        "previous_secret_expires_at": None,
        "updated_at": "2026-11-22T12:00:00Z",
        "created_at": "2026-11-22T12:00:00Z",
    }
    assert (await client.get(f"/api/v1/webhooks/{webhook['id']}", headers=ann)).json() == webhook
    assert (await client.get("/api/v1/webhooks", headers=ann)).json() == {"data": [webhook], "next_cursor": None}


async def test_the_secret_is_sealed_at_rest(client: Any, ann: Any, db: Any) -> None:
    made = await make(client, ann)
    async with db.reading() as connection:
        sealed = await connection.scalar(select(webhooks.c.sealed_secret))
    assert made["secret"].encode() not in sealed
    assert made["secret"].removeprefix("whsec_").encode() not in sealed


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"url": "http://hooks.example.com/"}, "url", "url_scheme"),
        ({"url": "https://127.0.0.1/"}, "url", "url_address"),
        ({"url": "https://[::ffff:10.0.0.1]/"}, "url", "url_address"),
        ({"url": "https://2130706433/"}, "url", "url_address"),
        ({"url": "https://localhost/"}, "url", "url_host"),
        ({"url": "https://a:b@example.com/"}, "url", "url_userinfo"),
        ({"url": "https://example.com:25/"}, "url", "url_port"),
        ({"url": "https://example.com/\r\nX: y"}, "url", "url_syntax"),
        ({"url": ""}, "url", "invalid"),
        ({"url": "https://example.com/" + "x" * 2000}, "url", "invalid"),
        ({"url": None}, "url", "invalid"),
        ({"events": []}, "events", "invalid"),
        ({"events": ["message.opened", "message.bounce"]}, "events[1]", "event_type_unknown"),
        ({"events": ["webhook.test"]}, "events[0]", "event_type_unknown"),
        ({"events": "message.opened"}, "events", "invalid"),
        ({"description": "x" * 501}, "description", "invalid"),
        ({"secret": "whsec_x"}, "secret", "invalid"),
    ],
)
async def test_a_bad_field_is_named(client: Any, ann: Any, change: dict[str, Any], field: str, code: str) -> None:
    answered = await client.post("/api/v1/webhooks", json={"url": URL} | change, headers=ann)
    assert answered.status_code == 422, answered.text
    assert [(one["field"], one["code"]) for one in answered.json()["errors"]] == [(field, code)]
    made = await make(client, ann)
    answered = await client.put(f"/api/v1/webhooks/{made['webhook']['id']}", json=change, headers=ann)
    assert answered.status_code == 422, answered.text
    assert (await client.get("/api/v1/webhooks", headers=ann)).json()["data"] == [made["webhook"]]


async def test_an_update_changes_what_it_names(client: Any, ann: Any, clock: Any) -> None:
    webhook = (await make(client, ann, events=["message.opened"], description="CRM"))["webhook"]
    clock.advance(seconds=1)
    path = f"/api/v1/webhooks/{webhook['id']}"
    changed = (await client.put(path, json={"url": "https://new.example.com/", "events": None}, headers=ann)).json()
    assert changed == webhook | {
        "url": "https://new.example.com/",
        "events": None,
        "updated_at": "2026-11-22T12:00:01Z",
    }
    off = (await client.put(path, json={"enabled": False}, headers=ann)).json()
    assert (off["enabled"], off["disabled_reason"]) == (False, "by_user")
    on = (await client.put(path, json={"enabled": True, "description": ""}, headers=ann)).json()
    assert (on["enabled"], on["disabled_reason"], on["description"]) == (True, None, "")


async def test_of_two_editors_the_second_learns_of_the_first(client: Any, ann: Any) -> None:
    path = f"/api/v1/webhooks/{(await make(client, ann))['webhook']['id']}"
    seen = {"If-Match": (await client.get(path, headers=ann)).headers["etag"]}
    assert (await client.put(path, json={"description": "a"}, headers=ann | seen)).status_code == 200
    answers = [
        await client.put(path, json={"description": "b"}, headers=ann | seen),
        await client.delete(path, headers=ann | seen),
    ]
    assert {one.status_code for one in answers} == {412}
    assert (await client.get(path, headers=ann)).json()["description"] == "a"


async def test_each_change_is_in_the_audit_log_without_secrets(client: Any, ann: Any) -> None:
    made = await make(client, ann)
    path = f"/api/v1/webhooks/{made['webhook']['id']}"
    await client.put(path, json={"description": "a"}, headers=ann)
    rotated = (await client.post(f"{path}/rotate-secret", json={}, headers=ann)).json()
    await client.delete(path, headers=ann)
    answered = await client.get("/api/v1/audit", headers=ann)
    actions = [one["action"] for one in answered.json()["data"] if one["target_id"] == made["webhook"]["id"]]
    assert actions == ["webhook.deleted", "webhook.secret_rotated", "webhook.updated", "webhook.created"]
    assert made["secret"] not in answered.text
    assert rotated["secret"] not in answered.text


async def test_another_organizations_webhook_is_not_found(client: Any, ann: Any, bob: Any) -> None:
    webhook_id = (await make(client, ann))["webhook"]["id"]
    assert (await client.get("/api/v1/webhooks", headers=bob)).json()["data"] == []
    for one in (webhook_id, "x", "%00", "00000000-0000-7000-8000-000000000000"):
        path = f"/api/v1/webhooks/{one}"
        answers = [
            await client.get(path, headers=bob),
            await client.put(path, json={"enabled": False}, headers=bob),
            await client.post(f"{path}/test", headers=bob),
            await client.post(f"{path}/rotate-secret", json={}, headers=bob),
            await client.get(f"{path}/deliveries", headers=bob),
            await client.post(f"{path}/deliveries/x/replay", headers=bob),
            await client.delete(path, headers=bob),
        ]
        assert {one.status_code for one in answers} == {404}
    assert (await client.get(f"/api/v1/webhooks/{webhook_id}", headers=ann)).json()["enabled"] is True


async def test_a_viewer_looks_and_a_key_needs_the_scope(client: Any, ann: Any) -> None:
    body = {"name": "x", "scopes": ["webhooks:read"]}
    key = (await client.post("/api/v1/api-keys", json=body, headers=ann)).json()["secret"]
    headers = {"Authorization": f"Bearer {key}"}
    assert (await client.get("/api/v1/webhooks", headers=headers)).status_code == 200
    assert (await client.post("/api/v1/webhooks", json={"url": URL}, headers=headers)).status_code == 403


async def test_a_deleted_webhook_is_gone_and_so_are_its_secrets(client: Any, ann: Any, db: Any) -> None:
    webhook_id = (await make(client, ann))["webhook"]["id"]
    path = f"/api/v1/webhooks/{webhook_id}"
    assert (await client.delete(path, headers=ann)).status_code == 204
    assert (await client.get(path, headers=ann)).status_code == 404
    assert (await client.delete(path, headers=ann)).status_code == 404
    assert (await client.get("/api/v1/webhooks", headers=ann)).json()["data"] == []
    async with db.reading() as connection:
        assert await connection.scalar(select(webhooks.c.sealed_secret)) == b""


async def test_there_is_a_limit(client: Any, ann: Any, bob: Any) -> None:
    for _ in range(MAX_WEBHOOKS):
        await make(client, ann)
    answered = await client.post("/api/v1/webhooks", json={"url": URL}, headers=ann)
    assert (answered.status_code, answered.json()["code"]) == (409, "too_many_webhooks")
    await make(client, bob)


async def test_accepting_a_message_plans_a_delivery_for_each_recipient_and_endpoint(
    client: Any, acme: Any, bob: Any, db: Any
) -> None:
    every = (await make(client, acme))["webhook"]["id"]
    some = (await make(client, acme, events=["message.queued"]))["webhook"]["id"]
    await make(client, acme, events=["message.opened"])
    await make(client, acme, enabled=False)
    await make(client, bob)
    sent = (await client.post("/api/v1/messages/send", json=MAIL, headers=acme)).json()
    rows = await planned(db)
    assert {(row["type"], row["status"]) for row in rows} == {("message.queued", "pending")}
    assert sorted((row["webhook_id"], row["payload"]["data"]["recipient"]) for row in rows) == sorted(
        (one, address) for one in (every, some) for address in MAIL["to"]
    )
    first = next(row for row in rows if row["payload"]["data"]["recipient"] == "bob@example.org")
    assert first["payload"] == {
        "type": "message.queued",
        "timestamp": "2026-11-22T12:00:00Z",
        "data": {
            "message_id": sent["id"],
            "recipient_id": sent["recipients"][0]["id"],
            "recipient": "bob@example.org",
            "tags": ["invoice"],
            "metadata": {"order": "42"},
            "campaign": "invoice",
        },
    }


async def test_a_message_that_is_refused_plans_nothing(client: Any, acme: Any, db: Any) -> None:
    await make(client, acme)
    answered = await client.post("/api/v1/messages/send", json=MAIL | {"vmta": "none"}, headers=acme)
    assert answered.status_code == 422
    assert await planned(db) == []


async def test_opens_and_clicks_are_told_with_who_it_was(client: Any, acme: Any, db: Any, system: Any) -> None:
    await make(client, acme, events=["message.opened", "message.clicked"])
    sent = (await client.post("/api/v1/messages/send", json=MAIL, headers=acme)).json()
    links, rid = tracker(system), sent["recipients"][0]["id"]
    base = system.settings.url
    agent = {"User-Agent": "Mozilla/5.0"}
    await client.get(links.open_url(rid).removeprefix(base), headers=agent)
    url = links.click_url(rid, "https://example.com/").removeprefix(base)
    await client.get(url, headers={"User-Agent": "Mozilla/5.0 (X11) Firefox/130"}, follow_redirects=False)
    await work(client, keep_fetches)
    opened, clicked = (row["payload"] for row in await planned(db))
    assert (opened["type"], opened["data"]["is_bot"]) == ("message.opened", True)
    assert opened["data"]["agent"] == "Apple Mail Privacy Protection"
    assert opened["data"]["metadata"] == {"order": "42"}
    assert (clicked["type"], clicked["data"]["is_bot"]) == ("message.clicked", False)
    assert clicked["data"]["url"] == "https://example.com/"
    assert "agent" not in clicked["data"]


async def test_a_rotation_asks_for_a_sensible_overlap(client: Any, ann: Any) -> None:
    path = f"/api/v1/webhooks/{(await make(client, ann))['webhook']['id']}/rotate-secret"
    for overlap in (-1, 8 * 86_400, "x"):
        assert (await client.post(path, json={"overlap_seconds": overlap}, headers=ann)).status_code == 422
    shown = (await client.post(path, json={}, headers=ann)).json()
    assert shown["webhook"]["previous_secret_expires_at"] == "2026-11-23T12:00:00Z"


def test_each_event_type_is_described() -> None:
    assert all(meaning.endswith(".") for meaning in EVENT_TYPES.values())
