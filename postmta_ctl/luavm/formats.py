"""Texts with a grammar of their own in options: durations, rates, limits, addresses.

Each ``parse_*`` returns the value and raises ``ValueError`` where kumod refuses the text.
"""

from __future__ import annotations

import ipaddress
import re
from fractions import Fraction

import msgspec

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_UNITS: dict[str, Fraction] = {
    unit: Fraction(seconds)
    for units, seconds in (
        ("ns nsec", Fraction(1, 10**9)),
        ("us usec µs", Fraction(1, 10**6)),
        ("ms msec millis", Fraction(1, 1000)),
        ("s sec secs second seconds", 1),
        ("m min mins minute minutes", 60),
        ("h hr hrs hour hours", 3600),
        ("d day days", 86_400),
        ("w wk wks week weeks", 604_800),
        ("M month months", 2_630_016),
        ("y yr yrs year years", 31_557_600),
    )
    for unit in units.split()
}
_DURATION_PART = re.compile(r"\s*(\d+)\s*([A-Za-zµ]+)\s*")
_PERIODS = {"h": 3600, "hr": 3600, "hour": 3600, "m": 60, "min": 60, "minute": 60, "s": 1, "sec": 1, "second": 1}
_PERIODS |= {"d": 86_400, "day": 86_400}
_THROTTLE = re.compile(r"(local:)?([0-9][0-9_,]*)/([0-9]*)([a-z]+)(?:,max_burst=([0-9][0-9_,]*))?")
_LIMIT = re.compile(r"(local:)?([0-9][0-9_,]*)")
_PERCENT = re.compile(r"(100|[0-9]{1,2})%")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")


class ThrottleSpec(msgspec.Struct, frozen=True):
    """``[local:]LIMIT/[N]PERIOD[,max_burst=BURST]``: at most ``limit`` in ``period`` seconds, smoothed by GCRA."""

    limit: int
    period: int
    max_burst: int | None = None
    local: bool = False

    @property
    def burst(self) -> int:
        """How many may go at once; the whole limit unless ``max_burst`` says otherwise."""
        return self.limit if self.max_burst is None else self.max_burst


class LimitSpec(msgspec.Struct, frozen=True):
    """A connection limit; ``local`` keeps it out of cluster-wide counting."""

    limit: int
    local: bool = False


def parse_duration(value: str | float) -> float:
    """Seconds from ``'1 hour 30s'`` or from a non-negative number of seconds."""
    if not isinstance(value, str):
        if value < 0:
            raise ValueError("a duration is not negative")
        return float(value)
    total, position = Fraction(0), 0
    while match := _DURATION_PART.match(value, position):
        unit = _UNITS.get(match[2])
        if unit is None:
            raise ValueError(f"unknown time unit {match[2]!r} in duration {value!r}")
        total += int(match[1]) * unit
        position = match.end()
    if position != len(value) or not value:
        raise ValueError(f"{value!r} is not a duration such as '5m' or '1 hour 30s'")
    return float(total)


def parse_throttle(text: str) -> ThrottleSpec:
    """A rate such as ``100/h``, ``local:50/s`` or ``500/d,max_burst=1``."""
    match = _THROTTLE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a rate such as '100/h' or '500/d,max_burst=1'")
    local, limit, scale, period, burst = match.groups()
    if period not in _PERIODS:
        raise ValueError(f"unknown period {period!r} in rate {text!r}; use s, min, h or d")
    if separated_number(limit) == 0 or scale == "0":
        raise ValueError(f"the limit of rate {text!r} must be greater than 0")
    return ThrottleSpec(
        limit=separated_number(limit),
        period=int(scale or 1) * _PERIODS[period],
        max_burst=None if burst is None else separated_number(burst),
        local=local is not None,
    )


def parse_limit(value: str | int) -> LimitSpec:
    """A limit of at least 1: a number, ``'1,000'`` or ``'local:20'``."""
    match = _LIMIT.fullmatch(str(value))
    if match is None or separated_number(match[2]) < 1:
        raise ValueError(f"{value!r} is not a limit such as 32 or 'local:20'")
    return LimitSpec(separated_number(match[2]), local=match[1] is not None)


def separated_number(digits: str) -> int:
    """``'1_000'`` and ``'1,000'`` are both a thousand."""
    return int(digits.replace("_", "").replace(",", ""))


def parse_min_free(value: str | int) -> str | int:
    """``'10%'`` or a whole number of bytes or inodes."""
    if isinstance(value, int) and value >= 0:
        return value
    if isinstance(value, str) and ((value.isascii() and value.isdigit()) or _PERCENT.fullmatch(value)):
        return value
    raise ValueError(f"{value!r} is neither a percentage such as '10%' nor a whole number")


def parse_network(text: str) -> IpNetwork:
    """An IP address or a CIDR block whose host bits are zero."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a CIDR block: {error}") from error


def parse_host_port(text: str) -> tuple[str, int]:
    """``10.0.0.1:25``, ``[::1]:25`` or ``name:25``."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise ValueError(f"{text!r} is not HOST:PORT")
    if bracketed:
        ipaddress.IPv6Address(host[1:-1])
    elif not _HOST.fullmatch(host):
        raise ValueError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)
