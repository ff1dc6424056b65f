"""Webhooks as Standard Webhooks has them: secrets and signatures, and when a failed delivery is tried again. Pure.

See https://www.standardwebhooks.com: a message is signed with its id and the time of the attempt, by every secret
that is live.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import msgspec

SECRET_PREFIX = "whsec_"
SECRET_OCTETS = 32
"""The standard asks for 24 to 64."""

RETRY_AFTER = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""Waits after the first failure, the second, and so on: over three days in all, as the standard suggests."""
JITTER = 0.2
"""A wait is longer by up to this share of it, so that what failed together does not come back together."""
LONGEST_WAIT = timedelta(hours=24)
"""What an endpoint may ask for at most by ``Retry-After``."""
GONE = 410


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt made of a delivery."""

    status: str
    """``succeeded``, ``pending`` or ``failed``."""
    due_at: datetime | None = None
    """When it is tried again, if it is."""
    is_gone: bool = False
    """The endpoint wants no more of anything (410)."""


def make_secret(octets: bytes) -> str:
    """A secret as it is shown to the customer."""
    return SECRET_PREFIX + base64.b64encode(octets).decode()


def sign(secrets: Sequence[str], *, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of a signed message.

    Args:
        secrets: Each with its prefix; the newest first.
        message_id: The same for every attempt: receivers know a repetition by it.
        at: When the attempt is made.
        body: Exactly what is sent.
    """
    timestamp = str(int(at.timestamp()))
    content = b".".join((message_id.encode(), timestamp.encode(), body))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{_signature(secret, content)}" for secret in secrets),
    }


def _signature(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()


def judge(status: int | None, *, step: int, now: datetime, chance: float, retry_after: str | None = None) -> Verdict:
    """What becomes of a delivery.

    Args:
        status: Of the answer; none if there was no answer.
        step: How many attempts were made before this one.
        now: When the answer came.
        chance: From 0 to 1, for the jitter.
        retry_after: The header of the answer.
    """
    if status is not None and 200 <= status < 300:
        return Verdict(status="succeeded")
    if status == GONE or step >= len(RETRY_AFTER):
        return Verdict(status="failed", is_gone=status == GONE)
    wait = RETRY_AFTER[step] * (1 + JITTER * chance)
    return Verdict(status="pending", due_at=now + max(wait, _asked_for(retry_after, now)))


def _asked_for(retry_after: str | None, now: datetime) -> timedelta:
    """The wait that ``Retry-After`` asks for (RFC 9110 section 10.2.3): seconds, or a date."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:9]), LONGEST_WAIT.total_seconds()))
    try:
        moment = parsedate_to_datetime(text)
        wait = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
    except (ValueError, OverflowError):
        return timedelta()
    return min(max(wait, timedelta()), LONGEST_WAIT)
