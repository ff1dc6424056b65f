"""SQL of suppressions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import Select, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.live_data import suppression_path, suppression_shard
from postmta_ctl.store.live_changes import mark
from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.tables import organizations, recipients, suppressions

Reason = Literal["manual", "hard_bounce", "complaint", "unsubscribe"]
_CHUNK = 1000
"""Values in one statement; SQLite and PostgreSQL take some 32,000."""


class SuppressionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One address of one organization's list."""

    id: str
    organization_id: str
    address: str
    reason: Reason
    note: str | None = None
    message_id: str | None = None
    created_at: datetime


class Unsubscriber(msgspec.Struct, frozen=True, kw_only=True):
    """A recipient who follows the link, and who sent the message."""

    recipient_id: str
    organization_id: str
    message_id: str
    address: str
    organization: str
    """Its name, for people."""


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Which suppressions to list; what is None does not matter."""

    reason: str | None = None
    address: str | None = None
    domain: str | None = None


_REASONS = "SELECT address, reason FROM suppressions WHERE organization_id = {} AND address {}"
_COLUMNS = [suppressions.c[name] for name in SuppressionRow.__struct_fields__]


async def add(connection: AsyncConnection, rows: Sequence[SuppressionRow]) -> set[str]:
    """Insert those whose address is not on the organization's list yet; the ids of those that were."""
    added: set[str] = set()
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(suppressions).on_conflict_do_nothing(index_elements=["organization_id", "address"])
    # Two batches that share addresses must lock them in one order.
    ordered = sorted(rows, key=lambda row: (row.organization_id, row.address))
    for chunk in _chunks(ordered):
        values = [msgspec.structs.asdict(row) | {"shard": suppression_shard(row.address)} for row in chunk]
        returned = await connection.execute(statement.returning(suppressions.c.id, suppressions.c.shard), values)
        news = {row.id: suppression_path(row.shard) for row in returned}
        await mark(connection, news.values())
        added.update(news)
    return added


async def reasons(connection: AsyncConnection, organization_id: str, addresses: Collection[str]) -> dict[str, Reason]:
    """Those of the addresses that are on the list, with the reason of each."""
    if not addresses:
        return {}
    # One statement whatever their number; each request to send asks it.
    if connection.dialect.name == "sqlite":
        statement = _REASONS.format("?", "IN (SELECT value FROM json_each(?))")
        named: Any = msgspec.json.encode(list(addresses)).decode()
    else:
        statement, named = _REASONS.format("$1", "= ANY(CAST($2 AS varchar[]))"), list(addresses)
    rows = await connection.exec_driver_sql(statement, (organization_id, named))
    return {row.address: row.reason for row in rows}


async def page(
    connection: AsyncConnection, organization_id: str, filters: Filters, paging: PageRequest
) -> list[SuppressionRow]:
    """One page of the list, and one more row."""
    query = paging.apply(
        _filtered(organization_id, filters),
        suppressions.c.id,
        address=suppressions.c.address,
        reason=suppressions.c.reason,
    )
    return [SuppressionRow(**row) for row in (await connection.execute(query)).mappings()]


def _filtered(organization_id: str, filters: Filters) -> Select[Any]:
    query = select(*_COLUMNS).where(suppressions.c.organization_id == organization_id)
    if filters.reason is not None:
        query = query.where(suppressions.c.reason == filters.reason)
    if filters.address is not None:
        query = query.where(suppressions.c.address == filters.address)
    if filters.domain is not None:
        query = query.where(suppressions.c.address.endswith(f"@{filters.domain}", autoescape=True))
    return query


async def whole_list(connection: AsyncConnection, organization_id: str) -> AsyncIterator[SuppressionRow]:
    """The whole list, oldest first, a part at a time."""
    after = ""
    while True:
        query = _filtered(organization_id, Filters()).where(suppressions.c.id > after)
        query = query.order_by(suppressions.c.id).limit(_CHUNK)
        rows = (await connection.execute(query)).mappings().all()
        for row in rows:
            yield SuppressionRow(**row)
        if len(rows) < _CHUNK:
            return
        after = rows[-1]["id"]


async def by_address(connection: AsyncConnection, organization_id: str, address: str) -> SuppressionRow | None:
    """The entry of this address."""
    query = _filtered(organization_id, Filters(address=address))
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else SuppressionRow(**row)


async def by_id(connection: AsyncConnection, organization_id: str, suppression_id: str) -> SuppressionRow | None:
    """The organization's entry of this id."""
    query = _filtered(organization_id, Filters()).where(suppressions.c.id == suppression_id)
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else SuppressionRow(**row)


async def remove(connection: AsyncConnection, organization_id: str, suppression_id: str) -> bool:
    """Delete an entry; whether there was one."""
    statement = (
        delete(suppressions)
        .where(suppressions.c.id == suppression_id, suppressions.c.organization_id == organization_id)
        .returning(suppressions.c.shard)
    )
    shards = list(await connection.scalars(statement))
    await mark(connection, [suppression_path(shard) for shard in shards])
    return bool(shards)


async def unsubscriber(connection: AsyncConnection, recipient_id: str) -> Unsubscriber | None:
    """The recipient of this id."""
    query = (
        select(
            recipients.c.id.label("recipient_id"),
            recipients.c.organization_id,
            recipients.c.message_id,
            recipients.c.address,
            organizations.c.name.label("organization"),
        )
        .join(organizations, organizations.c.id == recipients.c.organization_id)
        .where(recipients.c.id == recipient_id)
    )
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else Unsubscriber(**row)


def _chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))
