"""Which source a message leaves through: KumoMTA's weighted round robin over a pool.

The algorithm is the interleaved one of the Linux Virtual Server ("Weighted Round-Robin Scheduling"). A fresh
selector looks at the second entry first and ignores weights in that first pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import gcd

import msgspec

from postmta_ctl.luavm.configs import PoolEntry
from postmta_ctl.luavm.formats import ThrottleSpec
from postmta_ctl.luavm.throttle import ThrottleStore

SelectionThrottles = Callable[[str], Iterable[tuple[str, ThrottleSpec]]]
"""For a source: its selection rates by bucket name, slowest first (:meth:`EgressPathConfig.selection_throttles`)."""


class Selection(msgspec.Struct, frozen=True):
    """The chosen source; or None and, when all are only throttled, the seconds until one may be free."""

    source: str | None
    retry_after: float | None = None


class SourceSelector:
    """The round robin of one scheduled queue; it starts afresh with the queue and whenever the entries change."""

    def __init__(self, entries: Iterable[PoolEntry]) -> None:
        self._entries = tuple(entry for entry in entries if entry.weight > 0)
        self._index = 0
        self._weight = 0

    def is_for(self, entries: Iterable[PoolEntry]) -> bool:
        """Whether it can go on with these entries: same names, weights and order."""
        return self._entries == tuple(entry for entry in entries if entry.weight > 0)

    def next(self) -> str | None:
        """The next source by weight alone; None for a pool without weight."""
        return self._next(self._entries)

    def select(
        self,
        store: ThrottleStore,
        throttles: SelectionThrottles,
        *,
        suspended: Callable[[str], float | None] = lambda _: None,
    ) -> Selection:
        """The next source that is neither suspended nor out of its selection rates.

        A source that cannot be used is left out and the round robin asked again, as KumoMTA does; each try moves it on.
        ``suspended`` gives the seconds a source is still suspended, None when it is not.
        """
        delays: list[float] = []
        candidates = []
        for entry in self._entries:
            remaining = suspended(entry.name)
            if remaining is None:
                candidates.append(entry)
            else:
                delays.append(remaining)
        while (name := self._next(candidates)) is not None:
            delay = _throttled(store, throttles(name))
            if delay is None:
                return Selection(name)
            delays.append(delay)
            candidates = [entry for entry in candidates if entry.name != name]
        return Selection(None, min(delays, default=None))

    def _next(self, entries: Sequence[PoolEntry]) -> str | None:
        if len(entries) <= 1:
            return entries[0].name if entries else None
        step = gcd(*(entry.weight for entry in entries))
        while True:
            self._index = (self._index + 1) % len(entries)
            if self._index == 0:
                self._weight = max(self._weight - step, 0) or max(entry.weight for entry in entries)
            if entries[self._index].weight >= self._weight:
                return entries[self._index].name


def _throttled(store: ThrottleStore, throttles: Iterable[tuple[str, ThrottleSpec]]) -> float | None:
    """Seconds until the first exhausted rate lets one through; the rates before it have been drawn upon by then."""
    for key, spec in throttles:
        retry_after = store.throttle(key, spec).retry_after
        if retry_after is not None:
            return retry_after
    return None
