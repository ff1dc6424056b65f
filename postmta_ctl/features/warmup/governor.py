"""The governor: judges every warm-up, hands out what may be sent, and does so again and again; a job.

A decision is made on what was counted, in one transaction with its entry in the history, its event and the new
allowance. Handing out follows (``handing_out``), and finds by itself what a run that was cut off left undone.
"""

from __future__ import annotations

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.ids import new_id
from postmta_ctl.core.warmup import Progress
from postmta_ctl.core.warmup_decisions import Decision, Figures, Verdict, decide, judged_since
from postmta_ctl.errors import Busy
from postmta_ctl.features.policy import changes
from postmta_ctl.features.vmtas import queries as vmtas
from postmta_ctl.features.vmtas.queries import VmtaRow
from postmta_ctl.features.warmup import count_queries, queries
from postmta_ctl.features.warmup.handing_out import hand_out
from postmta_ctl.features.warmup.queries import ALL, DecisionRow, Governed
from postmta_ctl.features.webhooks.outbox import Happening, announce
from postmta_ctl.store.locks import exclusive
from postmta_ctl.system import System

log = structlog.get_logger(__name__)

LOCK = "warm-up governor"
AUTHOR = "postmta"
"""Who decided what nobody asked for in person."""


class WarmupData(msgspec.Struct, frozen=True, kw_only=True):
    """``data`` of all ``vmta.warmup_…`` events."""

    vmta_id: str
    vmta: str
    decision: Decision


async def govern(system: System) -> None:
    """Judge and hand out, unless another process is at it."""
    async with system.db.reading() as connection:
        found = await queries.governed(connection)
    if not found:
        return
    try:
        async with exclusive(system.db, LOCK, wait=0):
            for one in found:
                if one.row.state == "warming" and not one.row.is_paused:
                    await _judge(system, one)
            await hand_out(system)
    except Busy:
        log.debug("another process governs the warm-ups")


async def _judge(system: System, one: Governed) -> None:
    verdict = await _verdict(system, one)
    if verdict.progress == one.progress and not verdict.completed:
        return
    async with system.db.transaction() as connection:
        row = await vmtas.by_id(connection, one.row.organization_id, one.row.id, lock=True)
        # Somebody may have been faster, by hand: then this was about what is no longer so.
        if row is not None and (row.warmup, row.state) == (one.row.warmup, one.row.state):
            await apply(system, connection, row, verdict, author=AUTHOR)


async def _verdict(system: System, one: Governed) -> Verdict:
    today, progress = system.now().date(), one.progress
    opened = progress.opened_on or today
    async with system.db.reading() as connection:
        day = await count_queries.by_provider(connection, one.row.id, opened, opened)
        since = judged_since(progress, today)
        week = await count_queries.by_provider(connection, one.row.id, since, opened)
    return decide(progress, day, sum(week.values(), Figures()), today)


async def apply(system: System, connection: AsyncConnection, row: VmtaRow, verdict: Verdict, *, author: str) -> VmtaRow:
    """Carry out a decision, in the caller's transaction.

    Args:
        system: The parts.
        connection: The transaction.
        row: The vMTA, locked.
        verdict: What was decided.
        author: Who did.
    """
    now = system.now()
    state: vmtas.Stage = "active" if verdict.completed else "warming"
    changed = msgspec.structs.replace(row, warmup=verdict.progress, state=state, updated_at=now)
    await vmtas.save(connection, changed)
    await _grant(connection, changed, verdict.progress)
    rows = [
        DecisionRow(
            id=new_id(now),
            vmta_id=row.id,
            kind=one.kind.value,
            provider=one.provider,
            author=author,
            decision=one,
            created_at=now,
        )
        for one in verdict.decisions
    ]
    await queries.add_decisions(connection, rows)
    await announce(connection, [_happening(system, row, one) for one in verdict.decisions], now)
    if state != row.state:
        # Its place in the pools is another: an established vMTA stands where the long tail begins.
        await changes.record(
            connection,
            organization_id=row.organization_id,
            author=author,
            summary=f"vMTA {row.name} is {'established' if verdict.completed else 'warming'}",
            now=now,
            domains=(),
        )
    for one in verdict.decisions:
        log.info("warm-up", vmta=row.name, decision=one.kind.value, provider=one.provider, reason=one.reason)
    return changed


async def _grant(connection: AsyncConnection, row: VmtaRow, progress: Progress) -> None:
    # What was granted before a stop was granted; the history says when it ended.
    if progress.opened_on is None or progress.stopped or progress.paused:
        return
    allowances = {provider: progress.limit_at(provider) for provider in progress.limited}
    await queries.grant(connection, row.id, progress.opened_on, progress.day, {ALL: progress.allowance} | allowances)


def _happening(system: System, row: VmtaRow, decision: Decision) -> Happening:
    return Happening(
        organization_id=row.organization_id,
        type=f"vmta.warmup_{decision.kind.value}",
        at=system.now(),
        data=WarmupData(vmta_id=row.id, vmta=row.name, decision=decision),
    )
