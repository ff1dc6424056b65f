"""Warming up a new address: how many deliveries it may make on each of its first sending days.

Receivers know nothing of a new address, and take more from it as they learn that its mail is wanted. So a schedule
counts days on which something was sent: a pause does not make an address better known. A day is one of UTC, whatever
the customer's clocks say: an allowance must begin for all nodes at one moment, and no day may have 25 hours.

What moves a warm-up on, or back, is :mod:`postmta_ctl.core.warmup_decisions`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date

import msgspec

from postmta_ctl.core.errors import InputError
from postmta_ctl.core.providers import PROVIDERS

SCHEDULES: dict[str, tuple[int, ...]] = {
    "conservative": (
        *(50, 60, 72, 86, 100, 120, 150, 180, 210, 260, 310, 370, 450, 530, 640, 770, 920, 1_100, 1_300, 1_600),
        *(1_900, 2_300, 2_800, 3_300, 4_000, 4_800, 5_700, 6_900, 8_200, 9_900, 12_000, 14_000, 17_000, 20_000),
        *(25_000, 30_000, 35_000, 43_000, 51_000, 61_000, 73_000, 88_000, 100_000),
    ),
    "standard": (
        *(100, 130, 170, 220, 290, 370, 480, 630, 820, 1_100, 1_400, 1_800, 2_300, 3_000, 3_900, 5_100, 6_700),
        *(8_700, 11_000, 15_000, 19_000, 25_000, 32_000, 42_000, 54_000, 71_000, 92_000, 100_000),
    ),
    "aggressive": (
        *(200, 300, 450, 680, 1_000, 1_500, 2_300, 3_400, 5_100, 7_700, 12_000, 17_000, 26_000, 39_000, 58_000),
        *(88_000, 130_000, 200_000),
    ),
}
"""Deliveries allowed on the first sending day, the second, …: steps of 20, 30 and 50 percent."""

MAX_DAYS = 366
MAX_SHARES = 50


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Where the warm-up of one address stands."""

    allowances: tuple[int, ...]
    schedule: str | None = None
    """Name of the schedule; none for a list of the customer's own."""
    shares: dict[str, float] = {}
    """Provider → the most of a day's allowance that may go there, above 0 and up to 1; others are not limited."""
    day: int = 1
    """The stage: which of the allowances is in force, from 1."""
    opened_on: date | None = None
    """The day (UTC) that the allowance is in force for; none: before the first."""
    stopped: bool = False
    """Nothing more leaves on that day, since the warm-up was stepped back in the middle of it."""
    caps: dict[str, int] = {}
    """Provider → deliveries a day that it seems to take, where it put off too much of what was more."""
    held: tuple[str, ...] = ()
    """Providers that were capped on the day in force."""
    judged_from: date | None = None
    """The first day whose complaints count; those before have led to a step back already."""
    paused: bool = False
    """By hand: nothing leaves, and the stage is kept."""

    @property
    def allowance(self) -> int:
        """Deliveries allowed on the day in force."""
        return 0 if self.paused or self.stopped else self.allowances[self.day - 1]

    @property
    def limited(self) -> set[str]:
        """The providers that have a limit of their own."""
        return self.shares.keys() | self.caps.keys()

    def limit_at(self, provider: str) -> int:
        """Deliveries allowed there on the day in force."""
        share = math.ceil(self.allowance * self.shares.get(provider, 1.0))
        return min(share, self.caps.get(provider, share), self.allowance)


def begin(
    *,
    schedule: str | None = None,
    allowances: Sequence[int] | None = None,
    shares: Mapping[str, float] | None = None,
) -> Progress:
    """Begin a warm-up by one of the schedules above, or by daily allowances of one's own.

    Raises:
        InputError: ``warmup_schedule`` unless exactly one is given and the name is known, ``warmup_allowances`` unless
            there are 1 to 366 of them, each at least 1, ``warmup_shares`` unless each is above 0 and at most 1.
    """
    given = _shares(shares or {})
    if (schedule is None) == (allowances is None):
        raise InputError("warmup_schedule", "give either a schedule or daily allowances")
    if schedule is not None:
        if schedule not in SCHEDULES:
            raise InputError("warmup_schedule", f"a schedule is one of {', '.join(SCHEDULES)}", field="schedule")
        return Progress(schedule=schedule, allowances=SCHEDULES[schedule], shares=given)
    own = tuple(allowances or ())
    if not 1 <= len(own) <= MAX_DAYS or min(own) < 1:
        message = f"1 to {MAX_DAYS} numbers, each at least 1"
        raise InputError("warmup_allowances", message, field="daily_allowances")
    return Progress(allowances=own, shares=given)


def _shares(given: Mapping[str, float]) -> dict[str, float]:
    if len(given) > MAX_SHARES or not all(0 < share <= 1 for share in given.values()):
        message = f"at most {MAX_SHARES}, each above 0 and at most 1"
        raise InputError("warmup_shares", message, field="provider_shares")
    for provider in given:
        if provider not in PROVIDERS:
            message = f"{provider[:100]!r} is no mailbox provider that we tell apart"
            raise InputError("warmup_shares", message, field="provider_shares")
    return dict(sorted(given.items()))
