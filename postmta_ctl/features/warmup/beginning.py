"""How a warm-up begins: by a schedule of ours, by one that the organization keeps, or by allowances given there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core import warmup
from postmta_ctl.core.warmup import SCHEDULES, Progress
from postmta_ctl.features.warmup import schedule_queries as queries


async def begin(
    connection: AsyncConnection,
    organization_id: str,
    *,
    schedule: str | None,
    allowances: Sequence[int] | None,
    shares: Mapping[str, float],
) -> Progress:
    """The first day of a warm-up. What is changed of a schedule later has no effect on it.

    Raises:
        InputError: As ``core.warmup.begin``.
    """
    if schedule is not None and allowances is None and schedule not in SCHEDULES:
        own = await queries.by_name(connection, organization_id, schedule)
        if own is not None:
            progress = warmup.begin(allowances=own.daily_allowances, shares=shares or own.provider_shares)
            return replace(progress, schedule=schedule)
    return warmup.begin(schedule=schedule, allowances=allowances, shares=shares)
