"""How one pair of DKIM keys follows another, decided purely.

New records first, then new signatures, and the old records until nothing on its way needs them (RFC 6376 §3.6.1 and
M3AAWG's best practices for key rotation): so there is no moment in which mail is not signed, or by a key that a
receiver does not find.

    publishing ──(both records found)──► switching ──(every node signs anew)──► grace ──(time)──► done
        └──────────► cancelled
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta
from typing import Literal

import msgspec

State = Literal["publishing", "switching", "grace", "done", "cancelled"]
OPEN: tuple[State, ...] = ("publishing", "switching")
"""A domain has one rotation in these at most; keys of several may be in their grace time."""

GIVE_UP = timedelta(days=30)
"""A rotation whose records nobody publishes ends by itself."""
FIRST_LOOK, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)
LONGEST_MEMORY = timedelta(days=1)
"""Negative answers are kept for three hours as a rule, and a day by the most stubborn resolvers (RFC 2308 §5)."""
FOR_NODES = timedelta(seconds=10)
"""Between looks whether every node runs the release."""

_DATED = re.compile(r"-?\d{8}(?:-\d+)?\Z")


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a look-up of one new record came to."""

    verdict: str
    ttl: int | None
    """Seconds for which resolvers may remember the answer."""


class Next(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from a look at the new records."""

    is_found: bool
    """All of them are there as they should be."""
    not_before: datetime | None
    """Until then, resolvers may remember that they were not."""
    due_at: datetime
    """When to look again."""

    def may_switch(self, now: datetime) -> bool:
        """Whether receivers will find the new keys, whichever resolver they ask."""
        return self.is_found and (self.not_before is None or self.not_before <= now)


def after_look(looks: Iterable[Look], *, since: datetime, not_before: datetime | None, now: datetime) -> Next:
    """Judge the look-ups of the new records.

    A resolver that once said "there is none" says so until the zone's negative TTL is over, to others as well: what
    we asked too early, a receiver must not be asked by mail. So the switch waits that long after the last such answer.

    Args:
        looks: One for each new record.
        since: When the records could be published first.
        not_before: What earlier looks came to.
        now: When the answers came.
    """
    found = list(looks)
    absent = [one for one in found if one.verdict in ("missing", "wrong")]
    if absent:
        memory = min(timedelta(seconds=max(one.ttl or 0 for one in absent)), LONGEST_MEMORY)
        not_before = max(not_before or now, now + memory)
    is_found = bool(found) and all(one.verdict == "ok" for one in found)
    wait = min(max((now - since) / 10, FIRST_LOOK), LONGEST_WAIT)
    due_at = not_before if is_found and not_before and not_before > now else now + wait
    return Next(is_found=is_found, not_before=not_before, due_at=due_at)


def grace(wanted: timedelta, queue_lifetime: timedelta) -> timedelta:
    """How long old records stay: longer than any message may wait in a queue, and a day for those who forward it."""
    return max(wanted, queue_lifetime + timedelta(days=1))


def new_selector(current: str, taken: Collection[str], today: date, longest: int) -> str:
    """A selector that was never used, named after the day: ``pmta-20261122``.

    Args:
        current: The one in use, whose name is kept.
        taken: Every selector that the domain has, or had.
        today: The day.
        longest: Characters that it may have.
    """
    day = f"{today:%Y%m%d}"
    stem = (_DATED.sub("", current) or "k")[: longest - len(day) - 4].rstrip("-")
    first = f"{stem}-{day}"
    return next(name for name in (first, *(f"{first}-{number}" for number in range(2, 100))) if name not in taken)
