"""Showing blocks, and resolving them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.auto_block import Action
from postmta_ctl.core.ids import is_id
from postmta_ctl.errors import NotFound, PermissionDenied
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.security.auto_block import block_queries as queries
from postmta_ctl.features.security.auto_block import ending, vmta_pauses
from postmta_ctl.features.security.auto_block.block_queries import BlockRow
from postmta_ctl.features.security.auto_block.queries import count_rules
from postmta_ctl.features.security.auto_block.schemas import Block, BlockedQueue, Cause, Effect, PausedVmta, Resolve
from postmta_ctl.store.paging import Page, PageRequest
from postmta_ctl.system import System


async def list_blocks(
    system: System, principal: Principal, paging: PageRequest, *, active: bool, everybody: bool = False
) -> Page[Block]:
    """Blocks, newest first: those that are active, or those that are over.

    Raises:
        PermissionDenied: ``everybody`` is for operators.
    """
    if everybody and not principal.is_operator:
        raise PermissionDenied("Only operators see the blocks of all organizations.", code="not_operator")
    async with system.db.reading() as connection:
        whose = None if everybody else principal.organization_id
        rows = await queries.page(connection, whose, paging, active=active)
        return paging.page(await _shown(connection, rows))


async def get(system: System, principal: Principal, block_id: str) -> Block:
    """One block; operators see everybody's.

    Raises:
        NotFound: There is no such block of the organization.
    """
    async with system.db.reading() as connection:
        (shown,) = await _shown(connection, [await _found(connection, principal, block_id)])
    return shown


async def resolve(system: System, principal: Principal, block_id: str, data: Resolve) -> Block:
    """Lift a block; operators may lift everybody's.

    Raises:
        NotFound: There is no such block of the organization.
        Conflict: It is over already.
    """
    async with system.db.transaction() as connection:
        row = await _found(connection, principal, block_id, lock=True)
        note = (data.note or "").strip() or None
        over = await ending.end(system, connection, row, "resolved", principal, note)
        (shown,) = await _shown(connection, [over])
    await ending.tell_nodes(system)
    return shown


async def describe(connection: AsyncConnection, organization_id: str) -> dict[str, int]:
    """For the status of everything about security: how many rules are on, and how many blocks are active."""
    blocks = await queries.count_active(connection, organization_id)
    return {
        "rules_enabled": await count_rules(connection, organization_id, enabled_only=True),
        "active_blocks": sum(blocks.values()),
    }


async def _found(connection: AsyncConnection, principal: Principal, block_id: str, *, lock: bool = False) -> BlockRow:
    whose = None if principal.is_operator else principal.organization_id
    # PostgreSQL takes no NUL in a text, so what is no id is not looked for.
    row = await queries.by_id(connection, block_id, whose, lock=lock) if is_id(block_id) else None
    if row is None:
        raise NotFound("There is no such block.")
    return row


async def _shown(connection: AsyncConnection, rows: Sequence[BlockRow]) -> list[Block]:
    ids = [row.id for row in rows]
    waiting = await queries.waiting_here(connection, ids)
    held = await queries.held_queues(connection, ids)
    paused = await vmta_pauses.still_paused(connection, rows)
    return [_block(row, waiting.get(row.id, 0), held.get(row.id, []), is_paused=row.id in paused) for row in rows]


def _block(row: BlockRow, waiting_here: int, held: Sequence[tuple[str, bool]], *, is_paused: bool) -> Block:
    vmta = row.paused_vmta_id
    effect = Effect(
        keeps_here=row.ended_at is None and row.action != Action.NOTIFY,
        waiting_here=waiting_here,
        queues=[BlockedQueue(queue=queue, held=is_held) for queue, is_held in held],
        vmta=None if vmta is None else PausedVmta(id=vmta, paused=is_paused),
    )
    known = {name: getattr(row, name) for name in Block.__struct_fields__ if name not in ("state", "cause", "effect")}
    return Block(**known, state=row.end_reason or "active", cause=_cause(row), effect=effect)  # type: ignore[arg-type]


def _cause(row: BlockRow) -> Cause:
    return Cause(
        metric=row.metric,
        rate=row.count / row.volume,
        threshold=row.threshold,
        count=row.count,
        volume=row.volume,
        window_start=row.window_start,
        window_end=row.window_end,
    )
