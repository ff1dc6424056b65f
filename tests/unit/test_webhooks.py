"""Signatures that the published library accepts, and the schedule of retries."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from postmta_ctl.core.errors import InputError
from postmta_ctl.core.event_types import EVENT_TYPES, parse_event_types
from postmta_ctl.core.webhooks import JITTER, LONGEST_WAIT, RETRY_AFTER, judge, make_secret, sign

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
OLD, NEW = make_secret(b"o" * 32), make_secret(b"n" * 32)


@given(st.binary(min_size=24, max_size=64), st.binary(max_size=200))
def test_the_published_library_verifies(key: bytes, content: bytes) -> None:
    body = b'{"x":"' + base64.b64encode(content) + b'"}'
    headers = sign([make_secret(key)], message_id="m1", at=datetime.now(UTC), body=body)
    Webhook(make_secret(key)).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(make_secret(key)).verify(body + b" ", headers)


def test_both_secrets_of_a_rotation_verify_and_no_other() -> None:
    headers = sign([NEW, OLD], message_id="m1", at=datetime.now(UTC), body=b"{}")
    for secret in (NEW, OLD):
        Webhook(secret).verify(b"{}", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(make_secret(b"x" * 32)).verify(b"{}", headers)


def test_id_and_time_are_signed() -> None:
    headers = sign([NEW], message_id="m1", at=datetime.now(UTC), body=b"{}")
    for change in ({"webhook-id": "m2"}, {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}):
        with pytest.raises(WebhookVerificationError):
            Webhook(NEW).verify(b"{}", headers | change)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_a_success(status: int) -> None:
    assert judge(status, step=3, now=NOW, chance=0.5).status == "succeeded"


@pytest.mark.parametrize("status", [None, 100, 199, 301, 302, 307, 400, 401, 404, 429, 500, 503, 999])
def test_anything_else_is_tried_again_to_the_end_of_the_schedule(status: int | None) -> None:
    waits = []
    for step in range(len(RETRY_AFTER)):
        verdict = judge(status, step=step, now=NOW, chance=0)
        assert (verdict.status, verdict.is_gone) == ("pending", False)
        assert verdict.due_at is not None
        waits.append(verdict.due_at - NOW)
    assert judge(status, step=len(RETRY_AFTER), now=NOW, chance=0).status == "failed"
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (timedelta(seconds=5), timedelta(hours=24))
    assert timedelta(days=3) <= sum(waits, timedelta()) <= timedelta(days=3.5)


def test_gone_is_the_end() -> None:
    verdict = judge(410, step=0, now=NOW, chance=0)
    assert (verdict.status, verdict.due_at, verdict.is_gone) == ("failed", None, True)


@given(st.floats(0, 1), st.integers(0, len(RETRY_AFTER) - 1))
def test_jitter_only_ever_adds(chance: float, step: int) -> None:
    due = judge(500, step=step, now=NOW, chance=chance).due_at
    assert due is not None
    assert RETRY_AFTER[step] <= due - NOW <= RETRY_AFTER[step] * (1 + JITTER)


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("3600", timedelta(hours=1)),
        (" 3600 ", timedelta(hours=1)),
        ("1", RETRY_AFTER[0]),
        ("0", RETRY_AFTER[0]),
        ("999999999999999999", LONGEST_WAIT),
        (format_datetime(NOW + timedelta(hours=2), usegmt=True), timedelta(hours=2)),
        (format_datetime(NOW - timedelta(hours=2), usegmt=True), RETRY_AFTER[0]),
        ("Sun, 22 Nov 2026 14:00:00", timedelta(hours=2)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT),
        ("-5", RETRY_AFTER[0]),
        ("1.5", RETRY_AFTER[0]),
        ("²", RETRY_AFTER[0]),
        ("soon", RETRY_AFTER[0]),
        ("", RETRY_AFTER[0]),
        (None, RETRY_AFTER[0]),
    ],
)
def test_retry_after_is_honoured_within_a_day(header: str | None, wait: timedelta) -> None:
    verdict = judge(503, step=0, now=NOW, chance=0, retry_after=header)
    assert verdict.due_at == NOW + wait


@given(st.text(max_size=60))
def test_no_retry_after_can_break_it(header: str) -> None:
    due = judge(503, step=0, now=NOW, chance=0, retry_after=header).due_at
    assert due is not None
    assert NOW < due <= NOW + LONGEST_WAIT


def test_a_filter_is_brought_into_order() -> None:
    assert parse_event_types(["message.opened", "message.queued", "message.opened"]) == [
        "message.queued",
        "message.opened",
    ]
    assert parse_event_types(list(EVENT_TYPES)) == list(EVENT_TYPES)


def test_an_unknown_event_is_named_with_what_may_have_been_meant() -> None:
    with pytest.raises(InputError, match=r"did you mean message\.bounced") as caught:
        parse_event_types(["message.opened", "message.bounce"])
    assert (caught.value.field, caught.value.code) == ("[1]", "event_type_unknown")
