"""The job that folds old counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog

from postmta_ctl.features.retention.queries import organization_ids
from postmta_ctl.store import rollup_folding
from postmta_ctl.store.locks import exclusive
from postmta_ctl.store.rollup_folding import BY_DAY_BEFORE, DAY, FOLDED_BEFORE
from postmta_ctl.system import System

log = structlog.get_logger(__name__)


async def fold_counts(system: System) -> bool:
    """Fold a day that is more than ``hourly_counts_days`` ago. True when there is another."""
    kept = system.settings.hourly_counts_days
    if kept <= 0:
        return False
    until = _midnight(system.now() - timedelta(days=kept))
    async with exclusive(system.db, "folding of counts", wait=0):
        day = await _next(system, until)
        if day is None or day >= until:
            return False
        async with system.db.reading() as connection:
            owners = await organization_ids(connection)
        for owner in owners:
            async with system.db.transaction() as connection:
                await rollup_folding.fold(connection, owner, day)
        async with system.db.transaction() as connection:
            await rollup_folding.set_mark(connection, FOLDED_BEFORE, day + DAY)
    log.info("counts folded", day=day.date().isoformat())
    return day + DAY < until


async def _next(system: System, until: datetime) -> datetime | None:
    """The day to fold, once every reader knows that days before ``until`` are whole; None: there is nothing."""
    async with system.db.transaction() as connection:
        done = await rollup_folding.mark(connection, FOLDED_BEFORE)
        first = done or await rollup_folding.first_hour(connection)
        if first is not None:
            await rollup_folding.set_mark(connection, BY_DAY_BEFORE, until)
    return None if first is None else _midnight(first)


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
