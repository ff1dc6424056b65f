"""What was used by day, read from the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date

from postmta_ctl.core.day_range import DayRange, day_range
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.ledger import CREDIT_TYPES, CreditType
from postmta_ctl.errors import InvalidRequest
from postmta_ctl.features.credits import queries
from postmta_ctl.features.credits.queries import DayRow
from postmta_ctl.features.credits.schemas import DayUsage, Usage
from postmta_ctl.system import System

_USED = {"reserve": 1, "consume": 1, "refund": -1}
"""What each entry adds to the use, for each of its quantity."""


def used_by_type(days: Iterable[DayRow]) -> Counter[str]:
    """What was used over all these days, less what was given back."""
    used: Counter[str] = Counter()
    for one in days:
        used[one.type] += _USED.get(one.entry, 0) * one.quantity
    return used


async def usage(
    system: System, organization_id: str, *, period: str | None, first: date | None, last: date | None, kind: str | None
) -> Usage:
    """Each day and type of a range.

    Raises:
        InvalidRequest: The range or the type is none.
    """
    days = _range(system, period, first, last)
    if kind is not None and kind not in CREDIT_TYPES:
        raise InvalidRequest.of("type", f"is one of {', '.join(CREDIT_TYPES)}")
    kinds = [one for one in CREDIT_TYPES if kind in (None, one)]
    async with system.db.reading() as connection:
        rows = await queries.days(connection, organization_id, days.start, days.end)
    used = used_by_type(rows)
    return Usage(
        start=days.first,
        end=days.last,
        totals={one: used[one] for one in kinds},
        data=_filled(days, kinds, rows),
    )


def _range(system: System, period: str | None, first: date | None, last: date | None) -> DayRange:
    try:
        return day_range(period, first, last, today=system.now().date())
    except InputError as error:
        raise InvalidRequest.of(error.field, error.message, code=error.code) from None


def _filled(days: DayRange, kinds: list[CreditType], rows: Iterable[DayRow]) -> list[DayUsage]:
    found: Counter[tuple[date, str, str]] = Counter()
    for row in rows:
        found[row.day.date(), row.type, row.entry] += row.quantity
    return [
        DayUsage(
            day=day,
            type=kind,
            used=sum(sign * found[day, kind, entry] for entry, sign in _USED.items()),
            refunded=found[day, kind, "refund"],
            granted=found[day, kind, "grant"],
        )
        for day in days
        for kind in kinds
    ]
