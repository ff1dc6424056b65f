"""Identifiers: UUID version 7 (RFC 9562 §5.7) as text of 36 characters.

They sort by time of creation, which keeps the indexes of a growing table narrow and makes ``id`` a cursor.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from threading import Lock

from postmta_ctl.core.chance import chance

_FORM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COUNTER_BITS = 12
_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
"""The digit that begins with the bits of the variant, by one that was drawn."""


class _Counter:
    """Numbers the calls that name the same millisecond: 0, 1, 2 …"""

    def __init__(self) -> None:
        self._lock = Lock()
        self._milliseconds = -1
        self._count = 0

    def next(self, milliseconds: int) -> int:
        with self._lock:
            self._count = self._count + 1 if milliseconds == self._milliseconds else 0
            self._milliseconds = milliseconds
            return self._count


_counter = _Counter()


def new_id(now: datetime) -> str:
    """Make an id whose time is ``now``; ids made one after the other with the same ``now`` are ascending.

    More than 4,096 of them run on into the next millisecond, as RFC 9562 §6.2 allows.
    """
    return _put_together(_milliseconds(now), chance.digits(16))


def new_ids(now: datetime, number: int) -> list[str]:
    """As many ids as by :func:`new_id`, in less time."""
    milliseconds = _milliseconds(now)
    drawn = chance.digits(16 * number)
    return [_put_together(milliseconds, drawn[start : start + 16]) for start in range(0, 16 * number, 16)]


@lru_cache(maxsize=16)
def _milliseconds(now: datetime) -> int:
    return (now - _EPOCH) // timedelta(milliseconds=1)


def _put_together(milliseconds: int, drawn: str) -> str:
    carry, count = divmod(_counter.next(milliseconds), 1 << _COUNTER_BITS)
    time = f"{milliseconds + carry:012x}"
    return f"{time[:8]}-{time[8:]}-7{count:03x}-{_VARIANT[drawn[0]]}{drawn[1:4]}-{drawn[4:]}"


def first_id(moment: datetime) -> str:
    """No id whose time is this millisecond or later is below it; none before it is above."""
    time = f"{max(_milliseconds(moment), 0):012x}"
    return f"{time[:8]}-{time[8:]}-7000-8000-{0:012x}"


def is_id(text: str) -> bool:
    """Whether ``text`` has the form of an id of ours: lower case, version 7, RFC 9562 variant."""
    return _FORM.fullmatch(text) is not None
