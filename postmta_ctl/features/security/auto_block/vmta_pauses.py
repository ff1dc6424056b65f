"""The vMTAs that blocks pause. A pause carries the block's name, so that one by hand is never taken for it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.features.security.auto_block import block_queries as queries
from postmta_ctl.features.security.auto_block.block_queries import BlockRow
from postmta_ctl.features.vmtas import pausing
from postmta_ctl.features.vmtas.queries import VmtaRow
from postmta_ctl.features.vmtas.queries import by_id as vmta_by_id

_AUTHOR = "auto-block "


def author_of(block_id: str) -> str:
    """Who pauses a vMTA for a block."""
    return f"{_AUTHOR}{block_id}"


def is_block(author: str | None) -> bool:
    """Whether a block paused the vMTA."""
    return author is not None and author.startswith(_AUTHOR)


async def pause(connection: AsyncConnection, block: BlockRow, vmta_id: str, reason: str, now: datetime) -> None:
    """Pause the vMTA that the block is about; one that is paused already stays as it is, and is not the block's."""
    row = await vmta_by_id(connection, block.organization_id, vmta_id, lock=True)
    if row is not None and not row.is_paused:
        await pausing.pause(connection, row, reason=reason, by=author_of(block.id), now=now)
        await queries.set_paused_vmta(connection, block.id, vmta_id)


async def resume(connection: AsyncConnection, block: BlockRow, by: str, now: datetime) -> None:
    """Resume the vMTA that the block paused, unless somebody did, or paused it since; or leave it to the next block."""
    row = await _paused(connection, block)
    if row is None:
        return
    successor = await queries.other_active(connection, block)
    if successor is None:
        await pausing.resume(connection, row, by=by, now=now)
    else:
        reason = row.paused_reason or ""
        await pausing.pause(connection, row, reason=reason, by=author_of(successor), now=now)
        await queries.set_paused_vmta(connection, successor, row.id)


async def _paused(connection: AsyncConnection, block: BlockRow) -> VmtaRow | None:
    if block.paused_vmta_id is None:
        return None
    row = await vmta_by_id(connection, block.organization_id, block.paused_vmta_id, lock=True)
    return row if row is not None and row.paused_by == author_of(block.id) else None


async def still_paused(connection: AsyncConnection, blocks: Collection[BlockRow]) -> set[str]:
    """Ids of the blocks whose vMTA is paused by them."""
    authors = await queries.pause_authors(connection, {one.paused_vmta_id for one in blocks if one.paused_vmta_id})
    return {one.id for one in blocks if authors.get(one.paused_vmta_id or "") == author_of(one.id)}
