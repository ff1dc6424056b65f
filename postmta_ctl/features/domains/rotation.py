"""Replacing a domain's DKIM keys: begun, shown and given up on request. What happens in between is a job's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core import dkim, dkim_rotation
from postmta_ctl.core.ids import new_id
from postmta_ctl.errors import AlreadyExists, Conflict, FieldError, NotFound
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.domains import keys, queries, rotation_queries, rotation_view, service
from postmta_ctl.features.domains.announcements import RotationData, announce, record
from postmta_ctl.features.domains.queries import DomainRow, KeyRow
from postmta_ctl.features.domains.rotation_queries import RotationRow
from postmta_ctl.features.domains.schemas import DkimRotation, RotateDkim
from postmta_ctl.features.fields import Fields
from postmta_ctl.system import System

STARTED = "domain.dkim_rotation_started"
CANCELLED = "domain.dkim_rotation_cancelled"


async def start(system: System, principal: Principal, domain_id: str, data: RotateDkim) -> DkimRotation:
    """Make new keys, and ask for their records to be published. Mail is signed as before until they are.

    Raises:
        NotFound: The organization has no such domain.
        InvalidRequest: No selector.
        AlreadyExists: The domain has, or had, a key of this selector.
        Conflict: The domain was never verified, or a rotation is under way.
    """
    fields = Fields()
    wanted = data.dkim_selector
    selector = None if wanted is None else fields.read("dkim_selector", keys.parse_selector, wanted)
    fields.done()
    async with system.db.reading() as connection:
        row = await service.find(connection, principal, domain_id)
    return await begin(system, row, selector, author=principal.name, principal=principal)


async def begin(
    system: System, row: DomainRow, selector: str | None, *, author: str, principal: Principal | None = None
) -> DkimRotation:
    """Begin a rotation, for whomever.

    Raises:
        AlreadyExists: The domain has, or had, a key of this selector.
        Conflict: The domain was never verified, or a rotation is under way.
        InvalidRequest: The selector is too long for this domain.
    """
    now = system.now()
    async with system.db.reading() as connection:
        known = await _startable(connection, row, selector)
    selector = selector or _selector(known, now)
    rotation = RotationRow(
        id=new_id(now), domain_id=row.id, author=author, state="publishing", due_at=now, created_at=now
    )
    made = await asyncio.to_thread(keys.make, system, row, selector, now, rotation.id)
    public = [one.row for one in made]
    service.check_lengths(system, row, public)
    try:
        async with system.db.transaction() as connection:
            await service.lock(connection, row)
            known = await _startable(connection, row, selector)
            await rotation_queries.add(connection, rotation, [one.values() for one in made])
            shown = rotation_view.shown(row, rotation, [*known, *public])
            await _note(connection, row, rotation, [*known, *public], STARTED, now)
            await audit.record(
                connection,
                principal,
                STARTED,
                row.id,
                after=shown,
                now=now,
                organization_id=row.organization_id,
                actor=author,
            )
    except IntegrityError as error:
        raise _under_way() from error
    return shown


async def _startable(connection: AsyncConnection, row: DomainRow, selector: str | None) -> list[KeyRow]:
    """The domain's keys, if it may get others."""
    known = (await queries.keys_of(connection, [row]))[row.id]
    if row.verified_at is None:
        message = "The domain was never verified, so nothing is signed with its keys yet: verify it first."
        raise Conflict(message, code="domain_not_verified")
    latest = await rotation_queries.latest(connection, row.id)
    if latest is not None and latest.state in dkim_rotation.OPEN:
        raise _under_way()
    if selector is not None and {key.selector for key in known} & set(keys.selectors_of(selector).values()):
        message = "the domain has, or had, a key of this selector; each key needs one of its own"
        raise AlreadyExists(
            f"dkim_selector: {message}.", errors=(FieldError(field="dkim_selector", message=message, code="taken"),)
        )
    return known


def _selector(known: Sequence[KeyRow], now: datetime) -> str:
    # A domain that was brought along may have a key of one algorithm only.
    active = sorted((key.algorithm != dkim.RSA, key.id, key.selector) for key in known if key.state == "active")
    current = active[0][2]
    taken = {key.selector for key in known}
    return dkim_rotation.new_selector(current, taken, now.date(), keys.LONGEST_SELECTOR)


def _under_way() -> Conflict:
    message = "A rotation of this domain's keys is under way; see it at dkim-rotation, or cancel it there."
    return Conflict(message, code="rotation_under_way")


async def show(system: System, principal: Principal, domain_id: str) -> DkimRotation:
    """The domain's last rotation, step by step.

    Raises:
        NotFound: The organization has no such domain, or its keys were never rotated.
    """
    async with system.db.reading() as connection:
        row = await service.find(connection, principal, domain_id)
        rotation = await _latest(connection, row)
        known = (await queries.keys_of(connection, [row]))[row.id]
    return rotation_view.shown(row, rotation, known)


async def cancel(system: System, principal: Principal, domain_id: str) -> DkimRotation:
    """Give up the new keys, while nothing is signed with them.

    Raises:
        NotFound: The organization has no such domain, or its keys were never rotated.
        Conflict: ``too_late``: mail is, or may be, signed with the new keys.
    """
    now = system.now()
    async with system.db.transaction() as connection:
        row = await service.find(connection, principal, domain_id, lock=True)
        rotation = await _latest(connection, row)
        if rotation.state != "publishing":
            raise Conflict(
                f"The rotation is {rotation.state}; it can be cancelled before the switch only.", code="too_late"
            )
        cancelled = await give_up(connection, row, rotation, now)
        known = (await queries.keys_of(connection, [row]))[row.id]
        shown = rotation_view.shown(row, cancelled, known)
        await audit.record(connection, principal, CANCELLED, row.id, after=shown, now=now)
    return shown


async def give_up(connection: AsyncConnection, row: DomainRow, rotation: RotationRow, now: datetime) -> RotationRow:
    """End a rotation that has not switched; the caller holds the domain's lock."""
    cancelled = msgspec.structs.replace(rotation, state="cancelled", finished_at=now, due_at=None)
    await rotation_queries.save(connection, cancelled)
    await rotation_queries.give_up_keys(connection, cancelled)
    await _note(connection, row, cancelled, (await queries.keys_of(connection, [row]))[row.id], CANCELLED, now)
    return cancelled


async def _latest(connection: AsyncConnection, row: DomainRow) -> RotationRow:
    rotation = await rotation_queries.latest(connection, row.id)
    if rotation is None:
        raise NotFound("The keys of this domain were never rotated.")
    return rotation


async def _note(
    connection: AsyncConnection,
    row: DomainRow,
    rotation: RotationRow,
    known: Sequence[KeyRow],
    kind: str,
    now: datetime,
) -> None:
    data = announcement(row, rotation, known)
    await announce(connection, row, [(kind, data)], now)


def announcement(row: DomainRow, rotation: RotationRow, known: Sequence[KeyRow]) -> RotationData:
    """What the events of a rotation tell: the records to publish, and those that may go."""
    shown = rotation_view.shown(row, rotation, known).records
    publish, remove = (
        [record(one, one.verdict) for one in shown if one.action == act] for act in ("publish", "remove")
    )
    return RotationData(
        domain_id=row.id,
        domain=row.name,
        rotation_id=rotation.id,
        state=rotation.state,
        publish=publish,
        remove=remove,
    )
