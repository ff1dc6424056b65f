"""SQL of virtual MTAs."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import RowMapping, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.warmup import Progress
from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.tables import events, messages, organizations, outbox, retired_vmtas, vmtas

Stage = Literal["active", "warming"]
State = Literal["active", "warming", "paused"]
ProxyProtocol = Literal["haproxy", "socks5"]


class VmtaRow(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual MTA."""

    id: str
    organization_id: str
    name: str
    ip_address: str
    ipv6_address: str | None = None
    """Of a pair."""
    held_address: str | None = None
    """The IPv4 address, which no other vMTA may have then; none when operators have it shared."""
    held_ipv6_address: str | None = None
    """Likewise the IPv6 address, whether it is the only one or of a pair."""
    ehlo_domain: str
    state: Stage
    """Where its warm-up stands, whether it is paused or not."""
    version: int
    warmup: Progress | None
    proxy_protocol: ProxyProtocol | None = None
    proxy_server: str | None = None
    nodes: list[str] = []
    """Names of those that have the address; none: all."""
    paused_at: datetime | None = None
    paused_by: str | None = None
    paused_reason: str | None = None
    paused_until: datetime | None = None
    resumed_at: datetime | None = None
    """What waited for it on the nodes has yet to be tried at once; none: it was."""
    updated_at: datetime
    created_at: datetime

    @property
    def addresses(self) -> tuple[str, ...]:
        """One, or IPv4 and IPv6 of a pair."""
        return (self.ip_address,) if self.ipv6_address is None else (self.ip_address, self.ipv6_address)

    @property
    def is_paused(self) -> bool:
        """Nothing leaves from it, and its warm-up stands still."""
        return self.paused_at is not None

    @property
    def shown_state(self) -> State:
        """As people and the policy see it."""
        return "paused" if self.is_paused else self.state


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that failed for now."""

    reply: str | None = None
    occurred_at: datetime | None = None
    provider: str | None = None


_VMTA = select(*(vmtas.c[name] for name in VmtaRow.__struct_fields__))


async def by_id(
    connection: AsyncConnection, organization_id: str, vmta_id: str, *, lock: bool = False
) -> VmtaRow | None:
    """A vMTA of the organization; ``lock`` keeps others from changing it until the transaction ends."""
    query = _VMTA.where(vmtas.c.id == vmta_id, vmtas.c.organization_id == organization_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    return None if row is None else _vmta(row)


async def of_organization(connection: AsyncConnection, organization_id: str, paging: PageRequest) -> list[VmtaRow]:
    """One page of the organization's vMTAs, and one more."""
    query = paging.apply(_VMTA.where(vmtas.c.organization_id == organization_id), vmtas.c.id, name=vmtas.c.name)
    return [_vmta(row) for row in (await connection.execute(query)).mappings()]


async def all_of_organization(connection: AsyncConnection, organization_id: str) -> list[VmtaRow]:
    """Every vMTA of the organization, by name."""
    query = _VMTA.where(vmtas.c.organization_id == organization_id)
    return sorted((_vmta(row) for row in (await connection.execute(query)).mappings()), key=lambda one: one.name)


async def of_all(connection: AsyncConnection) -> list[tuple[str, VmtaRow]]:
    """Every vMTA with the slug of its organization, sorted by both names."""
    query = _VMTA.add_columns(organizations.c.slug).join_from(vmtas, organizations)
    found = [(row["slug"], _vmta(row)) for row in (await connection.execute(query)).mappings()]
    # Sorted here: the order of texts is another in each database.
    return sorted(found, key=lambda one: (one[0], one[1].name))


async def paused_until(connection: AsyncConnection, now: datetime) -> list[tuple[str, str]]:
    """Organization and id of those whose pause is over by now."""
    query = select(vmtas.c.organization_id, vmtas.c.id).where(vmtas.c.paused_until <= now)
    return [(row.organization_id, row.id) for row in await connection.execute(query)]


async def flushed(connection: AsyncConnection, row: VmtaRow) -> None:
    """What waited for the vMTA has been tried, unless it was switched again meanwhile."""
    same = (vmtas.c.id == row.id, vmtas.c.resumed_at == row.resumed_at)
    await connection.execute(update(vmtas).where(*same).values(resumed_at=None))


async def add(connection: AsyncConnection, row: VmtaRow) -> None:
    """Insert a vMTA."""
    await connection.execute(insert(vmtas).values(**msgspec.structs.asdict(row)))


async def save(connection: AsyncConnection, row: VmtaRow) -> None:
    """Write all of a vMTA."""
    await connection.execute(update(vmtas).where(vmtas.c.id == row.id).values(**msgspec.structs.asdict(row)))


async def retired_version(connection: AsyncConnection, organization_id: str, name: str) -> int:
    """The last version that a deleted vMTA of this name had; 0 if there was none."""
    return await connection.scalar(select(retired_vmtas.c.version).where(*_retired(organization_id, name))) or 0


async def names_of(connection: AsyncConnection, organization_id: str) -> list[str]:
    """Names of the organization's vMTAs."""
    return list(await connection.scalars(select(vmtas.c.name).where(vmtas.c.organization_id == organization_id)))


async def waiting_count(connection: AsyncConnection, row: VmtaRow) -> int:
    """Recipients whose mail must leave from this vMTA and that no node has taken yet."""
    query = (
        select(func.count())
        .select_from(outbox)
        .join(messages, messages.c.id == outbox.c.message_id)
        .where(messages.c.organization_id == row.organization_id, messages.c.vmta == row.name)
    )
    return await connection.scalar(query) or 0


async def last_deferral(connection: AsyncConnection, row: VmtaRow, since: datetime) -> Attempt | None:
    """The last attempt since then from this vMTA that failed for now."""
    query = (
        select(events.c.reply, events.c.occurred_at, events.c.provider)
        .where(
            events.c.type == "message.deferred",
            events.c.organization_id == row.organization_id,
            events.c.vmta == row.name,
            events.c.occurred_at >= since,
        )
        .order_by(events.c.occurred_at.desc())
        .limit(1)
    )
    found = (await connection.execute(query)).mappings().one_or_none()
    return None if found is None else Attempt(**found)


async def retire(connection: AsyncConnection, row: VmtaRow) -> None:
    """Delete a vMTA, and remember the version that its name had."""
    await connection.execute(delete(vmtas).where(vmtas.c.id == row.id))
    await connection.execute(delete(retired_vmtas).where(*_retired(row.organization_id, row.name)))
    values = {"organization_id": row.organization_id, "name": row.name, "version": row.version}
    await connection.execute(insert(retired_vmtas).values(**values))


def _retired(organization_id: str, name: str) -> tuple[Any, ...]:
    return retired_vmtas.c.organization_id == organization_id, retired_vmtas.c.name == name


def _vmta(row: RowMapping) -> VmtaRow:
    return msgspec.convert({name: row[name] for name in VmtaRow.__struct_fields__}, VmtaRow)
