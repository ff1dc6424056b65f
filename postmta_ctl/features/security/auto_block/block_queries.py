"""SQL of blocks, and of what they do."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Subquery, exists, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.auto_block import Action
from postmta_ctl.core.log_events import domain_of
from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.tables import (
    auto_block_queues,
    auto_block_rules,
    auto_blocks,
    events,
    organizations,
    outbox,
    queue_holds,
    vmtas,
)

MAX_DOMAINS = 1000
"""Recipient domains of a provider that a block remembers."""
_LOOKED_AT = 20_000
"""Events that are searched for them, newest first."""
_LOOKED_AT_EACH_TURN = 5_000


class BlockRow(msgspec.Struct, frozen=True, kw_only=True):
    """A block: what the rule was, the numbers, and how it ended."""

    id: str
    organization_id: str
    rule_id: str | None
    rule_name: str
    metric: str
    scope: str
    value: str
    action: str
    threshold: float
    count: int
    volume: int
    window_start: datetime
    window_end: datetime
    recipient_domains: list[str] = []
    paused_vmta_id: str | None = None
    expires_at: datetime | None
    ended_at: datetime | None = None
    end_reason: str | None = None
    ended_by: str | None = None
    note: str | None = None
    created_at: datetime


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """What of a block the relay and the holds need to know."""

    id: str
    organization_id: str
    organization: str
    """Slug."""
    rule_name: str
    scope: str
    value: str
    action: str
    recipient_domains: list[str]
    window_start: datetime


_B = auto_blocks.c
_ACTIVE = _B.ended_at.is_(None)
_BLOCK = select(*(_B[name] for name in BlockRow.__struct_fields__))


def _rows(rows: Any) -> list[BlockRow]:
    return [BlockRow(**row) for row in rows.mappings()]


async def add(connection: AsyncConnection, row: BlockRow) -> bool:
    """Insert a block; false when there is one of its rule and value that is active, or ended after the window began.

    The rule is locked first, so that of several who evaluate it at once the second sees what the first did.
    """
    rule = select(auto_block_rules.c.id).where(auto_block_rules.c.id == row.rule_id, auto_block_rules.c.enabled)
    if await connection.scalar(rule.with_for_update()) is None:
        return False
    later = exists().where(_B.rule_id == row.rule_id, _B.value == row.value, _B.ended_at > row.window_start)
    if await connection.scalar(select(later)):
        return False
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(auto_blocks).values(**msgspec.structs.asdict(row)).on_conflict_do_nothing()
    return (await connection.execute(statement.returning(_B.id))).first() is not None


async def set_paused_vmta(connection: AsyncConnection, block_id: str, vmta_id: str) -> None:
    """Note that the block paused this vMTA."""
    await connection.execute(update(auto_blocks).where(_B.id == block_id).values(paused_vmta_id=vmta_id))


async def other_active(connection: AsyncConnection, block: BlockRow) -> str | None:
    """Id of another active block that stops the same."""
    query = select(_B.id).where(
        _B.organization_id == block.organization_id,
        _B.scope == block.scope,
        _B.value == block.value,
        _B.action != Action.NOTIFY,
        _B.id != block.id,
        _ACTIVE,
    )
    found: str | None = await connection.scalar(query.order_by(_B.id).limit(1))
    return found


async def vmta_id(connection: AsyncConnection, organization_id: str, name: str) -> str | None:
    """The organization's vMTA of this name."""
    query = select(vmtas.c.id).where(vmtas.c.organization_id == organization_id, vmtas.c.name == name)
    found: str | None = await connection.scalar(query)
    return found


async def pause_authors(connection: AsyncConnection, vmta_ids: Collection[str]) -> dict[str, str | None]:
    """Who paused each of these vMTAs; None: it is not paused."""
    query = select(vmtas.c.id, vmtas.c.paused_by).where(vmtas.c.id.in_(vmta_ids))
    return {row.id: row.paused_by for row in await connection.execute(query)}


async def end(connection: AsyncConnection, block_id: str, **values: Any) -> bool:
    """End a block; false when it is over already."""
    statement = update(auto_blocks).where(_B.id == block_id, _ACTIVE).values(**values)
    return (await connection.execute(statement)).rowcount == 1


async def by_id(
    connection: AsyncConnection, block_id: str, organization_id: str | None, *, lock: bool = False
) -> BlockRow | None:
    """The block of this id, of one organization or of whichever."""
    query = _BLOCK.where(_B.id == block_id)
    if organization_id is not None:
        query = query.where(_B.organization_id == organization_id)
    found = _rows(await connection.execute(query.with_for_update() if lock else query))
    return found[0] if found else None


async def page(
    connection: AsyncConnection, organization_id: str | None, paging: PageRequest, *, active: bool
) -> list[BlockRow]:
    """One page of the blocks that are active, or of those that are over; and one more."""
    query = _BLOCK.where(_ACTIVE if active else _B.ended_at.is_not(None))
    if organization_id is not None:
        query = query.where(_B.organization_id == organization_id)
    return _rows(await connection.execute(paging.apply(query, _B.id)))


async def active_of_rule(connection: AsyncConnection, rule_id: str) -> list[BlockRow]:
    """The active blocks of a rule."""
    return _rows(await connection.execute(_BLOCK.where(_B.rule_id == rule_id, _ACTIVE).with_for_update()))


