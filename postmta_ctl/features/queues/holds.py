"""Holds on the nodes: what the database wants, and bringing the nodes to it.

A node keeps suspensions in memory only, so a restart forgets them. How each node stands to each hold is written down
before it is asked and after it has answered. So whatever is cut off in between, the next run finds the difference: it
asks again (the same suspension takes the place of the first), or takes back what may be there.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.clients.kumod import NodeAddress
from postmta_ctl.core.ids import new_id
from postmta_ctl.core.queue_requests import flush, suspend
from postmta_ctl.errors import NodeFailed, NodeUnreachable
from postmta_ctl.features.nodes import access
from postmta_ctl.features.nodes.queries import NodeRow, all_nodes
from postmta_ctl.features.queues import queries
from postmta_ctl.features.queues.names import tenant_queue
from postmta_ctl.features.queues.queries import HeldOn, HoldRow
from postmta_ctl.store.locks import exclusive
from postmta_ctl.system import System

LOCK = "change of queue holds"
FAR = timedelta(days=3650)
"""A suspension needs an end; this is that of a hold without one."""


async def reconcile_holds(system: System) -> None:
    """Bring every node to what is wanted; a job."""
    async with system.db.reading() as connection:
        if not await queries.holds(connection):
            return
    async with exclusive(system.db, LOCK, wait=0):
        await reconcile(system)


async def reconcile(system: System, queue: str | None = None) -> None:
    """Bring the nodes to what is wanted, of one queue or of all. The caller has the lock.

    A node that cannot be reached is asked once, and has its turn at the next run.
    """
    async with system.db.reading() as connection:
        rows = [row for row in await queries.holds(connection) if queue in (None, row.queue)]
        held = await queries.held_on(connection, [row.id for row in rows])
        nodes = {node.id: node for node in await all_nodes(connection)}
    for row in rows:
        mine = {one.node_id: one for one in held if one.hold_id == row.id}
        step = _hold if is_held(row, system.now()) else _release
        away = await step(system, row, mine, nodes)
        nodes = {node_id: node for node_id, node in nodes.items() if node_id not in away}


async def forget_placed(system: System, places: Collection[tuple[str, str]]) -> None:
    """Note that nodes do not have these holds any more, so that they are asked again. The caller has the lock.

    Args:
        system: The parts.
        places: Id of the hold and of the node each.
    """
    async with system.db.transaction() as connection:
        rows = {row.id for row in await queries.holds(connection)}
        known = {(one.hold_id, one.node_id) for one in await queries.held_on(connection, rows)}
        for hold_id, node_id in known & set(places):
            await queries.note(connection, hold_id, node_id)


async def _hold(system: System, row: HoldRow, held: dict[str, HeldOn], nodes: dict[str, NodeRow]) -> set[str]:
    """Have the nodes hold the queue that do not yet; those that cannot be reached."""
    away = set()
    for node in nodes.values():
        known = held.get(node.id)
        # A node that was never seen has nothing to hold.
        if node.online_since is None or (known and known.suspension_id and known.online_since == node.online_since):
            continue
        async with system.db.transaction() as connection:
            await queries.note(connection, row.id, node.id, online_since=node.online_since)
        try:
            found = await _suspend(system, access.address(system, node), row)
            values = {"suspension_id": found, "error": None}
        except NodeFailed as error:
            values = {"suspension_id": None, "error": error.detail}
            away |= {node.id} if isinstance(error, NodeUnreachable) else set()
        async with system.db.transaction() as connection:
            await queries.note(connection, row.id, node.id, online_since=node.online_since, **values)
    return away


async def _suspend(system: System, node: NodeAddress, row: HoldRow) -> str:
    """Have a node hold the queue; the id of its suspension."""
    body = suspend(row.queue, row.reason, row.expires_at or row.created_at + FAR)
    answer = await system.kumod.admin(node, "POST", "/api/admin/suspend/v1", body)
    if not isinstance(answer, dict) or not isinstance(answer.get("id"), str):
        raise NodeFailed(f"node {node.name}: its answer to a suspension has no id", code="node_unreadable")
    return str(answer["id"])


async def _release(system: System, row: HoldRow, held: dict[str, HeldOn], nodes: dict[str, NodeRow]) -> set[str]:
    """Have the nodes let go that have the hold, or may have it; the hold is gone with the last of them."""
    failed, away = set(held) - set(nodes), set()
    for known in (one for node_id, one in held.items() if node_id in nodes):
        try:
            # After a restart nothing is there to take back, but what was held waits for its next attempt all the same.
            await _let_go(system, access.address(system, nodes[known.node_id]), row, known)
        except NodeFailed as error:
            failed.add(known.node_id)
            away |= {known.node_id} if isinstance(error, NodeUnreachable) else set()
            values = {"suspension_id": known.suspension_id, "online_since": known.online_since}
            async with system.db.transaction() as connection:
                await queries.note(connection, row.id, known.node_id, error=error.detail, **values)
        else:
            async with system.db.transaction() as connection:
                await queries.forget(connection, row.id, known.node_id)
    if not failed:
        async with system.db.transaction() as connection:
            await queries.remove_hold(connection, row.id)
    return away


async def _let_go(system: System, node: NodeAddress, row: HoldRow, known: HeldOn) -> None:
    # Asked for and never answered: asking again tells the id of what is there, if anything.
    suspension = known.suspension_id or await _suspend(system, node, row)
    await system.kumod.end_suspension(node, suspension)
    queue = tenant_queue(row.queue)
    if queue is not None:
        # Else what was held waits for the next attempt that it was put off to, which may be hours away.
        await system.kumod.admin(node, "POST", "/api/admin/rebind/v1", flush(queue.scope, "released"))


async def hold_for_block(
    connection: AsyncConnection,
    queue: str,
    *,
    block_id: str,
    organization_id: str,
    reason: str,
    author: str,
    expires_at: datetime | None,
    now: datetime,
) -> bool:
    """Hold a queue for a block, in the caller's transaction; the caller has the lock, and reconciles after it.

    Returns:
        False where it is held already: by hand, or for another block.
    """
    values: dict[str, Any] = {"reason": reason, "author": author, "expires_at": expires_at, "block_id": block_id}
    known = await queries.hold_of(connection, queue)
    if known is not None and is_held(known, now):
        return False
    if known is None:
        row = HoldRow(id=new_id(now), organization_id=organization_id, queue=queue, created_at=now, **values)
        await queries.add_hold(connection, row)
    else:
        await queries.change_hold(connection, known.id, released_at=None, **values)
        await queries.ask_again(connection, known.id)
    return True


def is_held(row: HoldRow, now: datetime) -> bool:
    """Whether the queue is meant to be held."""
    return row.released_at is None and (row.expires_at is None or row.expires_at > now)
