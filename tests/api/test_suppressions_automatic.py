"""What puts addresses on the list by itself: log records, and recipients who ask for it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from postmta_ctl.features.ingest.service import ingest
from postmta_ctl.features.tracking.service import tracker
from tests.conftest import register, verify_domain

MAIL = {"from": "ann@acme.test", "to": ["Bob@example.org"], "subject": "Hello", "text": "Hi", "unsubscribe": True}
ANSWERS = {
    "5.1.1": {"code": 550, "enhanced_code": {"class": 5, "subject": 1, "detail": 1}, "content": "User unknown"},
    "5.7.1": {"code": 550, "enhanced_code": {"class": 5, "subject": 7, "detail": 1}, "content": "looks like spam"},
    "5.2.2": {"code": 552, "enhanced_code": {"class": 5, "subject": 2, "detail": 2}, "content": "mailbox full"},
    "4.1.1": {"code": 450, "enhanced_code": {"class": 4, "subject": 1, "detail": 1}, "content": "User unknown"},
}


@pytest.fixture
def here(system: Any, db: Any) -> Any:
    """The system by the database connections of the test's own event loop."""
    return dataclasses.replace(system, db=db)


async def send(client: Any, auth: Any, **changes: Any) -> Any:
    answer = await client.post("/api/v1/messages/send", json=MAIL | changes, headers=auth)
    assert answer.status_code == 202, answer.text
    return answer.json()


def record(kind: str, rid: str | None, **fields: Any) -> dict[str, Any]:
    meta = {} if rid is None else {"x_rid": rid}
    common = {
        "id": f"spool-{kind}",
        "nodeid": "n",
        "event_time": "2026-11-22T12:00:01Z",
        "recipient": "Bob@example.org",
    }
    return common | {"type": kind, "queue": "acme@example.org", "sender": "", "meta": meta} | fields


async def feed(system: Any, *records: dict[str, Any]) -> None:
    await ingest(system, "mx1", b"\n".join(json.dumps(one).encode() for one in records))


async def listed(client: Any, auth: Any) -> list[tuple[str, str, str | None]]:
    rows = (await client.get("/api/v1/suppressions", headers=auth)).json()["data"]
    return [(one["address"], one["reason"], one["message_id"]) for one in rows]


async def timeline(client: Any, auth: Any, message_id: str) -> list[str]:
    shown = (await client.get(f"/api/v1/messages/{message_id}", headers=auth)).json()
    return [entry["type"] for entry in shown["timeline"]]


class TestFromTheLog:
    @pytest.mark.parametrize(
        ("kind", "answer", "is_suppressed"),
        [
            ("Bounce", "5.1.1", True),
            ("Bounce", "5.7.1", False),
            ("Bounce", "5.2.2", False),
            ("TransientFailure", "4.1.1", False),
            ("Expiration", "5.1.1", False),
            ("OOB", "5.1.1", True),
        ],
    )
    async def test_a_hard_bounce_suppresses(
        self, client: Any, acme: Any, here: Any, kind: str, answer: str, is_suppressed: bool
    ) -> None:
        sent = await send(client, acme)
        await feed(here, record(kind, sent["recipients"][0]["id"], response=ANSWERS[answer]))
        assert await listed(client, acme) == ([("bob@example.org", "hard_bounce", sent["id"])] if is_suppressed else [])

    async def test_a_node_that_cannot_queue_says_nothing_of_the_address(
        self, client: Any, acme: Any, here: Any
    ) -> None:
        sent = await send(client, acme)
        text = "KumoMTA internal: QueueManager::insert failed during reception: User unknown"
        await feed(here, record("Bounce", sent["recipients"][0]["id"], response={"code": 550, "content": text}))
        assert await listed(client, acme) == []

    @pytest.mark.parametrize(("feedback", "is_suppressed"), [("abuse", True), ("not-spam", False)])
    async def test_a_complaint_suppresses(
        self, client: Any, acme: Any, here: Any, feedback: str, is_suppressed: bool
    ) -> None:
        sent = await send(client, acme)
        report = {
            "feedback_type": feedback,
            "original_mail_from": f"b+{sent['recipients'][0]['id']}@bounce.postmta.test",
        }
        complaint = record("Feedback", None, feedback_report=report, recipient="fbl@bounce.postmta.test")
        await feed(here, complaint, complaint)
        assert await listed(client, acme) == ([("bob@example.org", "complaint", sent["id"])] if is_suppressed else [])
        assert (await send(client, acme))["status"] == ("suppressed" if is_suppressed else "queued")

    async def test_a_forged_report_suppresses_nobody(self, client: Any, acme: Any, here: Any) -> None:
        await send(client, acme)
        forged = record("OOB", "0190-guessed", response=ANSWERS["5.1.1"], sender="b+guessed@bounce.postmta.test")
        forged["meta"]["tenant"] = "acme"
        await feed(here, forged)
        assert await listed(client, acme) == []

    async def test_mail_by_smtp_counts_for_its_tenant(self, client: Any, acme: Any, bob: Any, here: Any) -> None:
        bounce = record("Bounce", None, response=ANSWERS["5.1.1"], recipient=["Eve@example.org", "strange"])
        await feed(here, bounce | {"meta": {"tenant": "acme"}})
        assert await listed(client, acme) == [("eve@example.org", "hard_bounce", None)]
        assert await listed(client, bob) == []

    async def test_the_first_reason_stays(self, client: Any, acme: Any, here: Any) -> None:
        await client.post("/api/v1/suppressions", json={"address": "bob@example.org", "note": "mine"}, headers=acme)
        bounce = record("Bounce", None, response=ANSWERS["5.1.1"]) | {"meta": {"tenant": "acme"}}
        await feed(here, bounce)
        assert await listed(client, acme) == [("bob@example.org", "manual", None)]


