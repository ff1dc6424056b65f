"""Holding on the nodes what a block with the action ``hold`` is about.

Which queues there are is asked of the nodes each time, so that those which come by SMTP, or were on their way when the
block was opened, are held at the next turn. A node does not tell of queues whose mail never had to wait, so those that
events name are held as well. A queue is held once for a block: whoever releases it by hand is obeyed.
"""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.auto_block import Action
from postmta_ctl.errors import Busy
from postmta_ctl.features.queues import service as queues
from postmta_ctl.features.queues.holds import LOCK, hold_for_block, is_held, reconcile
from postmta_ctl.features.queues.names import tenant_queue
from postmta_ctl.features.queues.queries import holds
from postmta_ctl.features.security.auto_block import block_queries as queries
from postmta_ctl.features.security.auto_block.block_queries import Stop
from postmta_ctl.features.security.auto_block.coverage import covers_queue
from postmta_ctl.features.security.auto_block.ending import AUTHOR
from postmta_ctl.features.security.auto_block.opening import words_of
from postmta_ctl.store.locks import exclusive
from postmta_ctl.system import System

WAIT_SECONDS = 5.0
MAX_QUEUES = 200
"""Held for one block in one turn: each is a request to each node. Those that nodes tell of come first."""


async def hold_queues(system: System) -> None:
    """Hold what the nodes have and no block has held yet."""
    async with system.db.reading() as connection:
        stops = await queries.stops(connection, actions=[Action.HOLD])
        if not stops:
            return
        done = await queries.held_queues(connection, [one.id for one in stops])
        taken = {hold.queue for hold in await holds(connection) if is_held(hold, system.now())}
        used = {one.id: await queries.used_queues(connection, one.organization_id, one.window_start) for one in stops}
    present = [queue.name for queue in await queues.present(system)]
    wanted: dict[str, list[str]] = {}
    for stop in stops:
        known = taken | {name for name, _ in done.get(stop.id, ())}
        # A dictionary is a set that keeps the order.
        names = [name for name in dict.fromkeys([*present, *used[stop.id]]) if name not in known and _is_of(stop, name)]
        if names:
            wanted[stop.id] = names[:MAX_QUEUES]
    if wanted:
        with suppress(Busy):  # the next turn comes soon
            async with exclusive(system.db, LOCK, wait=WAIT_SECONDS):
                async with system.db.transaction() as connection:
                    for block_id, names in wanted.items():
                        await _hold(system, connection, block_id, names)
                await reconcile(system)


def _is_of(stop: Stop, name: str) -> bool:
    queue = tenant_queue(name)
    return queue is not None and covers_queue(stop, queue)


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
