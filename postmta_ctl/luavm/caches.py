"""Values kept for a time, as KumoMTA keeps pools, sources and memoized results."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from postmta_ctl.luavm.clock import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class TtlCache(Generic[K, V]):
    """At most ``capacity`` values, each for as many seconds as ``ttl`` says; the least recently used goes first."""

    def __init__(self, clock: Clock, capacity: int, ttl: Callable[[V], float]) -> None:
        self._clock = clock
        self._capacity = capacity
        self._ttl = ttl
        self._entries: OrderedDict[K, tuple[datetime, V]] = OrderedDict()

    def get_or_make(self, key: K, make: Callable[[K], V]) -> V:
        """The kept value, or a new one; a failure of ``make`` is not kept."""
        now = self._clock.now()
        entry = self._entries.get(key)
        if entry is None or entry[0] <= now:
            value = make(key)
            entry = (now + timedelta(seconds=self._ttl(value)), value)
            self._entries[key] = entry
        self._entries.move_to_end(key)
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)
        return entry[1]

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
