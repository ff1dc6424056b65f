"""SQL of the delivery job: find out for whom something is due, lease it, and settle what became of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Select, bindparam, delete, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.features.webhooks.queries import WebhookRow
from postmta_ctl.store.tables import events, webhook_deliveries, webhooks

_D = webhook_deliveries.c


class Leased(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that this process has to itself until the lease ends."""

    id: str
    step: int
    payload: bytes
    webhook: WebhookRow


async def endpoints_with_work(connection: AsyncConnection, now: datetime) -> list[WebhookRow]:
    """The enabled endpoints for which something is due: one look into an index for each, however much waits."""
    return [WebhookRow(**row) for row in (await connection.execute(_WITH_WORK, {"now": now})).mappings()]


def _with_work() -> Select[Any]:
    """While nothing at all is due, which the first condition tells without an endpoint, no endpoint is looked at."""
    now = bindparam("now", type_=_D.due_at.type)
    anything = exists(select(_D.id).where(_D.due_at <= now))
    something = exists(select(_D.id).where(_D.webhook_id == webhooks.c.id, _D.due_at <= now))
    columns = (webhooks.c[name] for name in WebhookRow.__struct_fields__)
    return select(*columns).where(anything, webhooks.c.enabled, webhooks.c.deleted_at.is_(None), something)


_WITH_WORK = _with_work()
"""Asked ten times a second, also by a service that has nothing to do."""


async def lease(
    connection: AsyncConnection, webhook: WebhookRow, owner: str, *, now: datetime, until: datetime, limit: int
) -> list[Leased]:
    """Take up to ``limit`` due deliveries of an endpoint, those that have waited longest first.

    A lease is a due time in the future: it ends by itself. PostgreSQL passes over rows that another process is
    taking; SQLite has one writer anyway.
    """
    due = select(_D.id).where(_D.webhook_id == webhook.id, _D.due_at <= now).order_by(_D.due_at, _D.id).limit(limit)
    taken = (
        update(webhook_deliveries)
        .where(_D.id.in_(due.with_for_update(skip_locked=True)))
        .values(lease_owner=owner, due_at=until)
        .returning(_D.id, _D.step, _D.payload)
    )
    rows = await connection.execute(taken)
    return [Leased(id=row.id, step=row.step, payload=row.payload, webhook=webhook) for row in rows]


async def still_held(connection: AsyncConnection, delivery_ids: Collection[str], owner: str) -> set[str]:
    """Which of these are there and leased by this process, locked in the order of their ids."""
    query = select(_D.id).where(_D.id.in_(delivery_ids), _D.lease_owner == owner).order_by(_D.id)
    return set(await connection.scalars(query.with_for_update()))


async def settle(connection: AsyncConnection, settled: Sequence[Mapping[str, Any]]) -> None:
    """Note what became of deliveries: each with ``the_id``, ``new_status``, ``due`` and ``finished``."""
    statement = (
        update(webhook_deliveries)
        .where(_D.id == bindparam("the_id"))
        .values(
            status=bindparam("new_status"),
            due_at=bindparam("due"),
            finished_at=bindparam("finished"),
            attempts=_D.attempts + 1,
            step=_D.step + 1,
            lease_owner=None,
        )
    )
    await connection.execute(statement, [dict(one) for one in settled])


async def lock_endpoints(connection: AsyncConnection, webhook_ids: Collection[str]) -> list[WebhookRow]:
    """These endpoints as they are now, locked in the order of their ids."""
    columns = (webhooks.c[name] for name in WebhookRow.__struct_fields__)
    query = select(*columns).where(webhooks.c.id.in_(webhook_ids), webhooks.c.deleted_at.is_(None))
    locked = query.order_by(webhooks.c.id).with_for_update(key_share=True)
    return [WebhookRow(**row) for row in (await connection.execute(locked)).mappings()]


async def set_health(connection: AsyncConnection, row: WebhookRow) -> None:
    """Write since when an endpoint has been failing, and whether it still is enabled."""
    values = {"failing_since": row.failing_since, "enabled": row.enabled, "disabled_reason": row.disabled_reason}
    await connection.execute(update(webhooks).where(webhooks.c.id == row.id).values(**values))


async def insert_notice(
    connection: AsyncConnection, organization_id: str, kind: str, details: dict[str, Any], *, key: bytes, now: datetime
) -> None:
    """Note in the organization's events what the system did by itself."""
    values = {
        "dedupe_key": key,
        "organization_id": organization_id,
        "type": kind,
        "record_type": "Notice",
        "occurred_at": now,
        "received_at": now,
        "node": "",
        "details": details,
    }
    await connection.execute(insert(events).values(**values))


async def forget(connection: AsyncConnection, oldest_id: str, limit: int) -> int:
    """Remove up to ``limit`` deliveries that are older than an id, or of deleted endpoints; then those endpoints.

    Returns how many deliveries were removed.
    """
    hidden = select(webhooks.c.id).where(webhooks.c.deleted_at.is_not(None))
    old = select(_D.id).where(_D.id < oldest_id).order_by(_D.id).limit(limit)
    orphaned = select(_D.id).where(_D.webhook_id.in_(hidden)).limit(limit)
    gone = 0
    for doomed in (old, orphaned):
        gone += (await connection.execute(delete(webhook_deliveries).where(_D.id.in_(doomed)))).rowcount
    empty = ~exists(select(_D.id).where(_D.webhook_id == webhooks.c.id))
    await connection.execute(delete(webhooks).where(webhooks.c.deleted_at.is_not(None), empty))
    return gone
