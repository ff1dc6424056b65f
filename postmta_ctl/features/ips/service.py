"""Which organization may send from which address. Operators decide; while they list none, whoever comes first."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.ids import is_id, new_id
from postmta_ctl.core.ip_addresses import parse_source_address
from postmta_ctl.errors import AlreadyExists, FieldError, InUse, InvalidRequest, NotFound
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.fields import Fields
from postmta_ctl.features.ips import queries
from postmta_ctl.features.ips.queries import IpRow, User
from postmta_ctl.features.ips.schemas import Ip, IpCreate, IpUpdate
from postmta_ctl.store.paging import Page, PageRequest
from postmta_ctl.store.versions import Condition
from postmta_ctl.system import System

_TAKEN = "the address is on the list already"


async def require_assigned(
    connection: AsyncConnection, organization_id: str, address: str, *, field: str
) -> str | None:
    """Refuse an address that the organization may not send from.

    Call it in the transaction that gives a vMTA the address, which a request named in ``field``.

    Returns:
        What the vMTA keeps from others: the address, or None for a shared one.

    Raises:
        InvalidRequest: ``ip_not_assigned``: operators list addresses, and this is none of the organization's.
    """
    row = await queries.by_address(connection, address, lock=True)
    if row is not None and row.shared:
        return None
    if row is None and not await queries.are_any(connection):
        return address
    if row is None or row.organization_id != organization_id:
        message = "this address is not assigned to your organization; ask the operators of this installation"
        raise InvalidRequest.of(field, message, code="ip_not_assigned")
    return address


def read_create(values: dict[str, Any]) -> IpCreate:
    """What is to be listed, from elsewhere than a request, held to the same limits.

    Raises:
        msgspec.ValidationError: A value is of another type or size.
    """
    return msgspec.convert(values, IpCreate)


def read_update(values: dict[str, Any]) -> IpUpdate:
    """What is to be changed, from elsewhere than a request, held to the same limits.

    Raises:
        msgspec.ValidationError: A value is of another type or size.
    """
    return msgspec.convert(values, IpUpdate)


async def add(system: System, principal: Principal, data: IpCreate) -> Ip:
    """List an address.

    Raises:
        InvalidRequest: A field cannot be accepted.
        AlreadyExists: It is listed already.
        InUse: A vMTA of another organization has it.
    """
    now, fields = system.now(), Fields()
    address = fields.read("ip_address", parse_source_address, data.ip_address)
    fields.done()
    row = IpRow(
        id=new_id(now),
        ip_address=address,
        organization_id=None,
        organization=data.organization,
        shared=data.shared,
        note=data.note,
        created_at=now,
    )
    try:
        async with system.db.transaction() as connection:
            row = await _assigned(connection, row)
            await queries.add(connection, row)
            users = await _settle(connection, row)
            made = shown(row, users, principal)
            await audit.record(connection, principal, "ip.added", row.id, after=made, now=now)
    except IntegrityError as error:
        detail = FieldError(field="ip_address", message=_TAKEN, code="taken")
        raise AlreadyExists(f"ip_address: {_TAKEN}.", errors=(detail,)) from error
    return made


async def list_ips(system: System, principal: Principal, paging: PageRequest) -> Page[Ip]:
    """All addresses for operators; for others those that their organization may use. Newest first."""
    async with system.db.reading() as connection:
        rows = await queries.page(connection, None if principal.is_operator else principal.organization_id, paging)
        users = await queries.users_of(connection, [row.ip_address for row in rows])
    return paging.page([shown(row, users, principal) for row in rows])


async def get(system: System, principal: Principal, ip_id: str) -> Ip:
    """One address.

    Raises:
        NotFound: There is none of this id that the caller may know of.
    """
    async with system.db.reading() as connection:
        row = await _found(connection, ip_id)
        if not (principal.is_operator or row.shared or row.organization_id == principal.organization_id):
            raise NotFound("There is no such address.")
        return shown(row, await queries.users_of(connection, [row.ip_address]), principal)


async def update(system: System, principal: Principal, ip_id: str, data: IpUpdate, unchanged: Condition) -> Ip:
    """Assign an address to another organization, share it, or put it in reserve.

    Raises:
        NotFound: There is none of this id.
        InvalidRequest: There is no such organization, or it is to be shared and assigned at once.
        InUse: A vMTA has it whose organization could not any more.
        PreconditionFailed: It is another than the caller knows.
    """
    now = system.now()
    async with system.db.transaction() as connection:
        row = await _found(connection, ip_id, lock=True)
        before = shown(row, await queries.users_of(connection, [row.ip_address]), principal)
        unchanged.require(before)
        values = {name: value for name, value in msgspec.structs.asdict(data).items() if value is not UNSET}
        changed = await _assigned(connection, msgspec.structs.replace(row, **values))
        await queries.save(connection, changed)
        after = shown(changed, await _settle(connection, changed), principal)
        await audit.record(connection, principal, "ip.updated", row.id, before=before, after=after, now=now)
    return after


async def remove(system: System, principal: Principal, ip_id: str, unchanged: Condition) -> None:
    """Take an address off the list.

    Raises:
        NotFound: There is none of this id.
        InUse: A vMTA has it.
        PreconditionFailed: It is another than the caller knows.
    """
    async with system.db.transaction() as connection:
        row = await _found(connection, ip_id, lock=True)
        users = await queries.users_of(connection, [row.ip_address])
        before = shown(row, users, principal)
        unchanged.require(before)
        if users:
            raise InUse(f"{_names(users)} would be without it.")
        await queries.remove(connection, row.id)
        await audit.record(connection, principal, "ip.removed", row.id, before=before, now=system.now())


async def _assigned(connection: AsyncConnection, row: IpRow) -> IpRow:
    """The row with the id of the organization that it names."""
    if row.organization is None:
        return msgspec.structs.replace(row, organization_id=None)
    if row.shared:
        raise InvalidRequest.of("shared", "an address is either shared or assigned to an organization")
    organization_id = await queries.organization_id(connection, row.organization)
    if organization_id is None:
        raise InvalidRequest.of("organization", "there is no organization of this slug", code="organization_unknown")
    return msgspec.structs.replace(row, organization_id=organization_id)


async def _settle(connection: AsyncConnection, row: IpRow) -> list[User]:
    """Make the vMTAs of an address agree with what is said of it."""
    users = await queries.users_of(connection, [row.ip_address])
    strangers = [] if row.shared else [one for one in users if one.organization_id != row.organization_id]
    if strangers:
        raise InUse(f"{_names(strangers)} could not have it any more.")
    if not row.shared and len(users) > 1:
        raise InUse(f"An address that is not shared is of one vMTA only; this is of {_names(users)}.")
    await queries.claim(connection, row.ip_address, shared=row.shared)
    return users


def _names(users: list[User]) -> str:
    return ", ".join(f"vMTA {one.organization}.{one.vmta}" for one in users)


async def _found(connection: AsyncConnection, ip_id: str, *, lock: bool = False) -> IpRow:
    row = await queries.by_id(connection, ip_id, lock=lock) if is_id(ip_id) else None
    if row is None:
        raise NotFound("There is no such address.")
    return row


def shown(row: IpRow, users: list[User], principal: Principal) -> Ip:
    """The address as the API shows it to this caller."""
    mine = [
        f"{one.organization}.{one.vmta}"
        for one in users
        if one.ip_address == row.ip_address
        and (principal.is_operator or one.organization_id == principal.organization_id)
    ]
    return Ip(
        id=row.id,
        ip_address=row.ip_address,
        organization=row.organization,
        shared=row.shared,
        note=row.note if principal.is_operator else "",
        vmtas=mine,
        created_at=row.created_at,
    )
