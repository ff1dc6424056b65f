"""Proving a domain: look its records up, judge them, and decide who holds the name.

A name belongs to the organization that DNS says it belongs to. A claim keeps nobody else out; of several
organizations that claim a name, one can hold it, and holds it until another proves ownership *while the holder's own
ownership record is gone*. So neither a squatter nor a forgotten account can keep a domain from who controls its zone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.clients.dns import Resolver
from postmta_ctl.core.dns_records import DnsRecord
from postmta_ctl.errors import Conflict
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.domains import queries, records, service
from postmta_ctl.features.domains.queries import VERIFIED, DomainRow
from postmta_ctl.features.domains.records import Judged
from postmta_ctl.features.domains.rotation_job import look_now
from postmta_ctl.features.domains.schemas import Domain
from postmta_ctl.features.domains.status import next_status
from postmta_ctl.system import System


async def verify(system: System, principal: Principal, domain_id: str) -> Domain:
    """Look up what the domain should have published, and keep what was found.

    Raises:
        NotFound: The organization has no such domain.
        Conflict: ``domain_taken``: another organization holds the name, and its ownership record still stands.
    """
    async with system.db.reading() as connection:
        row = await service.find(connection, principal, domain_id)
        keys = (await queries.keys_of(connection, [row]))[row.id]
    judged = await _look_up(system.resolver, records.expected(system.settings, row, keys))
    now = system.now()
    try:
        async with system.db.transaction() as connection:
            # Read again: the look-ups took seconds, in which others may have changed it.
            row = await service.find(connection, principal, domain_id, lock=True)
            decided = _decide(row, judged, now)
            await _make_way(connection, system, decided, judged)
            await _save(connection, principal, row, decided, now)
    except IntegrityError as error:  # two organizations, both of them proved, in the same instant
        raise _taken(row) from error
    await look_now(system, domain_id)
    return await service.get(system, principal, domain_id)


async def _look_up(resolver: Resolver, expected: Sequence[DnsRecord]) -> list[Judged]:
    answers = await asyncio.gather(*(resolver.lookup(record.name, record.type) for record in expected))
    return [records.judged(record, answer) for record, answer in zip(expected, answers, strict=True)]


def _decide(row: DomainRow, judged: Sequence[Judged], now: datetime) -> DomainRow:
    status = next_status(row.status, (one.verdict.verdict for one in judged if one.record.required))
    since = row.verified_at or (now if status == VERIFIED else None)
    return msgspec.structs.replace(row, status=status, verified_at=since, checks=list(judged), checked_at=now)


async def _make_way(connection: AsyncConnection, system: System, row: DomainRow, judged: Sequence[Judged]) -> None:
    """Take the name from another organization that cannot prove it any more; refuse if it still can."""
    ownership = next(one for one in judged if one.record.purpose == records.OWNERSHIP)
    holder = await queries.other_holder(connection, row)
    if holder is None or ownership.verdict.verdict != "ok":
        return
    if records.proves(system.settings, holder, ownership.found):
        raise _taken(row)
    if row.status == VERIFIED:
        await queries.save(connection, msgspec.structs.replace(holder, status="pending", verified_at=None))
        if holder.status == VERIFIED:
            # Its history is for its own organization to read, and does not say who proved what.
            summary = f"domain {row.name} released: its ownership record is gone"
            await service.record_change(connection, holder, "dns", summary, system.now())


async def _save(
    connection: AsyncConnection, principal: Principal, before: DomainRow, after: DomainRow, now: datetime
) -> None:
    await queries.save(connection, after)
    if (before.status == VERIFIED) != (after.status == VERIFIED):
        summary = f"domain {after.name} {after.status}"
        await service.record_change(connection, after, principal.name, summary, now)
    if before.status != after.status:
        old, new = ({"domain": one.name, "status": one.status} for one in (before, after))
        await audit.record(connection, principal, "domain.status_changed", after.id, before=old, after=new, now=now)


def _taken(row: DomainRow) -> Conflict:
    message = (
        f"{row.name} is a verified domain of another organization, whose ownership record is still published. "
        "Remove that record and verify again."
    )
    return Conflict(message, code="domain_taken")
