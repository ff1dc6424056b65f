"""Schedules: ours, and those that an organization keeps."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core import warmup
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.ids import new_id
from postmta_ctl.core.warmup import SCHEDULES
from postmta_ctl.errors import AlreadyExists, Conflict, FieldError, InvalidRequest, NotFound
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.warmup import schedule_queries as queries
from postmta_ctl.features.warmup.schedule_queries import ScheduleRow
from postmta_ctl.features.warmup.schemas import Schedule, ScheduleCreate, Schedules, ScheduleUpdate
from postmta_ctl.store.versions import Condition
from postmta_ctl.system import System

MAX_SCHEDULES = 100
"""Of one organization."""


def read_create(values: dict[str, Any]) -> ScheduleCreate:
    """What is to be made, from elsewhere than a request, held to the same limits.

    Raises:
        msgspec.ValidationError: A value is of another type or size.
    """
    return msgspec.convert(values, ScheduleCreate)


def read_update(values: dict[str, Any]) -> ScheduleUpdate:
    """What is to be changed, from elsewhere than a request, held to the same limits.

    Raises:
        msgspec.ValidationError: A value is of another type or size.
    """
    return msgspec.convert(values, ScheduleUpdate)


async def list_schedules(system: System, principal: Principal) -> Schedules:
    """Ours and the organization's."""
    ours = [
        Schedule(
            id=None,
            name=name,
            daily_allowances=list(allowances),
            provider_shares={},
            updated_at=None,
            created_at=None,
        )
        for name, allowances in SCHEDULES.items()
    ]
    async with system.db.reading() as connection:
        own = await queries.of_organization(connection, principal.organization_id)
    return Schedules(data=ours + [_shown(row) for row in own])


async def create(system: System, principal: Principal, data: ScheduleCreate) -> Schedule:
    """Keep a schedule.

    Raises:
        InvalidRequest: A provider is none.
        AlreadyExists: There is one of this name.
        Conflict: The organization has as many as there may be.
    """
    now = system.now()
    row = ScheduleRow(
        id=new_id(now),
        organization_id=principal.organization_id,
        name=data.name,
        daily_allowances=data.daily_allowances,
        provider_shares=data.provider_shares,
        updated_at=now,
        created_at=now,
    )
    _check(row)
    try:
        async with system.db.transaction() as connection:
            if await queries.count(connection, principal.organization_id) >= MAX_SCHEDULES:
                raise Conflict(f"An organization has at most {MAX_SCHEDULES} schedules.", code="too_many_schedules")
            await queries.add(connection, row)
            shown = _shown(row)
            await audit.record(connection, principal, "warmup_schedule.created", row.id, after=shown, now=now)
    except IntegrityError as error:
        raise _exists(row.name) from error
    return shown


async def get(system: System, principal: Principal, schedule_id: str) -> Schedule:
    """One of the organization's.

    Raises:
        NotFound: It has no such schedule.
    """
    async with system.db.reading() as connection:
        return _shown(await _found(connection, principal, schedule_id))


async def update(
    system: System, principal: Principal, schedule_id: str, data: ScheduleUpdate, unchanged: Condition
) -> Schedule:
    """Change a schedule for the warm-ups that begin from now on.

    Raises:
        NotFound: The organization has no such schedule.
        InvalidRequest: A provider is none.
        AlreadyExists: There is another of this name.
        PreconditionFailed: It is another than the caller knows.
    """
    now = system.now()
    given: dict[str, Any] = {
        name: value for name in data.__struct_fields__ if (value := getattr(data, name)) is not UNSET
    }
    try:
        async with system.db.transaction() as connection:
            row = await _found(connection, principal, schedule_id, lock=True)
            before = _shown(row)
            unchanged.require(before)
            changed = msgspec.structs.replace(row, **given, updated_at=now)
            _check(changed)
            await queries.save(connection, changed)
            after = _shown(changed)
            await audit.record(
                connection, principal, "warmup_schedule.updated", row.id, before=before, after=after, now=now
            )
    except IntegrityError as error:
        raise _exists(str(given.get("name"))) from error
    return after


async def delete(system: System, principal: Principal, schedule_id: str, unchanged: Condition) -> None:
    """Drop a schedule; warm-ups that began by it go on.

    Raises:
        NotFound: The organization has no such schedule.
        PreconditionFailed: It is another than the caller knows.
    """
    async with system.db.transaction() as connection:
        row = await _found(connection, principal, schedule_id, lock=True)
        before = _shown(row)
        unchanged.require(before)
        await queries.remove(connection, row.id)
        await audit.record(connection, principal, "warmup_schedule.deleted", row.id, before=before, now=system.now())


def _check(row: ScheduleRow) -> None:
    if row.name in SCHEDULES:
        raise _exists(row.name)
    try:
        warmup.begin(allowances=row.daily_allowances, shares=row.provider_shares)
    except InputError as error:
        raise InvalidRequest.of(error.field or "daily_allowances", error.message, code=error.code) from None


def _exists(name: str) -> AlreadyExists:
    message = "there is a schedule of this name already"
    return AlreadyExists(f"{name}: {message}.", errors=(FieldError(field="name", message=message, code="taken"),))


async def _found(
    connection: AsyncConnection, principal: Principal, schedule_id: str, *, lock: bool = False
) -> ScheduleRow:
    row = await queries.by_id(connection, principal.organization_id, schedule_id, lock=lock)
    if row is None:
        raise NotFound("There is no such schedule.")
    return row


def _shown(row: ScheduleRow) -> Schedule:
    return Schedule(**{name: getattr(row, name) for name in Schedule.__struct_fields__})
