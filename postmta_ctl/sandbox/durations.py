"""Spans and moments as KumoMTA writes them: ``59m 59s 996ms`` and RFC 3339 with as many digits as it takes.

Inside the sandbox every moment is a number of nanoseconds since 1970, every span a number of nanoseconds.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from postmta_ctl.luavm import Clock, SystemClock
from postmta_ctl.luavm.formats import parse_duration

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGE_UNITS = (("year", 31_557_600), ("month", 2_630_016), ("day", 86_400))
_SMALL_UNITS = (
    ("h", 3600 * SECOND),
    ("m", MINUTE),
    ("s", SECOND),
    ("ms", 1_000_000),
    ("us", 1000),
    ("ns", 1),
)


def moment(clock: Clock) -> int:
    """Now. The system's clock is read with all its digits, any other to the microsecond."""
    if isinstance(clock, SystemClock):
        return time.time_ns()
    return (clock.now() - _EPOCH) // timedelta(microseconds=1) * 1000


def seconds(value: float) -> int:
    """Nanoseconds in so many seconds."""
    return int(value * SECOND)


def span(value: str | float) -> int:
    """Nanoseconds in a duration of KumoMTA's: ``"1h 30m"`` or a number of seconds.

    Raises:
        ValueError: it is neither.
    """
    return seconds(parse_duration(value))


def show_span(value: int) -> str:
    """A span in words; nothing below a nanosecond, nothing below zero."""
    rest = max(value, 0)
    parts: list[str] = []
    for name, unit in _LARGE_UNITS:
        count, rest = divmod(rest, unit * SECOND)
        if count:
            parts.append(f"{count}{name}{'s' if count > 1 else ''}")
    for name, unit in _SMALL_UNITS:
        count, rest = divmod(rest, unit)
        if count:
            parts.append(f"{count}{name}")
    return " ".join(parts) or "0s"


def show_moment(value: int) -> str:
    """RFC 3339 in UTC; fractions in groups of three digits, none when it is a whole second."""
    whole, fraction = divmod(value, SECOND)
    text = datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f"{fraction:09}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{text}.{digits}Z" if digits else f"{text}Z"


def parse_moment(text: str) -> int:
    """A moment written in RFC 3339.

    Raises:
        ValueError: it is not.
    """
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC")
    return (value - _EPOCH) // timedelta(microseconds=1) * 1000
