"""Jobs that forget what has had its day, and make room for the days to come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import Enum, auto

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.log_events import day_number
from postmta_ctl.features.retention.horizon import content_horizon, horizon
from postmta_ctl.features.retention.queries import delete_contents, delete_oldest
from postmta_ctl.store import partitions
from postmta_ctl.store.locks import exclusive
from postmta_ctl.system import System

log = structlog.get_logger(__name__)

AT_ONCE = 1000
"""Rows of a transaction: some hundredths of a second, for which ingestion waits on SQLite."""
DAYS_AHEAD, DAYS_BEHIND = 7, 2
"""Days that have a table before their first event: as long, and no longer, may the job be away."""
_LOCK = "partitions of events"


async def forget_events(system: System) -> bool:
    """Remove events and unreadable records that came more than ``event_retention_days`` ago. True when there is more.

    What counts is when an event came and not when it happened: whatever comes again within that time is known, also of
    a node whose clock is a year behind.
    """
    before = horizon(system.settings, system.now())
    if before is None:
        return False
    more = await _forget_rows(system, "dead_letters", before)
    if system.db.is_sqlite:
        return await _forget_rows(system, "events", before) or more
    async with exclusive(system.db, _LOCK, wait=0):
        return await _forget_days(system, before) or more


async def forget_contents(system: System) -> bool:
    """Remove contents of messages that came more than ``content_retention_days`` ago. True when there is more."""
    before = content_horizon(system.settings, system.now())
    if before is None:
        return False
    return await _forgotten(system, "message_contents", lambda connection: delete_contents(connection, before, AT_ONCE))


async def _forget_rows(system: System, table: str, before: datetime) -> bool:
    return await _forgotten(system, table, lambda connection: delete_oldest(connection, table, before, AT_ONCE))


async def _forgotten(system: System, table: str, forget: Callable[[AsyncConnection], Awaitable[int]]) -> bool:
    """Forget some rows. True when there may be more."""
    clock = asyncio.get_running_loop().time
    began = clock()
    async with system.db.transaction() as connection:
        gone = await forget(connection)
    if gone:
        log.debug("forgotten", table=table, rows=gone)
        # However much there is to forget, at least half of the writer's time is left to the mail.
        await asyncio.sleep(clock() - began)
    return gone == AT_ONCE


async def _forget_days(system: System, before: datetime) -> bool:
    """Drop whole days; of a day that late events keep, and of the days without a table, the oldest rows."""
    async with system.db.reading() as connection:
        old = [day for day in await partitions.days(connection) if day < day_number(before)]
    more = await _forget_rows(system, partitions.DEFAULT, before)
    for day in old:
        if await _forget_day(system, day, before) is _Outcome.LATE_ONES:
            more = await _forget_rows(system, partitions.name_of(day), before) or more
    return more


class _Outcome(Enum):
    DROPPED = auto()
    LATE_ONES = auto()
    """Events that came late keep the table."""
    IN_USE = auto()


async def _forget_day(system: System, day: int, before: datetime) -> _Outcome:
    dropped = False

    async def drop(connection: AsyncConnection) -> None:
        nonlocal dropped
        dropped = await partitions.drop_if_older(connection, day, before)

    if not await _patiently(system, drop):
        return _Outcome.IN_USE
    if dropped:
        log.info("a day of events forgotten", table=partitions.name_of(day))
    return _Outcome.DROPPED if dropped else _Outcome.LATE_ONES


async def make_partitions(system: System) -> None:
    """Give the coming days their tables, and those of the last days that have none."""
    if system.db.is_sqlite:
        return
    today = day_number(system.now())
    async with exclusive(system.db, _LOCK, wait=0):
        async with system.db.reading() as connection:
            there = set(await partitions.days(connection))
        for day in range(today - DAYS_BEHIND, today + DAYS_AHEAD + 1):
            if day not in there:
                await _patiently(system, lambda connection, day=day: partitions.add(connection, day))  # type: ignore[misc]


async def _patiently(system: System, work: Callable[[AsyncConnection], Awaitable[None]]) -> bool:
    """A transaction that may fail for want of a lock: whoever has it goes first, and the next run tries again."""
    try:
        async with system.db.transaction() as connection:
            await work(connection)
    except DBAPIError as error:
        # PostgreSQL's lock_not_available.
        if getattr(error.orig, "sqlstate", None) != "55P03":
            raise
        log.info("partitions of events are in use; left for the next run")
        return False
    return True
