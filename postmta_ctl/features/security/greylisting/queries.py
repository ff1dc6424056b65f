"""SQL of greylisting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Select, Subquery, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.compiler.model import Greylisting
from postmta_ctl.core.greylisting import Outcome
from postmta_ctl.core.periods import Period
from postmta_ctl.store.tables import events, greylisting_config, greylisting_counts

THE_ONE = 1
MAX_GROUPS = 100


class ConfigRow(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration, and who set it."""

    config: Greylisting
    updated_by: str
    updated_at: datetime


class ReceiversRow(msgspec.Struct, frozen=True, kw_only=True):
    """How a group of receivers put off our mail."""

    name: str
    deferrals: int
    recipients: int
    delivered: int
    median_wait: int | None
    """Microseconds from the first deferral of a recipient to the delivery."""


async def config(connection: AsyncConnection) -> ConfigRow | None:
    """What was set; None: nothing yet."""
    query = select(*(greylisting_config.c[name] for name in ConfigRow.__struct_fields__))
    query = query.where(greylisting_config.c.id == THE_ONE)
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        return None
    return msgspec.convert({name: row[name] for name in ConfigRow.__struct_fields__}, ConfigRow)


async def in_policy(connection: AsyncConnection) -> Greylisting:
    """What the policy is rendered with: off unless it was switched on."""
    row = await config(connection)
    return row.config if row else Greylisting()


async def set_config(connection: AsyncConnection, row: ConfigRow) -> None:
    """Set it."""
    insert = _dialect(connection).insert(greylisting_config)
    values = {name: getattr(row, name) for name in ConfigRow.__struct_fields__}
    statement = insert.values(id=THE_ONE, **values).on_conflict_do_update(index_elements=["id"], set_=values)
    await connection.execute(statement)


async def count(connection: AsyncConnection, found: Iterable[tuple[datetime, str, Outcome]]) -> None:
    """Add outcomes, each with the hour and the node, to the counts."""
    tally = Counter(found)
    if not tally:
        return
    insert = _dialect(connection).insert(greylisting_counts)
    added = {"count": greylisting_counts.c.count + insert.excluded["count"]}
    statement = insert.on_conflict_do_update(index_elements=["hour", "node", "outcome"], set_=added)
    names = ("hour", "node", "outcome")
    rows = [dict(zip(names, key, strict=True), count=number) for key, number in sorted(tally.items())]
    await connection.execute(statement, rows)


async def counts(connection: AsyncConnection, period: Period) -> list[tuple[datetime, Outcome, int]]:
    """Hour, outcome and count, over all nodes."""
    table = greylisting_counts.c
    total = func.sum(table["count"]).cast(BigInteger)
    query = (
        select(table.hour, table.outcome, total)
        .where(table.hour >= period.start, table.hour < period.end)
        .group_by(table.hour, table.outcome)
        .order_by(table.hour, table.outcome)
    )
    return [tuple(row) for row in await connection.execute(query)]


async def receivers(
    connection: AsyncConnection, organization_id: str, period: Period, by: Literal["provider", "domain"] | None
) -> list[ReceiversRow]:
    """How receivers put off the organization's mail, the most deferrals first; without ``by`` one row of all."""
    waits = _waits(connection, organization_id, period, by)
    place = func.row_number().over(partition_by=waits.c.name, order_by=(waits.c.wait.is_(None), waits.c.wait))
    delivered = func.count(waits.c.wait).over(partition_by=waits.c.name)
    ranked = select(waits, place.label("place"), delivered.label("delivered")).subquery()
    # Of an even number the upper one of the two in the middle.
    middle = func.max(ranked.c.wait).filter(ranked.c.place == ranked.c.delivered // 2 + 1)
    query = (
        select(
            ranked.c.name,
            func.sum(ranked.c.deferrals).cast(BigInteger).label("deferrals"),
            func.count().label("recipients"),
            func.max(ranked.c.delivered).label("delivered"),
            middle.label("median_wait"),
        )
        .group_by(ranked.c.name)
        .order_by(func.sum(ranked.c.deferrals).desc(), ranked.c.name)
        .limit(MAX_GROUPS)
    )
    return [ReceiversRow(**row) for row in (await connection.execute(query)).mappings()]


def _waits(connection: AsyncConnection, organization_id: str, period: Period, by: str | None) -> Subquery:
    """For each recipient that was put off: the group, how often, and how long until the delivery, if there was one."""
    first = _first(connection, organization_id, period, by).subquery()
    delivery = events.alias("delivery")
    wait = func.min(_micros(delivery.c.occurred_at)) - first.c.since
    return (
        select(first.c.name, first.c.deferrals, wait.label("wait"))
        .join_from(
            first,
            delivery,
            (delivery.c.recipient_id == first.c.recipient_id)
            & (delivery.c.type == "message.delivered")
            & (_micros(delivery.c.occurred_at) >= first.c.since),
            isouter=True,
        )
        .group_by(first.c.recipient_id, first.c.name, first.c.deferrals, first.c.since)
        .subquery()
    )


def _first(connection: AsyncConnection, organization_id: str, period: Period, by: str | None) -> Select[Any]:
    return (
        select(
            events.c.recipient_id,
            func.max(_group(connection, by)).label("name"),
            func.count().label("deferrals"),
            func.min(_micros(events.c.occurred_at)).label("since"),
        )
        .where(
            events.c.organization_id == organization_id,
            events.c.bounce_class == "greylisted",
            events.c.type == "message.deferred",
            events.c.occurred_at >= period.start,
            events.c.occurred_at < period.end,
            events.c.recipient_id.is_not(None),
        )
        .group_by(events.c.recipient_id)
    )


def _group(connection: AsyncConnection, by: str | None) -> ColumnElement[str]:
    if by is None:
        return func.coalesce(None, "")
    if by == "provider":
        return func.coalesce(events.c.provider, "other")
    position = func.instr if connection.dialect.name == "sqlite" else func.strpos
    return func.lower(func.substr(events.c.recipient, position(events.c.recipient, "@") + 1))


def _micros(moment: ColumnElement[Any]) -> ColumnElement[int]:
    # Moments are kept as microseconds; a difference of two is no moment.
    return moment.cast(BigInteger)


def _dialect(connection: AsyncConnection) -> Any:
    return sqlite if connection.dialect.name == "sqlite" else postgresql
