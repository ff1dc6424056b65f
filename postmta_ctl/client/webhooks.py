"""For who receives webhooks: whether a request is from PostMTA, and what it tells. See https://www.standardwebhooks.com.

>>> event = verify(request.body, request.headers, "whsec_…")
>>> event.type, event.data["recipient"]
"""

from __future__ import annotations

import binascii
import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from postmta_ctl.core.webhooks import sign

TOLERANCE = timedelta(minutes=5)
"""How far the time of a request may be from ours, either way: what was recorded cannot be sent again later."""


class NotGenuine(Exception):
    """The request is not from PostMTA, or not from now. Answer 400 and do nothing."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook tells."""

    id: str
    """The same for every attempt: have you seen it, answer 2xx and do nothing."""
    type: str
    """See the events in the documentation."""
    timestamp: datetime
    """When it happened."""
    data: dict[str, Any]


class _Body(msgspec.Struct, frozen=True):
    type: str
    timestamp: datetime
    data: dict[str, Any]


def verify(
    body: bytes,
    headers: Mapping[str, str],
    secret: str | Iterable[str],
    *,
    now: datetime | None = None,
    tolerance: timedelta = TOLERANCE,
) -> Event:
    """The event of a request, if it is genuine.

    Args:
        body: Exactly the octets that came, before anything parsed them.
        headers: Of the request, in any case.
        secret: The endpoint's, with its prefix ``whsec_``; several while one replaces the other.
        now: When the request came; by default, now.
        tolerance: See :data:`TOLERANCE`.

    Raises:
        NotGenuine: A header is missing, the signature is wrong, or the time is too far off.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, timestamp = given["webhook-id"], given["webhook-timestamp"]
        signatures = given["webhook-signature"].split()
        at = datetime.fromtimestamp(int(timestamp), UTC)
    except (KeyError, ValueError, OverflowError, OSError) as error:
        raise NotGenuine(f"no signed webhook: {error}") from error
    if abs((now or datetime.now(UTC)) - at) > tolerance:
        raise NotGenuine("too old, or from the future")
    if not _is_signed(body, message_id, at, signatures, [secret] if isinstance(secret, str) else secret):
        raise NotGenuine("the signature is wrong")
    try:
        told = msgspec.json.decode(body, type=_Body)
    except msgspec.MsgspecError as error:
        raise NotGenuine(f"no event: {error}") from error
    return Event(id=message_id, type=told.type, timestamp=told.timestamp, data=told.data)


def _is_signed(body: bytes, message_id: str, at: datetime, signatures: list[str], secrets: Iterable[str]) -> bool:
    try:
        expected = sign(list(secrets), message_id=message_id, at=at, body=body)["webhook-signature"].split()
    except binascii.Error as error:
        raise ValueError("the secret is not one of PostMTA's: whsec_ and base64") from error
    return any(hmac.compare_digest(one.encode(), ours.encode()) for one in signatures for ours in expected)
