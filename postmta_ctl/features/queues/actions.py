"""Flush, hold and release one scheduled queue on every node."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.ids import new_id
from postmta_ctl.core.queue_requests import flush
from postmta_ctl.errors import Conflict, InvalidRequest, NodeFailed, NotFound
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.nodes import access
from postmta_ctl.features.nodes.queries import NodeRow, all_nodes
from postmta_ctl.features.queues import queries
from postmta_ctl.features.queues.holds import LOCK, reconcile
from postmta_ctl.features.queues.names import TenantQueue, tenant_queue
from postmta_ctl.features.queues.queries import HoldRow
from postmta_ctl.features.queues.schemas import ActionResult, HoldRequest, NodeState
from postmta_ctl.features.queues.service import shown_hold
from postmta_ctl.store.locks import exclusive
from postmta_ctl.system import System

WAIT_SECONDS = 10.0
LONGEST_HOLD = timedelta(days=365)
_DONE = {"flush": "flushed", "hold": "held", "release": "released"}


async def act(system: System, principal: Principal, name: str, action: str, data: HoldRequest | None) -> ActionResult:
    """Do one of the three.

    Raises:
        NotFound: It is no queue of the organization's, or there is no such action.
        InvalidRequest: The action takes no body, or the hold would end before it begins.
        Conflict: ``not_held``: there is nothing to release.
        Busy: Holds are being changed on a node that is slow to answer.
    """
    queue = tenant_queue(name)
    organization_id = None if queue is None else await _owner(system, principal, queue)
    if queue is None or organization_id is None:
        raise NotFound("There is no such queue.")
    if action not in ("flush", "hold", "release"):
        raise NotFound("There is no such action; there are flush, hold and release.")
    if action != "hold" and data is not None:
        raise InvalidRequest.of("body", f"{action} takes none")
    if action == "flush":
        async with system.db.transaction() as connection:
            await _record(system, connection, principal, organization_id, action, name)
        return ActionResult(id=name, action=action, hold=None, nodes=await _flush(system, queue))
    async with exclusive(system.db, LOCK, wait=WAIT_SECONDS):
        async with system.db.transaction() as connection:
            if action == "hold":
                await _want(system, connection, principal, organization_id, name, data or HoldRequest())
            else:
                await _unwant(system, connection, principal, name)
        await reconcile(system, name)
    return await _result(system, name, action)


async def _owner(system: System, principal: Principal, queue: TenantQueue) -> str | None:
    """The organization that the queue belongs to, if the caller may touch its queues."""
    if queue.organization == principal.organization:
        return principal.organization_id
    if not principal.is_operator:
        return None
    async with system.db.reading() as connection:
        return await queries.organization_id(connection, queue.organization)


async def _want(
    system: System,
    connection: AsyncConnection,
    principal: Principal,
    organization_id: str,
    name: str,
    data: HoldRequest,
) -> None:
    now, until = system.now(), data.expires_at
    if until is not None and until.tzinfo is None:
        raise InvalidRequest.of("expires_at", "needs a time zone, such as Z at its end (RFC 3339)")
    if until is not None and not now < until <= now + LONGEST_HOLD:
        raise InvalidRequest.of("expires_at", f"must be ahead, by at most {LONGEST_HOLD.days} days")
    known = await queries.hold_of(connection, name)
    if known is None:
        row = HoldRow(
            id=new_id(now),
            organization_id=organization_id,
            queue=name,
            reason=data.reason,
            author=principal.name,
            expires_at=until,
            created_at=now,
        )
        await queries.add_hold(connection, row)
    else:
        asked = {"reason": data.reason, "author": principal.name, "expires_at": until}
        # Whoever holds it by hand does not want it released with the block that held it before.
        await queries.change_hold(connection, known.id, **asked, released_at=None, block_id=None)
        await queries.ask_again(connection, known.id)
    before = None if known is None else _said(known)
    after = {"reason": data.reason, "author": principal.name, "expires_at": until}
    await _record(system, connection, principal, organization_id, "hold", name, before=before, after=after)


async def _unwant(system: System, connection: AsyncConnection, principal: Principal, name: str) -> None:
    known = await queries.hold_of(connection, name)
    if known is None:
        raise Conflict("The queue is not held.", code="not_held")
    await queries.change_hold(connection, known.id, released_at=system.now())
    await _record(system, connection, principal, known.organization_id, "release", name, before=_said(known))


def _said(row: HoldRow) -> dict[str, Any]:
    return {"reason": row.reason, "author": row.author, "expires_at": row.expires_at}


async def _record(
    system: System,
    connection: AsyncConnection,
    principal: Principal,
    organization_id: str,
    action: str,
    name: str,
    **change: Any,
) -> None:
    """Write down what was asked for; what came of it on each node is in the answer."""
    done = f"queue.{_DONE[action]}"
    await audit.record(connection, principal, done, name, now=system.now(), organization_id=organization_id, **change)


async def _result(system: System, name: str, action: str) -> ActionResult:
    async with system.db.reading() as connection:
        row = await queries.hold_of(connection, name)
        held = await queries.held_on(connection, [row.id]) if row else []
        nodes = [node.name for node in await all_nodes(connection) if node.online_since is not None]
    hold = None if row is None else shown_hold(row, held)
    failed = {one.node: one.error for one in held if action == "release" or one.suspension_id is None}
    states = [NodeState(node=one, ok=one not in failed, detail=failed.get(one)) for one in nodes]
    return ActionResult(id=name, action=action, hold=hold, nodes=states)


async def _flush(system: System, queue: TenantQueue) -> list[NodeState]:
    async with system.db.reading() as connection:
        nodes = [node for node in await all_nodes(connection) if node.online_since is not None]
    return list(await asyncio.gather(*(_flush_on(system, node, queue) for node in nodes)))


async def _flush_on(system: System, node: NodeRow, queue: TenantQueue) -> NodeState:
    body = flush(queue.scope, "flushed")
    try:
        await system.kumod.admin(access.address(system, node), "POST", "/api/admin/rebind/v1", body)
    except NodeFailed as error:
        return NodeState(node=node.name, ok=False, detail=error.detail)
    return NodeState(node=node.name, ok=True)
