"""Making, showing, changing and deleting named pools."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.compiler.names import SLUG
from postmta_ctl.core.domain_names import parse_mail_domain
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.ids import is_id, new_id
from postmta_ctl.errors import AlreadyExists, Conflict, FieldError, InUse, InvalidRequest, NotFound
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.fields import Fields
from postmta_ctl.features.policy import changes
from postmta_ctl.features.pools import queries
from postmta_ctl.features.pools.queries import PoolRow
from postmta_ctl.features.pools.schemas import Member, Pool, PoolCreate, PoolUpdate
from postmta_ctl.store.paging import Page, PageRequest
from postmta_ctl.store.versions import Condition
from postmta_ctl.system import System

MAX_POOLS = 200
"""Of an organization: each is a tenant of the policy, which every Lua context reads."""
_TAKEN = "your organization has a pool of this name already"


def read_create(values: dict[str, Any]) -> PoolCreate:
    """What is to be made, from elsewhere than a request, held to the same limits.

    Raises:
        msgspec.ValidationError: A value is of another type or size.
    """
    return msgspec.convert(values, PoolCreate)


def read_update(values: dict[str, Any]) -> PoolUpdate:
    """What is to be changed, from elsewhere than a request, held to the same limits.

    Raises:
        msgspec.ValidationError: A value is of another type or size.
    """
    return msgspec.convert(values, PoolUpdate)


async def create(system: System, principal: Principal, data: PoolCreate) -> Pool:
    """Make a pool.

    Raises:
        InvalidRequest: A field cannot be accepted.
        AlreadyExists: The organization has a pool of this name, or another one has a domain of it.
        Conflict: The organization has as many as it may.
    """
    now, fields = system.now(), Fields()
    name = fields.read("name", _slug, data.name)
    row = PoolRow(
        id=new_id(now),
        organization_id=principal.organization_id,
        name=name,
        default_of=principal.organization_id if data.default else None,
        weights=_weights(data.members, fields),
        domains=_domains(data.domains, fields),
        updated_at=now,
        created_at=now,
    )
    fields.done()
    try:
        async with system.db.transaction() as connection:
            if await queries.count(connection, row.organization_id) >= MAX_POOLS:
                raise Conflict(f"An organization has {MAX_POOLS} pools at most.", code="too_many_pools")
            members = await _prepared(connection, row)
            await queries.add(connection, row, members)
            await _record(connection, principal, row, "created", row.domains, now)
            await audit.record(connection, principal, "pool.created", row.id, after=shown(row), now=now)
    except IntegrityError as error:
        raise AlreadyExists(f"name: {_TAKEN}.", errors=(_problem("name", _TAKEN),)) from error
    return shown(row)


async def list_pools(system: System, principal: Principal, paging: PageRequest) -> Page[Pool]:
    """The organization's pools, newest first."""
    async with system.db.reading() as connection:
        rows = await queries.of_organization(connection, principal.organization_id, paging)
    return paging.page([shown(row) for row in rows])


async def get(system: System, principal: Principal, pool_id: str) -> Pool:
    """One pool.

    Raises:
        NotFound: The organization has no such pool.
    """
    async with system.db.reading() as connection:
        return shown(await _found(connection, principal, pool_id))


async def update(system: System, principal: Principal, pool_id: str, data: PoolUpdate, unchanged: Condition) -> Pool:
    """Change what is in a pool. Mail that waits for it follows the change.

    Raises:
        NotFound: The organization has no such pool.
        InvalidRequest: A field cannot be accepted.
        AlreadyExists: Another pool has a domain of it.
        PreconditionFailed: It is another than the caller knows.
    """
    now = system.now()
    async with system.db.transaction() as connection:
        row = await _found(connection, principal, pool_id, lock=True)
        before = shown(row)
        unchanged.require(before)
        changed = _changed(row, data)
        if changed == row:
            return before
        changed = msgspec.structs.replace(changed, updated_at=now)
        await queries.save(connection, changed, await _prepared(connection, changed))
        await _record(connection, principal, row, "changed", {*row.domains, *changed.domains}, now)
        after = shown(changed)
        await audit.record(connection, principal, "pool.updated", row.id, before=before, after=after, now=now)
    return after


