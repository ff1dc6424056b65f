"""Holding on the nodes what a block with the action ``hold`` is about.

Which queues there are is asked of the nodes each time, so that those which come by SMTP, or were on their way when the
block was opened, are held at the next turn. A queue is held once for a block: whoever releases it by hand is obeyed.
"""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.auto_block import Action
from postmta_ctl.errors import Busy
from postmta_ctl.features.queues import service as queues
from postmta_ctl.features.queues.holds import LOCK, hold_for_block, reconcile
from postmta_ctl.features.security.auto_block import block_queries as queries
from postmta_ctl.features.security.auto_block.coverage import covers_queue
from postmta_ctl.features.security.auto_block.ending import AUTHOR
from postmta_ctl.features.security.auto_block.opening import words_of
from postmta_ctl.store.locks import exclusive
from postmta_ctl.system import System

WAIT_SECONDS = 5.0


async def hold_queues(system: System) -> None:
    """Hold what the nodes have and no block has held yet."""
    async with system.db.reading() as connection:
        stops = await queries.stops(connection, actions=[Action.HOLD])
        if not stops:
            return
        done = await queries.held_queues(connection, [one.id for one in stops])
    present = await queues.present(system)
    wanted: dict[str, list[str]] = {}
    for stop in stops:
        known = {name for name, _ in done.get(stop.id, ())}
        names = [queue.name for queue in present if queue.name not in known and covers_queue(stop, queue)]
        if names:
            wanted[stop.id] = names
    if wanted:
        with suppress(Busy):  # the next turn comes soon
            async with exclusive(system.db, LOCK, wait=WAIT_SECONDS):
                async with system.db.transaction() as connection:
                    for block_id, names in wanted.items():
                        await _hold(system, connection, block_id, names)
                await reconcile(system)


async def _hold(system: System, connection: AsyncConnection, block_id: str, names: list[str]) -> None:
    row = await queries.by_id(connection, block_id, None, lock=True)
    if row is None or row.ended_at is not None:
        return
    # One that is held by somebody else, or for another block, is looked at again at the next turn.
    held = [
        name
        for name in names
        if await hold_for_block(
            connection,
            name,
            block_id=row.id,
            organization_id=row.organization_id,
            reason=words_of(row),
            author=AUTHOR,
            expires_at=row.expires_at,
            now=system.now(),
        )
    ]
    if held:
        await queries.note_queues(connection, row.id, held)
