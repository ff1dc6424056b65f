"""Token buckets, kept as one moment each (the generic cell rate algorithm).

A bucket of ``quota`` tokens refills evenly within ``window`` seconds. All there is to remember of it is the moment at
which it will be full again: each request moves that on by ``window / quota``, and is refused when it would move
further than ``window`` into the future.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """A quota, and the time in which a spent one is back."""

    name: str
    """As ``RateLimit-Policy`` names it."""
    quota: int
    window: int = 60
    """Seconds."""

    @property
    def interval(self) -> float:
        """Seconds until one token is back."""
        return self.window / self.quota


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody has of a limit."""

    key: str
    """Who, such as ``organization:0193…``."""
    limit: Limit


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a bucket stands after a request."""

    limit: Limit
    full_at: float
    """Moment at which it is full again, on the clock of whoever keeps it."""
    remaining: int
    reset: int
    """Whole seconds until it is full again."""
    retry_after: float = 0.0
    """Seconds until the request would be let through; 0: it was."""


def take(limit: Limit, full_at: float, now: float) -> Standing:
    """Take one token from a bucket that is full at ``full_at``, if there is one."""
    start = max(full_at, now)
    after = start + limit.interval
    # A microsecond is granted: sums of fractions never add up to a whole quota.
    missing = after - now - limit.window - 1e-6
    if missing > 0:
        return Standing(limit=limit, full_at=start, remaining=0, reset=math.ceil(start - now), retry_after=missing)
    remaining = math.floor((limit.window - (after - now)) / limit.interval + 1e-6)
    return Standing(limit=limit, full_at=after, remaining=max(0, remaining), reset=math.ceil(after - now))


def retry_after(standings: Iterable[Standing]) -> int:
    """Whole seconds until none of them refuses any more; 0 when none does."""
    return max((math.ceil(one.retry_after) for one in standings), default=0)


def headers(standings: Iterable[Standing]) -> dict[str, str]:
    """``RateLimit-Policy`` and ``RateLimit`` (draft-ietf-httpapi-ratelimit-headers-10), a member for each limit."""
    listed = list(standings)
    if not listed:
        return {}
    policies = (f'"{one.limit.name}";q={one.limit.quota};w={one.limit.window}' for one in listed)
    states = (f'"{one.limit.name}";r={one.remaining};t={one.reset}' for one in listed)
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(states)}
