"""SQL of blocklists: answers that are still good, the lists' health, and the listings of vMTAs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from sqlalchemy import RowMapping, Table, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.dnsbl import Code, Health, Probe, Status
from postmta_ctl.store.tables import dnsbl_answers, dnsbl_health, vmta_listings, vmtas

T = TypeVar("T", bound=msgspec.Struct)


class AnswerRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a list said of an address."""

    address: str
    list_id: str
    status: Status
    codes: tuple[Code, ...]
    reason: str | None
    checked_at: datetime
    expires_at: datetime


class HealthRow(msgspec.Struct, frozen=True, kw_only=True):
    """How a list answered at its test points."""

    list_id: str
    health: Health
    detail: str
    probes: tuple[Probe, ...]
    checked_at: datetime


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """One list's entry of one vMTA."""

    since: datetime
    """When we saw it first."""
    codes: tuple[Code, ...]
    reason: str | None


class ListingsRow(msgspec.Struct, frozen=True, kw_only=True):
    """What the monitor knows of a vMTA."""

    vmta_id: str
    listings: dict[str, dict[str, Listing]]
    """By the address and the id of the list."""
    checked_at: datetime


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """A vMTA whose addresses are due to be checked."""

    id: str
    organization_id: str
    name: str
    ip_address: str
    ipv6_address: str | None
    checked_at: datetime | None

    @property
    def addresses(self) -> list[str]:
        """One, or those of a pair."""
        return [one for one in (self.ip_address, self.ipv6_address) if one is not None]


async def answers(
    connection: AsyncConnection, addresses: Collection[str], list_ids: Collection[str], now: datetime
) -> dict[tuple[str, str], AnswerRow]:
    """The answers about these addresses that still hold, by address and list."""
    query = select(*_columns(dnsbl_answers, AnswerRow)).where(
        dnsbl_answers.c.address.in_(addresses),
        dnsbl_answers.c.list_id.in_(list_ids),
        dnsbl_answers.c.expires_at > now,
    )
    rows = [_read(row, AnswerRow) for row in (await connection.execute(query)).mappings()]
    return {(row.address, row.list_id): row for row in rows}


async def keep_answers(connection: AsyncConnection, rows: Sequence[AnswerRow], now: datetime) -> None:
    """Keep these, and forget those that hold no more."""
    await connection.execute(delete(dnsbl_answers).where(dnsbl_answers.c.expires_at <= now))
    await _upsert(connection, dnsbl_answers, sorted(rows, key=lambda row: (row.address, row.list_id)))


async def forget_answers(connection: AsyncConnection, address: str | None, now: datetime) -> int:
    """Forget what is known of an address, or of all; returns how many answers were dropped that still held."""
    mine = [dnsbl_answers.c.address == address] if address else []
    held = select(func.count()).select_from(dnsbl_answers).where(dnsbl_answers.c.expires_at > now, *mine)
    dropped = await connection.scalar(held) or 0
    await connection.execute(delete(dnsbl_answers).where(*mine))
    return dropped


async def health(connection: AsyncConnection) -> dict[str, HealthRow]:
    """What is known of the lists, by their ids."""
    query = select(*_columns(dnsbl_health, HealthRow))
    rows = [_read(row, HealthRow) for row in (await connection.execute(query)).mappings()]
    return {row.list_id: row for row in rows}


async def keep_health(connection: AsyncConnection, rows: Sequence[HealthRow]) -> None:
    """Keep these."""
    await _upsert(connection, dnsbl_health, sorted(rows, key=lambda row: row.list_id))


async def due(connection: AsyncConnection, before: datetime, limit: int) -> list[Watched]:
    """The vMTAs that were not checked since, those never checked first."""
    checked_at = vmta_listings.c.checked_at
    query = (
        select(*(vmtas.c[name] for name in Watched.__struct_fields__ if name != "checked_at"), checked_at)
        .join_from(vmtas, vmta_listings, vmtas.c.id == vmta_listings.c.vmta_id, isouter=True)
        .where(checked_at.is_(None) | (checked_at <= before))
        .order_by(checked_at.is_not(None), checked_at, vmtas.c.id)
        .limit(limit)
    )
    return [Watched(**row) for row in (await connection.execute(query)).mappings()]


async def listings(connection: AsyncConnection, vmta_id: str) -> ListingsRow | None:
    """What the monitor knows of a vMTA."""
    query = select(*_columns(vmta_listings, ListingsRow)).where(vmta_listings.c.vmta_id == vmta_id)
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else _read(row, ListingsRow)


async def lock_vmta(connection: AsyncConnection, vmta_id: str) -> bool:
    """Let nobody else note anything of the vMTA until the transaction ends; False if it is gone."""
    query = select(vmtas.c.id).where(vmtas.c.id == vmta_id).with_for_update()
    return await connection.scalar(query) is not None


async def listings_of(connection: AsyncConnection, organization_id: str) -> list[ListingsRow]:
    """What the monitor knows of the organization's vMTAs."""
    query = (
        select(*_columns(vmta_listings, ListingsRow))
        .join(vmtas, vmtas.c.id == vmta_listings.c.vmta_id)
        .where(vmtas.c.organization_id == organization_id)
    )
    return [_read(row, ListingsRow) for row in (await connection.execute(query)).mappings()]


async def keep_listings(connection: AsyncConnection, row: ListingsRow) -> None:
    """Keep it."""
    await _upsert(connection, vmta_listings, [row])


def _read(row: RowMapping, kind: type[T]) -> T:
    return msgspec.convert({name: row[name] for name in kind.__struct_fields__}, kind)


def _columns(table: Table, row: type[msgspec.Struct]) -> list[Any]:
    return [table.c[name] for name in row.__struct_fields__]


async def _upsert(connection: AsyncConnection, table: Table, rows: Sequence[Any]) -> None:
    if not rows:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    insert = dialect.insert(table)
    keys = [column.name for column in table.primary_key]
    changed = {column.name: insert.excluded[column.name] for column in table.columns if column.name not in keys}
    values = [{name: _plain(getattr(row, name)) for name in row.__struct_fields__} for row in rows]
    await connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=changed), values)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | datetime | None) else msgspec.to_builtins(value)
