"""How values are written on pages. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from postmta_ctl.core.money import Money

NOTHING = "\u2013"
"""A dash, where there is no value."""
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_TONES = {
    "good": "accepted active alive approved clean completed delivered enabled found healthy live ok paid passed "
    "published running succeeded valid verified",
    "bad": "blocked bounced broken complained critical error failed failing infected invalid listed missing offline "
    "refused rejected restart revoked unreachable",
    "warn": "canary deferred degraded disabled drifted expired held on_hold paused pending proposed stale suppressed "
    "suspended unknown unverified waiting warming warning",
}
_TONE_OF = {word: tone for tone, words in _TONES.items() for word in words.split()}


def number(value: float | None) -> str:
    """``1,204``; a dash for nothing."""
    if value is None:
        return NOTHING
    return f"{value:,}" if isinstance(value, int) or value != round(value) else f"{round(value):,}"


def percent(share: float | None, digits: int = 1) -> str:
    """``12.5 %`` for 0.125."""
    return NOTHING if share is None else f"{share * 100:.{digits}f} %"


def money(minor: int, currency: str) -> str:
    """``49.00 EUR`` for 4900."""
    return str(Money(minor=minor, currency=currency))


def octets(size: int) -> str:
    """``1.2 MiB``."""
    value = float(size)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def stamp(moment: datetime) -> str:
    """``2026-11-22 12:00:03 UTC``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def relative(moment: datetime, now: datetime) -> str:
    """``3 minutes ago``, ``in 2 hours``, ``just now``."""
    seconds = (now - moment).total_seconds()
    distance = abs(seconds)
    if distance < 1:
        return "just now"
    size, unit = next((size, unit) for size, unit in _UNITS if distance >= size)
    count = int(distance // size)
    words = f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return f"{words} ago" if seconds > 0 else f"in {words}"


def duration(seconds: float) -> str:
    """``3 minutes``: the largest unit, rounded down."""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), (1, "second"))
    count = int(seconds // size)
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def counted(count: int, one: str, several: str = "") -> str:
    """``1 message``, ``1,204 messages``."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def words(name: str) -> str:
    """``soft bounce`` for ``soft_bounce``."""
    return name.replace("_", " ")


def tone(status: str) -> str:
    """Which colour a status has: good, bad, warn or plain. A word always stands beside it."""
    return _TONE_OF.get(status.lower().replace(" ", "_").replace("-", "_").rpartition(".")[2], "plain")


def as_json(value: object) -> str:
    """For an attribute that a script reads; the template escapes it."""
    return msgspec.json.encode(value).decode()


def pretty(value: object) -> str:
    """JSON for people to read."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