async def delete(system: System, principal: Principal, pool_id: str, unchanged: Condition) -> None:
    """Delete a pool. What the nodes have of its mail leaves as other mail of the organization does.

    Raises:
        NotFound: The organization has no such pool.
        InUse: Mail that was accepted for it waits for a node.
        PreconditionFailed: It is another than the caller knows.
    """
    now = system.now()
    async with system.db.transaction() as connection:
        row = await _found(connection, principal, pool_id, lock=True)
        unchanged.require(shown(row))
        if await queries.has_waiting_mail(connection, row):
            raise InUse("Mail that was accepted for this pool still waits for a node; try again later.")
        await queries.remove(connection, row)
        await _record(connection, principal, row, "deleted", row.domains, now)
        await audit.record(connection, principal, "pool.deleted", row.id, before=shown(row), now=now)


def _changed(row: PoolRow, data: PoolUpdate) -> PoolRow:
    fields = Fields()
    if data.members is not UNSET:
        row = msgspec.structs.replace(row, weights=_weights(data.members, fields))
    if data.domains is not UNSET:
        row = msgspec.structs.replace(row, domains=_domains(data.domains, fields))
    if data.default is not UNSET:
        row = msgspec.structs.replace(row, default_of=row.organization_id if data.default else None)
    fields.done()
    return row


async def _prepared(connection: AsyncConnection, row: PoolRow) -> dict[str, int]:
    """Check what the pool refers to, and make room for it as the default; its weights by id of the vMTA."""
    ids = await queries.vmta_ids(connection, row.organization_id, row.weights)
    for name in row.weights:
        if name not in ids:
            message = f"there is no vMTA of the name {name}"
            raise InvalidRequest.of("members", message, code="vmta_unknown")
    if taken := await queries.taken_domains(connection, row.organization_id, row.domains, but=row.id):
        message = f"another pool has {', '.join(taken[:10])}"
        raise AlreadyExists(f"domains: {message}.", errors=(_problem("domains", message),))
    if row.default_of:
        await queries.undefault(connection, row.organization_id)
    return {ids[name]: weight for name, weight in row.weights.items()}


def _weights(members: list[Member], fields: Fields) -> dict[str, int]:
    found: dict[str, int] = {}
    for index, member in enumerate(members):
        if member.vmta in found:
            fields.refuse(f"members[{index}].vmta", "is in the pool twice", code="repeated")
        found[member.vmta] = member.weight
    return dict(sorted(found.items()))


def _domains(given: list[str], fields: Fields) -> tuple[str, ...]:
    return tuple(sorted({fields.read(f"domains[{index}]", parse_mail_domain, one) for index, one in enumerate(given)}))


def _slug(text: str) -> str:
    # A queue carries the name, and nothing there escapes it.
    if not SLUG.match(text):
        raise InputError("name_syntax", "must be 1 to 63 of a-z, 0-9 and -")
    return text


def _problem(field: str, message: str) -> FieldError:
    return FieldError(field=field, message=message, code="taken")


async def _found(connection: AsyncConnection, principal: Principal, pool_id: str, *, lock: bool = False) -> PoolRow:
    row = await queries.by_id(connection, principal.organization_id, pool_id, lock=lock) if is_id(pool_id) else None
    if row is None:
        raise NotFound("There is no such pool.")
    return row


async def _record(
    connection: AsyncConnection, principal: Principal, row: PoolRow, what: str, domains: Collection[str], now: datetime
) -> None:
    await changes.record(
        connection,
        organization_id=row.organization_id,
        author=principal.name,
        summary=f"pool {row.name} {what}",
        now=now,
        domains=domains,
    )


def shown(row: PoolRow) -> Pool:
    """The pool as the API shows it."""
    return Pool(
        id=row.id,
        name=row.name,
        members=[Member(vmta=name, weight=weight) for name, weight in row.weights.items()],
        domains=list(row.domains),
        default=row.default_of is not None,
        updated_at=row.updated_at,
        created_at=row.created_at,
    )
