"""KumoMTA's throttles: the generic cell rate algorithm, kept in the memory of one process."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from postmta_ctl.luavm.clock import Clock
from postmta_ctl.luavm.formats import ThrottleSpec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000_000


class ThrottleResult(msgspec.Struct, frozen=True):
    """What one request met; times are whole seconds, rounded up as KumoMTA does."""

    throttled: bool
    limit: int
    remaining: int
    reset_after: int
    retry_after: int | None


class ThrottleStore:
    """All buckets of a node, by key.

    The key takes in limit, burst and period: editing a rate starts a full bucket. Lost at a restart, that is, with
    the object.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._arrivals: dict[str, int] = {}

    def throttle(self, key: str, spec: ThrottleSpec, quantity: int = 1) -> ThrottleResult:
        """Take ``quantity`` from the bucket, or learn when to come back.

        A bucket holds one more than ``max_burst``, at most the limit: with ``500/d,max_burst=1`` two go at once.
        """
        key = f"{key}:{spec.limit}:{spec.burst}:{spec.period}"
        capacity = min(spec.burst, spec.limit - 1) + 1
        interval = spec.period * _SECOND // spec.limit
        now = self._nanoseconds()
        arrival = self._arrivals.get(key, now)
        new_arrival = max(arrival, now) + interval * quantity
        early = new_arrival - interval * capacity - now
        if early > 0:
            wait = _rounded_up(early) if quantity <= capacity else 0
            return self._result(capacity, interval, arrival - now, throttled=True, retry_after=wait or None)
        self._arrivals[key] = new_arrival
        return self._result(capacity, interval, new_arrival - now, throttled=False, retry_after=None)

    def _result(
        self, capacity: int, interval: int, occupied: int, *, throttled: bool, retry_after: int | None
    ) -> ThrottleResult:
        free = interval * capacity - occupied
        return ThrottleResult(throttled, capacity, max(int(free / interval), 0), _rounded_up(occupied), retry_after)

    def _nanoseconds(self) -> int:
        since = self._clock.now() - _EPOCH
        return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000


def _rounded_up(nanoseconds: int) -> int:
    """Whole seconds; a part below a millisecond does not count."""
    seconds, rest = divmod(max(nanoseconds, 0), _SECOND)
    return seconds + (rest >= 1_000_000)
