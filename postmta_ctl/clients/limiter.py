"""Who keeps the token buckets: this process, or a Redis that several share (``clients.redis_limiter``)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from postmta_ctl.core import rate_limits
from postmta_ctl.core.rate_limits import Bucket, Standing

_PRUNE_AT = 10_000


class Limiter(Protocol):
    """Keeps token buckets."""

    async def take(self, buckets: Sequence[Bucket]) -> list[Standing]:
        """Take a token from each bucket, or from none if one of them is empty."""
        ...

    async def give_back(self, buckets: Sequence[Bucket]) -> None:
        """Undo one :meth:`take`."""
        ...

    async def trouble(self) -> str | None:
        """Why the buckets are not shared as they should be; None when all is well."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class MemoryLimiter:
    """Buckets of this process alone.

    Args:
        now: A clock in seconds that nobody sets.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._full_at: dict[str, float] = {}
        self._prune_at = _PRUNE_AT

    async def take(self, buckets: Sequence[Bucket]) -> list[Standing]:
        """Take a token from each bucket, or from none if one of them is empty."""
        now = self._now()
        standings = [rate_limits.take(one.limit, self._full_at.get(one.key, now), now) for one in buckets]
        if not any(one.retry_after for one in standings):
            for bucket, standing in zip(buckets, standings, strict=True):
                self._full_at[bucket.key] = standing.full_at
            self._prune(now)
        return standings

    async def give_back(self, buckets: Sequence[Bucket]) -> None:
        """Undo one :meth:`take`."""
        for bucket in buckets:
            if bucket.key in self._full_at:
                self._full_at[bucket.key] -= bucket.limit.interval

    async def trouble(self) -> str | None:
        """There is none: nobody else is needed."""
        return None

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _prune(self, now: float) -> None:
        if len(self._full_at) < self._prune_at:
            return
        # A full bucket is the same as none.
        self._full_at = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
        self._prune_at = max(_PRUNE_AT, 2 * len(self._full_at))
