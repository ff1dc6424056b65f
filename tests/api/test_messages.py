"""Sending: what is accepted, what is refused and why, and what is stored."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

MAIL = {
    "from": "Ann <ann@acme.test>",
    "to": ["bob@example.org"],
    "subject": "Hello from PostMTA",
    "html": "<h1>Hello!</h1><p>Test message.</p>",
}


async def send(client: Any, auth: dict[str, str], **changes: Any) -> Any:
    body = {name: value for name, value in (MAIL | changes).items() if value is not None}
    return await client.post("/api/v1/messages/send", json=body, headers=auth)


async def test_a_message_is_accepted_and_shown(client: Any, acme: Any) -> None:
    answer = await send(client, acme, cc=["Céline <c@example.org>"], bcc=["d@example.org"], tags=["Spring sale!"])
    assert answer.status_code == 202, answer.text
    accepted = answer.json()
    assert [one["address"] for one in accepted["recipients"]] == ["bob@example.org", "c@example.org", "d@example.org"]
    shown = (await client.get(f"/api/v1/messages/{accepted['id']}", headers=acme)).json()
    assert shown["status"] == "queued"
    assert shown["from"] == "ann@acme.test"
    assert [(one["kind"], one["status"]) for one in shown["recipients"]] == [
        ("to", "queued"),
        ("cc", "queued"),
        ("bcc", "queued"),
    ]
    assert [entry["type"] for entry in shown["timeline"]] == ["message.queued"]


async def test_a_mailbox_named_twice_gets_one_copy(client: Any, acme: Any) -> None:
    answer = await send(client, acme, to=["Bob <bob@example.org>", "BOB@EXAMPLE.ORG"], cc=["bob@example.org"])
    assert [one["address"] for one in answer.json()["recipients"]] == ["bob@example.org"]


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"to": []}, "to", "recipient_missing"),
        ({"to": ["nonsense"]}, "to[0]", "address_syntax"),
        ({"to": ["a@example.org", "b@example.org\r\nBcc: x@example.org"]}, "to[1]", "address_control_character"),
        (
            {"to": [f"a{n}@example.org" for n in range(60)], "cc": [f"b{n}@example.org" for n in range(60)]},
            "to",
            "too_many_recipients",
        ),
        ({"from": "nobody"}, "from", "address_syntax"),
        ({"reply_to": ["x"]}, "reply_to[0]", "address_syntax"),
        ({"subject": "a\r\nBcc: eve@example.org"}, "subject", "header_value_control_character"),
        ({"headers": {"X-Tag": "a\0b"}}, "headers.X-Tag", "nul"),
        ({"headers": {"X-Tag": "a\x1bb"}}, "headers.X-Tag", "header_value_control_character"),
        ({"headers": {"DKIM-Signature": "x"}}, "headers.DKIM-Signature", "header_name_reserved"),
        ({"headers": {"Bad Name": "x"}}, "headers.Bad Name", "header_name_invalid"),
        ({"html": None}, "text", "content_missing"),
        ({"html": "a\0b"}, "html", "nul"),
        ({"attachments": [{"content": "####"}]}, "attachments[0].content", "invalid"),
        ({"attachments": [{"content": "", "filename": "a/b"}]}, "attachments[0].file_name", "attachment_file_name"),
        ({"vmta": "nowhere"}, "vmta", "vmta_unknown"),
        ({"to": "bob@example.org"}, "to", "invalid"),
        ({"recipients": []}, "recipients", "invalid"),
    ],
)
async def test_what_cannot_be_sent_is_refused_by_field(
    client: Any, acme: Any, changes: dict[str, Any], field: str, code: str
) -> None:
    answer = await send(client, acme, **changes)
    assert answer.status_code == 422, answer.text
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [(field, code)]
    assert (await client.get("/api/v1/messages", headers=acme)).json()["data"] == []


@pytest.mark.parametrize("sender", ["ann@unverified.test", "ann@sub.acme.test"])
async def test_mail_comes_from_a_verified_domain_only(client: Any, acme: Any, sender: str) -> None:
    answer = await send(client, acme, **{"from": sender})
    assert (answer.status_code, answer.json()["code"]) == (422, "domain_not_verified")


async def test_another_organizations_domain_is_no_better_than_an_unknown_one(client: Any, acme: Any, bob: Any) -> None:
    assert (await send(client, bob)).json()["code"] == "domain_not_verified"


async def test_another_organizations_message_is_not_found(client: Any, acme: Any, bob: Any) -> None:
    message_id = (await send(client, acme)).json()["id"]
    assert (await client.get(f"/api/v1/messages/{message_id}", headers=bob)).status_code == 404
    assert (await client.get("/api/v1/messages", headers=bob)).json()["data"] == []


async def test_a_key_without_the_scope_does_not_send(client: Any, acme: Any) -> None:
    body = {"name": "reader", "scopes": ["messages:read"]}
    secret = (await client.post("/api/v1/api-keys", json=body, headers=acme)).json()["secret"]
    assert (await send(client, {"X-API-Key": secret})).status_code == 403


async def test_the_list_is_filtered_by_status(client: Any, acme: Any) -> None:
    await send(client, acme)
    assert len((await client.get("/api/v1/messages?status=queued", headers=acme)).json()["data"]) == 1
    assert (await client.get("/api/v1/messages?status=delivered", headers=acme)).json()["data"] == []


async def test_attachments_are_taken_in_base64(client: Any, acme: Any) -> None:
    file = {"filename": "Rechnung für März.pdf", "content": base64.b64encode(b"%PDF").decode()}
    assert (await send(client, acme, attachments=[file])).status_code == 202
    large = {"content": base64.b64encode(bytes(19 * 1024 * 1024)).decode()}
    answer = await send(client, acme, attachments=[large])
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "message_too_large")


async def test_a_body_above_the_limit_is_refused(client: Any, acme: Any) -> None:
    answer = await send(client, acme, text="x" * (33 * 1024 * 1024))
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


class TestIdempotency:
    """The same key: the same answer, and one message."""

    async def test_a_repeated_request_is_answered_as_before(self, client: Any, acme: Any) -> None:
        headers = acme | {"Idempotency-Key": "order-4711"}
        first, second = await send(client, headers), await send(client, headers)
        assert first.content == second.content
        assert first.status_code == second.status_code == 202
        assert "idempotent-replayed" not in first.headers
        assert second.headers["idempotent-replayed"] == "true"
        assert len((await client.get("/api/v1/messages", headers=acme)).json()["data"]) == 1

    async def test_requests_at_the_same_time_make_one_message(self, client: Any, acme: Any) -> None:
        headers = acme | {"Idempotency-Key": "order-4711"}
        answers = await asyncio.gather(*(send(client, headers) for _ in range(10)))
        taken = [answer for answer in answers if answer.status_code == 202]
        assert len({answer.json()["id"] for answer in taken}) == 1
        others = [answer for answer in answers if answer.status_code != 202]
        assert {(one.status_code, one.json()["code"]) for one in others} <= {(409, "idempotency_conflict")}
        assert (await send(client, headers)).content == taken[0].content

    async def test_a_key_is_not_for_another_request(self, client: Any, acme: Any) -> None:
        headers = acme | {"Idempotency-Key": "order-4711"}
        await send(client, headers)
        answer = await send(client, headers, subject="Something else")
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "idempotency_key_reused")

    async def test_a_refused_request_leaves_its_key_free(self, client: Any, acme: Any) -> None:
        headers = acme | {"Idempotency-Key": "order-4711"}
        assert (await send(client, headers, to=["nonsense"])).status_code == 422
        assert (await send(client, headers)).status_code == 202

    @pytest.mark.parametrize("key", ["", "x" * 256])
    async def test_a_key_has_a_length(self, client: Any, acme: Any, key: str) -> None:
        answer = await send(client, acme | {"Idempotency-Key": key})
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


class TestBatch:
    """Up to a hundred messages in one request, each judged by itself."""

    async def batch(self, client: Any, headers: Any, messages: list[Any], **more: Any) -> Any:
        return await client.post("/api/v1/messages/batch", json={"messages": messages} | more, headers=headers)

    async def test_a_bad_item_never_fails_the_good_ones(self, client: Any, acme: Any) -> None:
        items = [
            MAIL,
            MAIL | {"to": ["nonsense"]},
            MAIL | {"from": "x@unverified.test"},
            MAIL | {"nope": 1},
            "text",
            MAIL | {"subject": 5},
            MAIL | {"metadata": {"order": "a\0b"}},
            MAIL,
        ]
        answer = await self.batch(client, acme, items, batch_id="campaign_spring_2026")
        assert answer.status_code == 202, answer.text
        body = answer.json()
        assert (body["accepted"], body["rejected"], body["batch_id"]) == (2, 6, "campaign_spring_2026")
        assert [(one["index"], one["status"]) for one in body["results"]] == [
            (0, "queued"),
            *((n, "rejected") for n in range(1, 7)),
            (7, "queued"),
        ]
        fields = [one["errors"][0]["field"] for one in body["results"] if one.get("errors")]
        assert fields == ["to[0]", "nope", "body", "subject", "metadata.order"]
        assert len((await client.get("/api/v1/messages", headers=acme)).json()["data"]) == 2

    @pytest.mark.parametrize("count", [0, 101])
    async def test_a_batch_has_one_to_a_hundred_messages(self, client: Any, acme: Any, count: int) -> None:
        answer = await self.batch(client, acme, [MAIL] * count)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "messages")

    async def test_a_hundred_messages_are_accepted(self, client: Any, acme: Any) -> None:
        assert (await self.batch(client, acme, [MAIL] * 100)).json()["accepted"] == 100

    async def test_a_repeated_batch_is_answered_as_before(self, client: Any, acme: Any) -> None:
        headers = acme | {"Idempotency-Key": "batch-1"}
        first = await self.batch(client, headers, [MAIL, MAIL])
        assert (await self.batch(client, headers, [MAIL, MAIL])).content == first.content
        assert len((await client.get("/api/v1/messages", headers=acme)).json()["data"]) == 2
        assert (await self.batch(client, headers, [MAIL])).status_code == 422
