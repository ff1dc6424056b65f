"""The end of a block: what it stopped goes on."""

from __future__ import annotations

from contextlib import suppress
from typing import Literal

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.errors import Busy, Conflict
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.queues.holds import reconcile_holds
from postmta_ctl.features.security.auto_block import block_queries as queries
from postmta_ctl.features.security.auto_block import vmta_pauses
from postmta_ctl.features.security.auto_block.announcements import RESOLVED, tell
from postmta_ctl.features.security.auto_block.block_queries import BlockRow
from postmta_ctl.system import System

AUTHOR = "auto-block"
"""Who did it, where nobody did."""


async def end(
    system: System,
    connection: AsyncConnection,
    block: BlockRow,
    reason: Literal["resolved", "expired", "rule_deleted"],
    principal: Principal | None = None,
    note: str | None = None,
) -> BlockRow:
    """Lift a block: what is kept here may leave, its holds are let go, the vMTA that it paused is resumed.

    Only what happens from now on can lead to another block of its rule for the same value.

    Raises:
        Conflict: ``not_active``: it is over already.
    """
    now, by = system.now(), principal.name if principal else AUTHOR
    ended = {"ended_at": now, "end_reason": reason, "ended_by": by, "note": note}
    if not await queries.end(connection, block.id, **ended):
        raise Conflict("The block is over already.", code="not_active")
    over = msgspec.structs.replace(block, **ended)
    await queries.let_go(connection, block.id, now)
    await queries.release_holds(connection, block.id, now)
    await vmta_pauses.resume(connection, block, by, now)
    await tell(system, connection, RESOLVED, over, now)
    await audit.record(
        connection,
        principal,
        "auto_block.ended",
        block.id,
        before=block,
        after=over,
        now=now,
        organization_id=block.organization_id,
        actor=AUTHOR,
    )
    return over


async def tell_nodes(system: System) -> None:
    """Have the nodes let go at once; should somebody be at it already, the job does it within seconds."""
    with suppress(Busy):
        await reconcile_holds(system)
