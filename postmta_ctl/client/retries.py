"""When a request is made again. Pure: the request and what became of it in, seconds to wait out."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import msgspec

from postmta_ctl.client.calls import Call

NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""The request never left: repeating it is safe, whatever it is."""
NOT_TAKEN = frozenset({"busy", "engine_unreachable"})
"""Codes of a 503 by which the API itself says that nothing was done. A proxy's 503 says no such thing."""


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """How often, and how patiently."""

    attempts: int = 5
    """In all."""
    first_wait: float = 0.5
    """Seconds; doubled each time."""
    longest_wait: float = 60.0
    """Seconds; an API that asks for more is not waited for."""

    def wait(
        self, call: Call[Any], outcome: httpx.Response | httpx.TransportError, *, attempt: int, chance: float
    ) -> float | None:
        """Seconds until the request is made again, or None if it is not.

        Args:
            call: What was asked for.
            outcome: The answer, or how it failed.
            attempt: How many times it was made.
            chance: From 0 to 1: waits are spread, so that clients that failed together do not come back together.
        """
        if attempt >= self.attempts or not _may_repeat(call, outcome):
            return None
        wait = min(self.first_wait * 2.0 ** (attempt - 1), self.longest_wait) * (0.5 + chance / 2)
        asked = retry_after(outcome) if isinstance(outcome, httpx.Response) else None
        if asked is None:
            return wait
        return max(wait, asked) if asked <= self.longest_wait else None


def _may_repeat(call: Call[Any], outcome: httpx.Response | httpx.TransportError) -> bool:
    if isinstance(outcome, httpx.Response):
        if outcome.status_code == 429:
            return True
        if outcome.status_code == 503:
            return is_repeatable(call) or _code(outcome) in NOT_TAKEN
        # Of a proxy; where the API itself answers 502, it has tried.
        return outcome.status_code in (502, 504) and _code(outcome) is None and is_repeatable(call)
    return isinstance(outcome, NOT_SENT) or is_repeatable(call)


def is_repeatable(call: Call[Any]) -> bool:
    """Whether doing it twice is as good as once, and is answered alike.

    A DELETE that was done is answered 404 the second time, and a change of a known version 412.
    """
    if call.headers.get("Idempotency-Key"):
        return True
    return call.method == "GET" or (call.method == "PUT" and not call.headers.get("If-Match"))


def _code(answer: httpx.Response) -> Any:
    try:
        body = msgspec.json.decode(answer.content)
    except msgspec.DecodeError:
        return None
    return body.get("code") if isinstance(body, dict) else None


def retry_after(answer: httpx.Response) -> float | None:
    """Seconds that ``Retry-After`` asks for (RFC 9110 section 10.2.3): a number, or a date."""
    text = str(answer.headers.get("Retry-After", "")).strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
        return max((moment - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None
