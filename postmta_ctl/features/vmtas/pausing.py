"""Pausing and resuming vMTAs: by request, by whoever has a reason to, and by the clock."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.errors import Busy, Conflict, InvalidRequest
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.vmtas import flushing, queries, suspensions
from postmta_ctl.features.vmtas.queries import VmtaRow
from postmta_ctl.features.vmtas.schemas import NodeState, PauseRequest, VmtaSwitched
from postmta_ctl.features.vmtas.service import find, record_change, shown_vmta
from postmta_ctl.features.webhooks.outbox import Happening, announce
from postmta_ctl.features.webhooks.payloads import VmtaData
from postmta_ctl.store.locks import exclusive
from postmta_ctl.system import System

LONGEST_PAUSE = timedelta(days=365)
WAIT_SECONDS = 10.0


def read_pause(values: dict[str, Any]) -> PauseRequest:
    """A pause that is asked for elsewhere than in a request, held to the same limits.

    Raises:
        msgspec.ValidationError: A value is of another type or size.
    """
    return msgspec.convert(values, PauseRequest)


async def pause_by_request(
    system: System, principal: Principal, vmta_id: str, data: PauseRequest | None
) -> VmtaSwitched:
    """Pause a vMTA; one that is paused gets the new reason and end.

    Raises:
        NotFound: The organization has no such vMTA.
        InvalidRequest: The pause would end before it begins.
    """
    paused = await pause_quietly(system, principal, vmta_id, data or PauseRequest())
    return VmtaSwitched(vmta=shown_vmta(paused), nodes=await tell_nodes(system))


async def pause_quietly(system: System, principal: Principal, vmta_id: str, data: PauseRequest) -> VmtaRow:
    """The same, without telling the nodes, who are told after the commit.

    Raises:
        NotFound: The organization has no such vMTA.
        InvalidRequest: The pause would end before it begins.
    """
    now = system.now()
    _require_ahead(data.until, now)
    async with system.db.transaction() as connection:
        row = await find(connection, principal, vmta_id, lock=True)
        return await pause(
            connection, row, reason=data.reason, by=principal.name, now=now, until=data.until, principal=principal
        )


async def resume_by_request(system: System, principal: Principal, vmta_id: str) -> VmtaSwitched:
    """Let mail leave from a vMTA again.

    Raises:
        NotFound: The organization has no such vMTA.
        Conflict: ``not_paused``.
    """
    resumed = await resume_quietly(system, principal, vmta_id)
    return VmtaSwitched(vmta=shown_vmta(resumed), nodes=await tell_nodes(system))


async def resume_quietly(system: System, principal: Principal, vmta_id: str) -> VmtaRow:
    """The same, without telling the nodes, who are told after the commit.

    Raises:
        NotFound: The organization has no such vMTA.
        Conflict: ``not_paused``.
    """
    now = system.now()
    async with system.db.transaction() as connection:
        row = await find(connection, principal, vmta_id, lock=True)
        return await resume(connection, row, by=principal.name, now=now, principal=principal)


async def pause(
    connection: AsyncConnection,
    row: VmtaRow,
    *,
    reason: str,
    by: str,
    now: datetime,
    until: datetime | None = None,
    principal: Principal | None = None,
) -> VmtaRow:
    """Pause a vMTA, in the caller's transaction.

    The next release has no pool with it; until then, and for what a node has of its mail already, its ready queues
    are suspended: by ``suspensions.reconcile`` after the commit, or else by the job within seconds.

    Args:
        connection: The transaction.
        row: The vMTA, locked.
        reason: For people, one line of at most 500 characters.
        by: Who pauses it.
        now: When.
        until: When it is resumed by itself; None: not by itself.
        principal: Who asked for it, for the audit log; None for the service itself.
    """
    paused = msgspec.structs.replace(
        row,
        paused_at=row.paused_at or now,
        paused_by=by,
        paused_reason=reason,
        paused_until=until,
        resumed_at=None,
        updated_at=now,
    )
    await _switch(connection, row, paused, "paused", by, now, principal)
    return paused


async def resume(
    connection: AsyncConnection, row: VmtaRow, *, by: str, now: datetime, principal: Principal | None = None
) -> VmtaRow:
    """End a pause, in the caller's transaction; the arguments are those of :func:`pause`.

    What waited on the nodes for this vMTA alone is tried at once when they run the release that has it back.

    Raises:
        Conflict: ``not_paused``.
    """
    if not row.is_paused:
        raise Conflict("The vMTA is not paused.", code="not_paused")
    resumed = msgspec.structs.replace(
        row, paused_at=None, paused_by=None, paused_reason=None, paused_until=None, resumed_at=now, updated_at=now
    )
    await _switch(connection, row, resumed, "resumed", by, now, principal)
    return resumed


async def _switch(
    connection: AsyncConnection,
    before: VmtaRow,
    after: VmtaRow,
    what: str,
    by: str,
    now: datetime,
    principal: Principal | None,
) -> None:
    await queries.save(connection, after)
    if before.is_paused != after.is_paused:
        await record_change(connection, after, by, what, now)
        data = VmtaData(vmta_id=after.id, vmta=after.name, author=by, reason=after.paused_reason)
        happening = Happening(organization_id=after.organization_id, type=f"vmta.{what}", at=now, data=data)
        await announce(connection, [happening], now)
    await audit.record(
        connection,
        principal,
        f"vmta.{what}",
        after.id,
        before=shown_vmta(before),
        after=shown_vmta(after),
        now=now,
        organization_id=after.organization_id,
        actor=by,
    )


def _require_ahead(until: datetime | None, now: datetime) -> None:
    if until is not None and until.tzinfo is None:
        raise InvalidRequest.of("until", "needs a time zone, such as Z at its end (RFC 3339)")
    if until is not None and not now < until <= now + LONGEST_PAUSE:
        raise InvalidRequest.of("until", f"must be ahead, by at most {LONGEST_PAUSE.days} days")


async def tell_nodes(system: System) -> list[NodeState]:
    """Bring the nodes to what is committed; one that is not told now is told by the job."""
    try:
        async with exclusive(system.db, suspensions.LOCK, wait=WAIT_SECONDS):
            return await suspensions.reconcile(system)
    except Busy as error:
        return [NodeState(node=name, ok=False, detail=error.detail) for name in await suspensions.node_names(system)]


async def resume_ended(system: System) -> None:
    """Resume those whose pause is over."""
    now = system.now()
    async with system.db.reading() as connection:
        ended = await queries.paused_until(connection, now)
    for organization_id, vmta_id in ended:
        async with system.db.transaction() as connection:
            row = await queries.by_id(connection, organization_id, vmta_id, lock=True)
            # Between looking and locking it may have been deleted, resumed, or paused for longer.
            if row and row.paused_until and row.paused_until <= now:
                await resume(connection, row, by="postmta", now=now)


async def keep_pauses(system: System) -> None:
    """The job: end pauses whose time has come, and bring the nodes to what is wanted."""
    await resume_ended(system)
    with suppress(Busy):  # then somebody else is at it
        async with exclusive(system.db, suspensions.LOCK, wait=0):
            await suspensions.reconcile(system)
    await flushing.flush_resumed(system)
