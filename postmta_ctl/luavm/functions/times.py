"""``kumo.time``: moments and spans, by the node's clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING

from postmta_ctl.luavm.clock import Clock
from postmta_ctl.luavm.errors import LuaProblem
from postmta_ctl.luavm.formats import parse_duration
from postmta_ctl.luavm.userdata import Userdata

if TYPE_CHECKING:
    from postmta_ctl.luavm.vm import Vm

_UNITS = (("day", 86_400), ("h", 3600), ("m", 60), ("s", 1))
_PARTS = ("year", "month", "day", "hour", "minute", "second")


class TimeDelta(Userdata):
    """A span of time."""

    lua_type = "TimeDelta"

    def __init__(self, span: timedelta) -> None:
        self.span = span

    def __str__(self) -> str:
        return self.field_human()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TimeDelta) and other.span == self.span

    def __hash__(self) -> int:
        return hash(self.span)

    def field_seconds(self) -> float:
        """Seconds with their fraction."""
        return self.span.total_seconds()

    def field_milliseconds(self) -> int:
        """Whole milliseconds."""
        return self.span // timedelta(milliseconds=1)

    def field_microseconds(self) -> int:
        """Whole microseconds."""
        return self.span // timedelta(microseconds=1)

    def field_nanoseconds(self) -> int:
        """Nanoseconds, as fine as microseconds here."""
        return self.field_microseconds() * 1000

    def field_human(self) -> str:
        """``1h 5m``."""
        left, words = int(abs(self.span).total_seconds()), []
        for unit, seconds in _UNITS:
            count, left = divmod(left, seconds)
            if count:
                words.append(f"{count}{unit}")
        return " ".join(words) or "0s"

    def lua_operator(self, operator: str, left: object, right: object) -> TimeDelta:
        """``span + span``, ``span - span``."""
        if not isinstance(left, TimeDelta) or not isinstance(right, TimeDelta):
            raise LuaProblem("wrong_type", f"a TimeDelta knows {operator} with a TimeDelta only")
        return TimeDelta(left.span + right.span if operator == "+" else left.span - right.span)


class Time(Userdata):
    """A moment in UTC."""

    lua_type = "Time"

    def __init__(self, moment: datetime, clock: Clock) -> None:
        self.moment = moment
        self._clock = clock

    def __str__(self) -> str:
        return self.moment.isoformat()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Time) and other.moment == self.moment

    def __hash__(self) -> int:
        return hash(self.moment)

    def _field(self, name: str) -> object:
        return getattr(self.moment, name) if name in _PARTS else super()._field(name)

    def field_unix_timestamp(self) -> int:
        """Seconds since 1970."""
        return int(self.moment.timestamp())

    def field_unix_timestamp_millis(self) -> int:
        """Milliseconds since 1970."""
        return int(self.moment.timestamp() * 1000)

    def field_rfc2822(self) -> str:
        """As in a Date header."""
        return format_datetime(self.moment)

    def field_rfc3339(self) -> str:
        """As in JSON."""
        return self.moment.isoformat()

    def field_elapsed(self) -> TimeDelta:
        """How long ago it was."""
        return TimeDelta(self._clock.now() - self.moment)

    def lua_format(self, _vm: Vm, strftime: str) -> str:
        """By a strftime pattern."""
        return self.moment.strftime(strftime)

    def lua_operator(self, operator: str, left: object, right: object) -> Time | TimeDelta:
        """``time - time``, ``time - span``, ``time + span``."""
        if isinstance(left, Time) and isinstance(right, TimeDelta):
            span = right.span if operator == "+" else -right.span
            return Time(left.moment + span, self._clock)
        if isinstance(left, Time) and isinstance(right, Time) and operator == "-":
            return TimeDelta(left.moment - right.moment)
        raise LuaProblem("wrong_type", f"a Time does not know {operator} with these")


class Timer(Userdata):
    """Measures until ``done`` or the end of its ``<close>`` variable."""

    lua_type = "Timer"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started = clock.now()

    def lua_done(self, _vm: Vm) -> float:
        """Seconds since the start."""
        return (self._clock.now() - self._started).total_seconds()

    def lua_close(self) -> None:
        """Nothing is exported from here."""


def _parsed(parse: Callable[[str], datetime]) -> Callable[[Vm, str], Time]:
    def parse_time(vm: Vm, text: str) -> Time:
        try:
            moment = parse(text)
        except ValueError as error:
            raise LuaProblem("bad_value", str(error)) from error
        return Time(moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC), vm.node.clock)

    return parse_time


def with_ymd_hms(vm: Vm, *parts: int) -> Time:
    """A moment by its parts."""
    year, month, day, hour, minute, second = parts
    try:
        return Time(datetime(year, month, day, hour, minute, second, tzinfo=UTC), vm.node.clock)
    except ValueError as error:
        raise LuaProblem("bad_value", str(error)) from error


FUNCTIONS: dict[str, Callable[..., object]] = {
    "kumo.time.now": lambda vm: Time(vm.node.clock.now(), vm.node.clock),
    "kumo.time.from_unix_timestamp": lambda vm, seconds: Time(datetime.fromtimestamp(seconds, UTC), vm.node.clock),
    "kumo.time.with_ymd_hms": with_ymd_hms,
    "kumo.time.parse_rfc3339": _parsed(datetime.fromisoformat),
    "kumo.time.parse_rfc2822": _parsed(parsedate_to_datetime),
    "kumo.time.parse_duration": lambda _vm, text: TimeDelta(timedelta(seconds=parse_duration(text))),
    "kumo.time.start_timer": lambda vm, _name: Timer(vm.node.clock),
}
