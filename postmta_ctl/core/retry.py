"""When to try again. Pure: how often it was tried decides."""

from __future__ import annotations

from datetime import timedelta


def backoff(attempts: int, *, first: timedelta, most: timedelta) -> timedelta:
    """The wait after the ``attempts``-th failure in a row: ``first``, doubled each time, never above ``most``."""
    # Beyond 32 doublings any sensible ``first`` is above any sensible ``most``; the power must not overflow.
    return min(first * (1 << min(attempts - 1, 32)), most)
