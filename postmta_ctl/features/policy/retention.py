"""Releases whose files are kept no more: the record of what was published stays, its contents go.

What anybody may still need is never touched: the newest releases, whatever a node runs or is to run, a canary, a
proposal, and the releases that ran within so many days, by which past messages are explained. It is done under the
lock of publications, since one takes over contents that are known already without writing them again.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.errors import Busy
from postmta_ctl.features.nodes import queries as nodes
from postmta_ctl.features.policy import bringing, queries, retention_queries
from postmta_ctl.store.locks import exclusive
from postmta_ctl.system import System

log = structlog.get_logger(__name__)

AT_ONCE = 20
"""Releases in one run."""


async def forget_old_releases(system: System) -> bool:
    """Remove the files of a few releases that are old enough; a job.

    Returns:
        Whether there are more.
    """
    with suppress(Busy):  # then somebody publishes, which goes before
        async with exclusive(system.db, bringing.LOCK, wait=0), system.db.transaction() as connection:
            return await _forget(system, connection)
    return False


async def _forget(system: System, connection: AsyncConnection) -> bool:
    now, settings = system.now(), system.settings
    # As long as there are events of a message, it can be explained.
    days = max(settings.releases_kept_days, settings.event_retention_days)
    before = await retention_queries.boundary(connection, settings.releases_kept, now - timedelta(days=days))
    old = await retention_queries.older_than(connection, before, await _needed(connection), AT_ONCE + 1)
    some = old[:AT_ONCE]
    if some:
        removed = await retention_queries.remove_files(connection, some, now)
        log.info("files of old releases removed", releases=some, contents=removed)
    return len(old) > len(some)


async def _needed(connection: AsyncConnection) -> set[int]:
    """Releases that are in use, however old."""
    rows = await nodes.all_nodes(connection)
    on_nodes = {number for row in rows for number in (row.published_release, row.running_release)}
    found = [await queries.latest(connection), await queries.canary(connection), await queries.proposal(connection)]
    return {number for number in on_nodes if number is not None} | {row.number for row in found if row is not None}
