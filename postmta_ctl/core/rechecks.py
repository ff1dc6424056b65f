"""When a domain's records are looked up again, decided purely."""

from __future__ import annotations

from datetime import datetime, timedelta

VERIFIED_EVERY = timedelta(hours=6)
FAILING_EVERY = timedelta(minutes=30)
CONFIRM_AFTER = timedelta(minutes=10)
"""A record that is gone is looked for once more before mail is stopped: zones have bad minutes."""
FIRST, LONGEST = timedelta(minutes=10), timedelta(hours=12)
GIVE_UP = timedelta(days=30)
"""A claim that nobody proves is looked at on request only."""
JITTER = 0.2


def next_check(status: str, *, is_doubted: bool, age: timedelta, now: datetime, chance: float) -> datetime | None:
    """The moment of the next check; None: no more by itself.

    Args:
        status: ``pending``, ``verified`` or ``failing``.
        is_doubted: A required record of a verified domain was not as it should be.
        age: Of the claim.
        now: When it was checked.
        chance: From 0 to 1, so that domains made together are not checked together for ever.
    """
    if status == "pending" and age > GIVE_UP:
        return None
    if is_doubted:
        wait = CONFIRM_AFTER
    elif status == "verified":
        wait = VERIFIED_EVERY
    else:
        wait = FAILING_EVERY if status == "failing" else min(max(age / 4, FIRST), LONGEST)
    return now + wait * (1 + JITTER * (2 * chance - 1))
