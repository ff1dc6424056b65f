"""The list of an organization, and what is held back because of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.addresses import parse_mailbox
from postmta_ctl.core.domain_names import parse_mail_domain
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.ids import new_id
from postmta_ctl.errors import InvalidRequest, NotFound
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.fields import Fields
from postmta_ctl.features.suppressions import queries
from postmta_ctl.features.suppressions.queries import Filters, Reason, SuppressionRow
from postmta_ctl.features.suppressions.schemas import (
    Checked,
    CheckRequest,
    CheckResult,
    Suppression,
    SuppressionCreate,
)
from postmta_ctl.store.paging import Page, PageRequest
from postmta_ctl.system import System


def key_of(address: str) -> str:
    """The address as the list has it.

    Raises:
        InputError: It is no address.
    """
    return parse_mailbox(address).dedupe_key


async def list_suppressions(
    system: System, principal: Principal, filters: Filters, paging: PageRequest
) -> Page[Suppression]:
    """The organization's list, newest first.

    Raises:
        InvalidRequest: A filter is no address, or no domain.
    """
    problems = Fields()
    read = {
        name: problems.read(name, parse, given) if (given := getattr(filters, name)) is not None else None
        for name, parse in {"address": key_of, "domain": parse_mail_domain}.items()
    }
    problems.done()
    async with system.db.reading() as connection:
        rows = await queries.page(connection, principal.organization_id, Filters(reason=filters.reason, **read), paging)
    return paging.page([_shown(row) for row in rows])


async def add(system: System, principal: Principal, data: SuppressionCreate) -> Suppression:
    """Put an address on the list. One that is there already stays as it is.

    Raises:
        InvalidRequest: It is no address.
    """
    try:
        address = key_of(data.address)
    except InputError as error:
        raise InvalidRequest.of("address", error.message, code=error.code) from None
    row = new_row(principal.organization_id, address, data.reason, system.now(), note=data.note)
    async with system.db.transaction() as connection:
        if await queries.add(connection, [row]):
            await audit.record(
                connection, principal, "suppression.added", row.id, after=_shown(row), now=row.created_at
            )
        kept = await queries.by_address(connection, principal.organization_id, address)
    return _shown(kept or row)


async def get(system: System, principal: Principal, suppression_id: str) -> Suppression:
    """One entry.

    Raises:
        NotFound: The organization has no such entry.
    """
    async with system.db.reading() as connection:
        row = await queries.by_id(connection, principal.organization_id, suppression_id)
    if row is None:
        raise NotFound("There is no such suppression.")
    return _shown(row)


async def remove(system: System, principal: Principal, suppression_id: str) -> None:
    """Take an address off the list: mail that is accepted from now on goes to it again.

    Raises:
        NotFound: The organization has no such entry.
    """
    async with system.db.transaction() as connection:
        row = await queries.by_id(connection, principal.organization_id, suppression_id)
        if row is None or not await queries.remove(connection, principal.organization_id, suppression_id):
            raise NotFound("There is no such suppression.")
        await audit.record(connection, principal, "suppression.removed", row.id, before=_shown(row), now=system.now())


async def check(system: System, principal: Principal, data: CheckRequest) -> CheckResult:
    """Which of these addresses would be held back.

    Raises:
        InvalidRequest: Names each that is no address.
    """
    problems = Fields()
    keys = [problems.read(f"addresses[{index}]", key_of, one) for index, one in enumerate(data.addresses)]
    problems.done()
    async with system.db.reading() as connection:
        found = await queries.reasons(connection, principal.organization_id, set(keys))
    pairs = zip(data.addresses, keys, strict=True)
    return CheckResult(
        data=[Checked(address=one, suppressed=key in found, reason=found.get(key)) for one, key in pairs]
    )


async def suppressed(connection: AsyncConnection, organization_id: str, keys: Collection[str]) -> dict[str, Reason]:
    """Those of the addresses (dedupe keys) that the organization must not send to."""
    return await queries.reasons(connection, organization_id, keys)


async def suppress(connection: AsyncConnection, rows: Iterable[SuppressionRow]) -> None:
    """Put addresses on lists, in the caller's transaction. The first reason stays."""
    unique = {(row.organization_id, row.address): row for row in reversed(list(rows))}
    if unique:
        await queries.add(connection, list(unique.values()))


def new_row(
    organization_id: str,
    address: str,
    reason: Reason,
    now: datetime,
    *,
    note: str | None = None,
    message_id: str | None = None,
) -> SuppressionRow:
    """An entry made now."""
    return SuppressionRow(
        id=new_id(now),
        organization_id=organization_id,
        address=address,
        reason=reason,
        note=note,
        message_id=message_id,
        created_at=now,
    )


def _shown(row: SuppressionRow) -> Suppression:
    return msgspec.convert(row, Suppression, from_attributes=True)
