"""Rules of traffic shaping: operators say what the policy is to hold to, where what is maintained does not fit."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.compiler.check_shaping import limit_problems
from postmta_ctl.core.domain_names import parse_mail_domain
from postmta_ctl.core.ids import is_id, new_id
from postmta_ctl.core.providers import NAMES
from postmta_ctl.core.shaping import MAINTAINED, Limits
from postmta_ctl.errors import AlreadyExists, Conflict, FieldError, InvalidRequest, NotFound
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.fields import Fields
from postmta_ctl.features.policy import changes
from postmta_ctl.features.shaping import queries
from postmta_ctl.features.shaping.queries import ShapingRow
from postmta_ctl.features.shaping.schemas import ShapedProvider, ShapingCreate, ShapingRule, ShapingUpdate
from postmta_ctl.store.paging import Page, PageRequest
from postmta_ctl.store.versions import Condition
from postmta_ctl.system import System

MAX_RULES = 1000
"""Every Lua context holds them all."""
_TAKEN = "there is a rule for it already"


def read_create(values: dict[str, Any]) -> ShapingCreate:
    """What is to be made, from elsewhere than a request, held to the same limits.

    Raises:
        msgspec.ValidationError: A value is of another type or size.
    """
    return msgspec.convert(values, ShapingCreate)


def read_update(values: dict[str, Any]) -> ShapingUpdate:
    """What is to be changed, from elsewhere than a request, held to the same limits.

    Raises:
        msgspec.ValidationError: A value is of another type or size.
    """
    return msgspec.convert(values, ShapingUpdate)


async def add(system: System, principal: Principal, data: ShapingCreate) -> ShapingRule:
    """Make a rule.

    Raises:
        InvalidRequest: A field cannot be accepted.
        AlreadyExists: There is a rule for the same.
        Conflict: There are too many.
    """
    now = system.now()
    row = ShapingRow(
        id=new_id(now),
        organization_id=None,
        organization=data.organization,
        kind=data.kind,
        target=_target(data),
        limits=data.limits,
        note=data.note,
        updated_at=now,
        created_at=now,
    )
    try:
        async with system.db.transaction() as connection:
            if await queries.count(connection) >= MAX_RULES:
                raise Conflict(f"There are {MAX_RULES} rules at most.", code="too_many_rules")
            row = await _assigned(connection, row)
            await queries.add(connection, row)
            await _record(connection, principal, row, "created", now)
            await audit.record(connection, principal, "shaping.created", row.id, after=shown(row), now=now)
    except IntegrityError as error:
        detail = FieldError(field="target", message=_TAKEN, code="taken")
        raise AlreadyExists(f"target: {_TAKEN}.", errors=(detail,)) from error
    return shown(row)


async def list_rules(system: System, paging: PageRequest) -> Page[ShapingRule]:
    """The rules, newest first."""
    async with system.db.reading() as connection:
        return paging.page([shown(row) for row in await queries.page(connection, paging)])


async def get(system: System, shaping_id: str) -> ShapingRule:
    """One rule.

    Raises:
        NotFound: There is none of this id.
    """
    async with system.db.reading() as connection:
        return shown(await _found(connection, shaping_id))


async def update(
    system: System, principal: Principal, shaping_id: str, data: ShapingUpdate, unchanged: Condition
) -> ShapingRule:
    """Change limits or note.

    Raises:
        NotFound: There is none of this id.
        InvalidRequest: A limit cannot be accepted.
        PreconditionFailed: It is another than the caller knows.
    """
    now = system.now()
    async with system.db.transaction() as connection:
        row = await _found(connection, shaping_id, lock=True)
        before = shown(row)
        unchanged.require(before)
        changed = msgspec.structs.replace(
            row,
            limits=row.limits if data.limits is UNSET else _limits(data.limits),
            note=row.note if data.note is UNSET else data.note,
        )
        if changed == row:
            return before
        changed = msgspec.structs.replace(changed, updated_at=now)
        await queries.save(connection, changed)
        if changed.limits != row.limits:
            await _record(connection, principal, row, "changed", now)
        after = shown(changed)
        await audit.record(connection, principal, "shaping.updated", row.id, before=before, after=after, now=now)
    return after


async def remove(system: System, principal: Principal, shaping_id: str, unchanged: Condition) -> None:
    """Delete a rule: what holds without it holds again.

    Raises:
        NotFound: There is none of this id.
        PreconditionFailed: It is another than the caller knows.
    """
    now = system.now()
    async with system.db.transaction() as connection:
        row = await _found(connection, shaping_id, lock=True)
        unchanged.require(shown(row))
        await queries.remove(connection, row.id)
        await _record(connection, principal, row, "deleted", now)
        await audit.record(connection, principal, "shaping.deleted", row.id, before=shown(row), now=now)


def providers() -> list[ShapedProvider]:
    """The providers that rules can be for, with what is maintained for each."""
    none = "nothing is maintained: KumoMTA's defaults and those of the installation hold"
    found = []
    for name in sorted(NAMES):
        known = MAINTAINED.get(name)
        limits, source = (known.limits, known.source) if known else (Limits(), none)
        found.append(ShapedProvider(name=name, limits=limits, source=source))
    return found


def _target(data: ShapingCreate) -> str:
    _limits(data.limits)
    if data.kind == "domain":
        fields = Fields()
        target = fields.read("target", parse_mail_domain, data.target)
        fields.done()
        return target
    if data.target not in NAMES:
        raise InvalidRequest.of("target", "there is no provider of this name", code="provider_unknown")
    return data.target


def _limits(limits: Limits) -> Limits:
    if not limits.options():
        raise InvalidRequest.of("limits", "must limit something", code="empty")
    for problem in limit_problems("limits", limits.options()):
        raise InvalidRequest.of("limits", problem.message, code=problem.code.replace("-", "_"))
    return limits


async def _assigned(connection: AsyncConnection, row: ShapingRow) -> ShapingRow:
    """The row with the id of the organization that it names."""
    if row.organization is None:
        return row
    organization_id = await queries.organization_id(connection, row.organization)
    if organization_id is None:
        raise InvalidRequest.of("organization", "there is no organization of this slug", code="organization_unknown")
    return msgspec.structs.replace(row, organization_id=organization_id)


async def _found(connection: AsyncConnection, shaping_id: str, *, lock: bool = False) -> ShapingRow:
    row = await queries.by_id(connection, shaping_id, lock=lock) if is_id(shaping_id) else None
    if row is None:
        raise NotFound("There is no such rule.")
    return row


async def _record(connection: AsyncConnection, principal: Principal, row: ShapingRow, what: str, now: datetime) -> None:
    whose = f" for {row.organization}" if row.organization else ""
    await changes.record(
        connection,
        organization_id=row.organization_id,
        author=principal.name,
        summary=f"shaping of {row.kind} {row.target}{whose} {what}",
        now=now,
        domains=(),
    )


def shown(row: ShapingRow) -> ShapingRule:
    """The rule as the API shows it."""
    return ShapingRule(**{name: getattr(row, name) for name in ShapingRule.__struct_fields__})
