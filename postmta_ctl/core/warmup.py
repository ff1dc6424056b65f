"""Warming up a new address: how many deliveries it may make on each of its first sending days.

Receivers know nothing of a new address, and take more from it as they learn that its mail is wanted. So a schedule
counts days on which something was sent: a pause does not make an address better known.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import msgspec

from postmta_ctl.core.errors import InputError

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


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Where the warm-up of one address stands."""

    allowances: tuple[int, ...]
    schedule: str | None = None
    """Name of the schedule; none for a list of the customer's own."""
    day: int = 1
    """The sending day that ``sent_on`` was, or the first if nothing was sent yet."""
    sent_on: date | None = None
    """The last day on which something was sent."""


def begin(*, schedule: str | None = None, allowances: Sequence[int] | None = None) -> Progress:
    """Begin a warm-up by a named schedule or by daily allowances of one's own.

    Raises:
        InputError: ``warmup_schedule`` unless exactly one is given and the name is known, ``warmup_allowances`` unless
            there are 1 to 366 of them, each at least 1.
    """
    if (schedule is None) == (allowances is None):
        raise InputError("warmup_schedule", "give either a schedule or daily allowances")
    if schedule is not None:
        if schedule not in SCHEDULES:
            raise InputError("warmup_schedule", f"a schedule is one of {', '.join(SCHEDULES)}", field="schedule")
        return Progress(schedule=schedule, allowances=SCHEDULES[schedule])
    own = tuple(allowances or ())
    if not 1 <= len(own) <= MAX_DAYS or min(own) < 1:
        message = f"1 to {MAX_DAYS} numbers, each at least 1"
        raise InputError("warmup_allowances", message, field="daily_allowances")
    return Progress(allowances=own)


def day_on(progress: Progress, today: date) -> int:
    """Which sending day ``today`` is, or will be if something is sent. Days before the last one count as that one."""
    if progress.sent_on is None or today <= progress.sent_on:
        return progress.day
    return progress.day + 1


def allowance_on(progress: Progress, today: date) -> int | None:
    """Deliveries allowed today; none when the warm-up is over and there is no limit any more."""
    day = day_on(progress, today)
    return progress.allowances[day - 1] if day <= len(progress.allowances) else None


def sent(progress: Progress, today: date) -> Progress:
    """The progress after something was sent today."""
    if progress.sent_on is not None and today <= progress.sent_on:
        return progress
    return msgspec.structs.replace(progress, day=day_on(progress, today), sent_on=today)