class TestUnsubscribe:
    """RFC 8058."""

    def link(self, system: Any, sent: Any) -> str:
        return tracker(system).unsubscribe_url(sent["recipients"][0]["id"]).removeprefix(system.settings.url)

    async def test_looking_changes_nothing_and_one_click_does(self, client: Any, acme: Any, system: Any) -> None:
        sent = await send(client, acme)
        link = self.link(system, sent)
        shown = await client.get(link)
        assert (shown.status_code, shown.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert '<form method="post">' in shown.text
        assert await listed(client, acme) == []
        clicked = await client.post(link, data={"List-Unsubscribe": "One-Click"})
        assert clicked.status_code == 200
        assert await listed(client, acme) == [("bob@example.org", "unsubscribe", sent["id"])]
        assert await timeline(client, acme, sent["id"]) == ["message.queued", "message.unsubscribed"]
        assert (await send(client, acme))["status"] == "suppressed"

    async def test_a_second_click_is_no_second_event(self, client: Any, acme: Any, system: Any) -> None:
        sent = await send(client, acme)
        for _ in range(3):
            assert (await client.post(self.link(system, sent))).status_code == 200
        assert (await timeline(client, acme, sent["id"])).count("message.unsubscribed") == 1

    async def test_no_link_but_ours_works(self, client: Any, acme: Any, system: Any) -> None:
        sent = await send(client, acme)
        good = self.link(system, sent)
        rid = sent["recipients"][0]["id"]
        opened = tracker(system).open_url(rid).rpartition("/")[2]
        token = good.rpartition("/")[2]
        changed = "/unsubscribe/" + ("A" if token[0] != "A" else "B") + token[1:]
        for path in (changed, f"/unsubscribe/{opened}", f"/unsubscribe/{rid}", "/unsubscribe/%00", "/unsubscribe/x"):
            assert (await client.get(path)).status_code == 404
            assert (await client.post(path)).status_code == 404
        assert await listed(client, acme) == []

    async def test_the_name_of_the_organization_is_text(self, client: Any, resolver: Any) -> None:
        eve = await register(client, "eve@evil.test", "<script>alert(1)</script>")
        await verify_domain(client, resolver, eve, "evil.test")
        sent = await send(client, eve, **{"from": "eve@evil.test"})
        page = await client.get(self.link(client.app.state.system, sent))
        assert "<script" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]

    async def test_own_fields_and_ours_exclude_each_other(self, client: Any, acme: Any) -> None:
        body = MAIL | {"headers": {"list-unsubscribe": "<mailto:x@acme.test>"}}
        answer = await client.post("/api/v1/messages/send", json=body, headers=acme)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "header_conflict")
        assert (await send(client, acme, headers=body["headers"], unsubscribe=False))["status"] == "queued"
