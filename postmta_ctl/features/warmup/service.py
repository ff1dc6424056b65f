"""What people do with a warm-up: start, pause, resume, skip a stage, end it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core import warmup_by_hand
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.warmup import Progress
from postmta_ctl.core.warmup_decisions import Verdict
from postmta_ctl.errors import Conflict, InvalidRequest
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.vmtas.queries import VmtaRow
from postmta_ctl.features.vmtas.service import find
from postmta_ctl.features.warmup import beginning, count_queries, governor, queries, ticket_queries
from postmta_ctl.features.warmup.schemas import WarmupStart, WarmupStatus
from postmta_ctl.features.warmup.status import status_of
from postmta_ctl.system import System


def read_start(values: dict[str, Any]) -> WarmupStart:
    """What is to begin, from elsewhere than a request, held to the same limits.

    Raises:
        msgspec.ValidationError: A value is of another type or size.
    """
    return msgspec.convert(values, WarmupStart)


async def start(system: System, principal: Principal, vmta_id: str, data: WarmupStart) -> WarmupStatus:
    """Begin a warm-up, from its first stage.

    Raises:
        NotFound: The organization has no such vMTA.
        InvalidRequest: There is no such schedule, or a field cannot be accepted.
        Conflict: ``already_warming``.
    """
    async with system.db.transaction() as connection:
        row = await find(connection, principal, vmta_id, lock=True)
        if row.state == "warming":
            raise Conflict("The vMTA is warming up already.", code="already_warming")
        try:
            progress = await beginning.begin(
                connection,
                row.organization_id,
                schedule=data.schedule,
                allowances=data.daily_allowances,
                shares=data.provider_shares,
            )
        except InputError as error:
            raise InvalidRequest.of(error.field or "schedule", error.message, code=error.code) from None
        for forget in (count_queries.forget, queries.forget, ticket_queries.void_of_vmta):
            await forget(connection, row.id)
        await _carry_out(system, connection, principal, row, warmup_by_hand.started(progress))
        return await status_of(connection, await find(connection, principal, vmta_id), system.now())


async def pause(system: System, principal: Principal, vmta_id: str) -> WarmupStatus:
    """Let nothing more leave, and keep the stage; nodes know within seconds."""
    return await _change(system, principal, vmta_id, warmup_by_hand.paused)


async def resume(system: System, principal: Principal, vmta_id: str) -> WarmupStatus:
    """Go on after a pause, or on a day that was stopped."""
    return await _change(system, principal, vmta_id, warmup_by_hand.resumed)


async def skip(system: System, principal: Principal, vmta_id: str) -> WarmupStatus:
    """Go on to the next stage."""
    return await _change(system, principal, vmta_id, warmup_by_hand.skipped)


async def complete(system: System, principal: Principal, vmta_id: str) -> WarmupStatus:
    """End it: the vMTA is established."""
    return await _change(system, principal, vmta_id, warmup_by_hand.completed)


async def _change(
    system: System, principal: Principal, vmta_id: str, decide: Callable[[Progress], Verdict]
) -> WarmupStatus:
    async with system.db.transaction() as connection:
        row = await find(connection, principal, vmta_id, lock=True)
        if row.state != "warming" or row.warmup is None:
            raise Conflict("The vMTA is not warming up.", code="not_warming")
        try:
            verdict = decide(row.warmup)
        except InputError as error:
            raise Conflict(f"{error.message[:1].upper()}{error.message[1:]}.", code=error.code) from None
        await _carry_out(system, connection, principal, row, verdict)
        return await status_of(connection, await find(connection, principal, vmta_id), system.now())


async def _carry_out(
    system: System, connection: AsyncConnection, principal: Principal, row: VmtaRow, verdict: Verdict
) -> None:
    changed = await governor.apply(system, connection, row, verdict, author=principal.name)
    await audit.record(
        connection,
        principal,
        f"vmta.warmup_{verdict.decisions[0].kind.value}",
        row.id,
        before={"state": row.state, "warmup": _shown(row.warmup)},
        after={"state": changed.state, "warmup": _shown(changed.warmup)},
        now=system.now(),
    )


def _shown(progress: Progress | None) -> object:
    return None if progress is None else msgspec.to_builtins(progress)