async def expired(connection: AsyncConnection, now: datetime, limit: int) -> list[BlockRow]:
    """Active blocks whose time is over."""
    query = _BLOCK.where(_ACTIVE, _B.expires_at <= now).order_by(_B.expires_at).limit(limit)
    return _rows(await connection.execute(query.with_for_update(skip_locked=True)))


async def ends(
    connection: AsyncConnection, rule_ids: Collection[str], since: datetime
) -> dict[tuple[str, str], datetime | None]:
    """By rule and value: None where a block is active, else when the last one ended, if that was since then."""
    query = select(_B.rule_id, _B.value, _B.ended_at).where(_B.rule_id.in_(rule_ids), _ACTIVE | (_B.ended_at > since))
    found: dict[tuple[str, str], datetime | None] = {}
    for row in await connection.execute(query.order_by(_B.ended_at)):
        key = (row.rule_id, row.value)
        found[key] = None if row.ended_at is None or (key in found and found[key] is None) else row.ended_at
    return found


async def count_active(connection: AsyncConnection, organization_id: str | None = None) -> dict[str, int]:
    """Active blocks by action, of one organization or of all."""
    query = select(_B.action, func.count().label("blocks")).where(_ACTIVE).group_by(_B.action)
    if organization_id is not None:
        query = query.where(_B.organization_id == organization_id)
    return {row.action: row.blocks for row in await connection.execute(query)}


async def stops(
    connection: AsyncConnection, organization_ids: Collection[str] | None = None, *, actions: Collection[str]
) -> list[Stop]:
    """The active blocks with these actions, oldest first; of some organizations, or of all."""
    names = [name for name in Stop.__struct_fields__ if name != "organization"]
    query = select(*(_B[name] for name in names), organizations.c.slug.label("organization"))
    query = query.join_from(auto_blocks, organizations).where(_ACTIVE, _B.action.in_(actions)).order_by(_B.id)
    if organization_ids is not None:
        query = query.where(_B.organization_id.in_(organization_ids))
    return [Stop(**row) for row in (await connection.execute(query)).mappings()]


async def recipient_domains(
    connection: AsyncConnection, organization_id: str, provider: str, since: datetime
) -> list[str]:
    """The domains whose mail went to this provider, by the organization's latest events."""
    newest = _newest(organization_id, since, _LOOKED_AT)
    rows = await connection.scalars(select(newest.c.recipient).where(newest.c.provider == provider).distinct())
    return sorted({domain_of((one or "").partition(", ")[0]) for one in rows} - {""})[:MAX_DOMAINS]


async def used_queues(connection: AsyncConnection, organization_id: str, since: datetime) -> list[str]:
    """The queues that the organization's latest events name."""
    newest = _newest(organization_id, since, _LOOKED_AT_EACH_TURN)
    return sorted(await connection.scalars(select(newest.c.queue).where(newest.c.queue.is_not(None)).distinct()))


def _newest(organization_id: str, since: datetime, limit: int) -> Subquery:
    mine = (events.c.organization_id == organization_id, events.c.occurred_at >= since)
    query = select(events.c.recipient, events.c.provider, events.c.queue).where(*mine)
    return query.order_by(events.c.occurred_at.desc()).limit(limit).subquery()


async def waiting_here(connection: AsyncConnection, block_ids: Collection[str]) -> dict[str, int]:
    """How many recipients each block keeps here."""
    query = select(outbox.c.block_id, func.count().label("recipients")).where(outbox.c.block_id.in_(block_ids))
    return {row.block_id: row.recipients for row in await connection.execute(query.group_by(outbox.c.block_id))}


async def let_go(connection: AsyncConnection, block_id: str, now: datetime) -> None:
    """What the block keeps here may leave at once."""
    kept = update(outbox).where(outbox.c.block_id == block_id)
    await connection.execute(kept.values(due_at=now, block_id=None, last_error=None))


async def held_queues(connection: AsyncConnection, block_ids: Collection[str]) -> dict[str, list[tuple[str, bool]]]:
    """The queues that each block held, and whether it still holds them."""
    hold = queue_holds
    is_held = (hold.c.queue == auto_block_queues.c.queue) & (hold.c.block_id == auto_block_queues.c.block_id)
    query = (
        select(auto_block_queues, hold.c.id.label("hold_id"))
        .outerjoin(hold, is_held & hold.c.released_at.is_(None))
        .where(auto_block_queues.c.block_id.in_(block_ids))
        .order_by(auto_block_queues.c.queue)
    )
    found: dict[str, list[tuple[str, bool]]] = {}
    for row in await connection.execute(query):
        found.setdefault(row.block_id, []).append((row.queue, row.hold_id is not None))
    return found


async def note_queues(connection: AsyncConnection, block_id: str, queues: Sequence[str]) -> None:
    """Note that the block has held these."""
    rows = [{"block_id": block_id, "queue": one} for one in queues]
    await connection.execute(insert(auto_block_queues), rows)


async def release_holds(connection: AsyncConnection, block_id: str, now: datetime) -> None:
    """The holds that the block made are no longer wanted; those changed by hand since then are not the block's."""
    mine = (queue_holds.c.block_id == block_id, queue_holds.c.released_at.is_(None))
    await connection.execute(update(queue_holds).where(*mine).values(released_at=now))
