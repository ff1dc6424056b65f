"""``kumo.counter_series``: counts over the last periods, shared by the whole process."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING, Any

from postmta_ctl.luavm.clock import Clock
from postmta_ctl.luavm.formats import parse_duration
from postmta_ctl.luavm.userdata import Userdata

if TYPE_CHECKING:
    from postmta_ctl.luavm.vm import Vm


class CounterSeries(Userdata):
    """Counts in buckets of equal length; what is older than all buckets is forgotten."""

    lua_type = "CounterSeries"

    def __init__(self, clock: Clock, values: dict[str, Any]) -> None:
        self._clock = clock
        self.shape = _shape(values)
        self._number, self._length = self.shape
        self._counts: dict[int, int] = {}
        if values["initial_value"]:
            self._counts[self._bucket()] = values["initial_value"]

    def _bucket(self) -> int:
        return int(self._clock.now().timestamp() // self._length)

    def _sum(self, buckets: int) -> int:
        newest = self._bucket()
        self._counts = {at: count for at, count in self._counts.items() if at > newest - self._number}
        return sum(count for at, count in self._counts.items() if at > newest - buckets)

    def lua_increment(self, vm: Vm, by: int) -> None:
        """Count up."""
        self.lua_delta(vm, by)

    def lua_delta(self, _vm: Vm, by: int) -> None:
        """Count up or down, not below zero."""
        bucket = self._bucket()
        self._counts[bucket] = max(self._counts.get(bucket, 0) + by, 0)

    def lua_observe(self, _vm: Vm, value: int) -> None:
        """Set the count of the current period."""
        self._counts[self._bucket()] = value

    def lua_sum(self, _vm: Vm) -> int:
        """All that is remembered."""
        return self._sum(self._number)

    def lua_sum_over(self, _vm: Vm, duration: str | float) -> int:
        """What was counted in the last while, in whole periods."""
        return self._sum(max(int(parse_duration(duration) // self._length), 1))


def _shape(values: dict[str, Any]) -> tuple[int, int]:
    """Number and length of the buckets, the length in whole seconds."""
    return values["num_buckets"], max(ceil(parse_duration(values["bucket_size"])), 1)


def define(vm: Vm, values: dict[str, Any]) -> CounterSeries:
    """The series of that name; made at the first call, and anew when its shape changes."""
    known = vm.node.counters.get(values["name"])
    if known is None or known.shape != _shape(values):
        known = vm.node.counters[values["name"]] = CounterSeries(vm.node.clock, values)
    return known


FUNCTIONS: dict[str, Callable[..., object]] = {"kumo.counter_series.define": define}
