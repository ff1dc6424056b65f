"""Proving a domain: look its records up, judge them, and decide who holds the name.

A name belongs to the organization that DNS says it belongs to. A claim keeps nobody else out; of several
organizations that claim a name, one can hold it, and holds it until another proves ownership *while the holder's own
ownership record is gone*. So neither a squatter nor a forgotten account can keep a domain from who controls its zone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial

import msgspec
import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.clients.dns import Resolver
from postmta_ctl.core import rechecks
from postmta_ctl.core.dns_records import DnsRecord, tracking_name
from postmta_ctl.errors import Conflict, NotFound
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.domains import insights, queries, records, service
from postmta_ctl.features.domains.announcements import DomainData, announce, record
from postmta_ctl.features.domains.queries import VERIFIED, DomainRow
from postmta_ctl.features.domains.records import Judged
from postmta_ctl.features.domains.rotation_job import look_now
from postmta_ctl.features.domains.schemas import Domain, DomainCheck
from postmta_ctl.features.domains.status import next_status
from postmta_ctl.features.vmtas import queries as vmtas
from postmta_ctl.store.paging import page_request
from postmta_ctl.system import System

log = structlog.get_logger(__name__)

TURN = 10
"""Domains that are checked at once by themselves; each asks some dozens of questions."""
MOST_VMTAS = 50
AUTHOR = "dns"


async def verify(system: System, principal: Principal, domain_id: str) -> Domain:
    """Look up what the domain should have published, and keep what was found.

    Raises:
        NotFound: The organization has no such domain.
        Conflict: ``domain_taken``: another organization holds the name, and its ownership record still stands.
    """
    async with system.db.reading() as connection:
        row = await service.find(connection, principal, domain_id)
    await _check(system, row, principal)
    await look_now(system, domain_id)
    return await service.get(system, principal, domain_id)


async def recheck_domains(system: System) -> bool:
    """Look at the domains whose time has come. True when there may be more."""
    async with system.db.transaction() as connection:
        rows = await queries.lease_checks(connection, system.now(), limit=TURN, lifetime=rechecks.CONFIRM_AFTER)
    await asyncio.gather(*(_recheck(system, row) for row in rows))
    return len(rows) >= TURN


async def _recheck(system: System, row: DomainRow) -> None:
    try:
        await _check(system, row, None)
    except (Conflict, NotFound) as error:
        log.info("a domain was not verified", domain=row.name, detail=error.detail)


async def _check(system: System, row: DomainRow, principal: Principal | None) -> None:
    """Look everything up, then decide in one transaction.

    Args:
        system: The parts.
        row: The domain.
        principal: Who asked; None: the schedule.
    """
    async with system.db.reading() as connection:
        keys = (await queries.keys_of(connection, [row]))[row.id]
        used = await vmtas.of_organization(connection, row.organization_id, page_request(MOST_VMTAS))
    judged, around = await asyncio.gather(
        _look_up(system.resolver, records.expected(system.settings, row, keys)),
        insights.look(system, row, used[:MOST_VMTAS]),
    )
    now, chance = system.now(), system.random(1)[0] / 255
    try:
        async with system.db.transaction() as connection:
            # Read again: the look-ups took seconds, in which others may have changed it.
            row = await service.lock(connection, row)
            decided = _decide(row, judged, around, now, chance, is_patient=principal is None)
            await _make_way(connection, system, decided, judged)
            await _save(connection, principal, row, decided, now)
    except IntegrityError as error:  # two organizations, both of them proved, in the same instant
        raise _taken(row) from error


async def _look_up(resolver: Resolver, expected: Sequence[DnsRecord]) -> list[Judged]:
    answers = await asyncio.gather(*(resolver.lookup(one.name, one.type) for one in expected))
    return [records.judged(one, answer) for one, answer in zip(expected, answers, strict=True)]


def _decide(
    row: DomainRow,
    judged: Sequence[Judged],
    around: list[DomainCheck],
    now: datetime,
    chance: float,
    *,
    is_patient: bool,
) -> DomainRow:
    """The domain after a check.

    Args:
        is_patient: A record that was there the last time must be gone twice before mail is stopped.
    """
    known = records.remembering(row, judged)
    status = next_status(row.status, (one.verdict.verdict for one in known if one.record.required))
    is_doubted = row.status == VERIFIED and status != VERIFIED and is_patient and not records.were_gone(row, known)
    status = row.status if is_doubted else status
    since = row.verified_at or (now if status == VERIFIED else None)
    following = partial(rechecks.next_check, age=now - row.created_at, now=now, chance=chance)
    return msgspec.structs.replace(
        row,
        status=status,
        verified_at=since,
        checks=list(known),
        insights=list(around),
        tracking_host=_tracking(row, known),
        checked_at=now,
        next_check_at=following(status, is_doubted=is_doubted),
    )


def _tracking(row: DomainRow, judged: Sequence[Judged]) -> str | None:
    """The host for tracking links: it leads to us, or did when DNS last had an answer."""
    verdict = next((one.last_known for one in judged if one.record.purpose == "tracking"), None)
    return tracking_name(row.name) if verdict == "ok" else None


async def _make_way(connection: AsyncConnection, system: System, row: DomainRow, judged: Sequence[Judged]) -> None:
    """Take the name from another organization that cannot prove it any more; refuse if it still can."""
    ownership = next(one for one in judged if one.record.purpose == records.OWNERSHIP)
    holder = await queries.other_holder(connection, row)
    if holder is None or ownership.verdict.verdict != "ok":
        return
    if records.proves(system.settings, holder, ownership.found):
        raise _taken(row)
    if row.status == VERIFIED:
        lost = msgspec.structs.replace(holder, status="pending", verified_at=None, tracking_host=None)
        await queries.save(connection, lost)
        if holder.status == VERIFIED:
            # Its history is for its own organization to read, and does not say who proved what.
            summary = f"domain {row.name} released: its ownership record is gone"
            await service.record_change(connection, holder, AUTHOR, summary, system.now())
            await _tell(connection, holder, lost, system.now())


async def _save(
    connection: AsyncConnection, principal: Principal | None, before: DomainRow, after: DomainRow, now: datetime
) -> None:
    await queries.save(connection, after)
    author = principal.name if principal else AUTHOR
    if (before.status == VERIFIED) != (after.status == VERIFIED):
        summary = f"domain {after.name} {after.status}"
        await service.record_change(connection, after, author, summary, now)
    if before.status != after.status:
        old, new = ({"domain": one.name, "status": one.status} for one in (before, after))
        await audit.record(
            connection,
            principal,
            "domain.status_changed",
            after.id,
            before=old,
            after=new,
            now=now,
            organization_id=after.organization_id,
            actor=author,
        )
    await _tell(connection, before, after, now)


async def _tell(connection: AsyncConnection, before: DomainRow, after: DomainRow, now: datetime) -> None:
    changed = [record(one.record, one.verdict.verdict) for one in records.changed(before, after)]
    data = DomainData(domain_id=after.id, domain=after.name, status=after.status, changed=changed)
    kinds = ["domain.dns_changed"] if changed else []
    if (before.status == VERIFIED) != (after.status == VERIFIED):
        kinds.append("domain.verified" if after.status == VERIFIED else "domain.unverified")
    if kinds:
        await announce(connection, after, [(kind, data) for kind in kinds], now)


def _taken(row: DomainRow) -> Conflict:
    message = (
        f"{row.name} is a verified domain of another organization, whose ownership record is still published. "
        "Remove that record and verify again."
    )
    return Conflict(message, code="domain_taken")
