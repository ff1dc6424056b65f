"""SQL of endpoints and of their deliveries, as the API needs them. The delivery job's is in ``delivery_queries``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.tables import webhook_attempts, webhook_deliveries, webhooks


class WebhookRow(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint."""

    id: str
    organization_id: str
    url: str
    description: str
    events: list[str] | None
    enabled: bool
    disabled_reason: str | None
    sealed_secret: bytes
    sealed_previous_secret: bytes | None
    previous_secret_expires_at: datetime | None
    failing_since: datetime | None
    updated_at: datetime
    created_at: datetime


class DeliveryRow(msgspec.Struct, frozen=True, kw_only=True):
    """An event on its way to an endpoint, or there."""

    id: str
    webhook_id: str
    organization_id: str
    type: str
    payload: bytes
    status: str
    attempts: int = 0
    step: int = 0
    due_at: datetime | None = None
    lease_owner: str | None = None
    finished_at: datetime | None = None
    created_at: datetime


class AttemptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One request and what came of it."""

    delivery_id: str
    at: datetime
    url: str
    headers: dict[str, str]
    status_code: int | None
    body: bytes
    error: str | None
    detail: str | None
    milliseconds: int


_WEBHOOK = select(*(webhooks.c[name] for name in WebhookRow.__struct_fields__)).where(webhooks.c.deleted_at.is_(None))
_DELIVERY = select(*(webhook_deliveries.c[name] for name in DeliveryRow.__struct_fields__))
_ATTEMPT = select(*(webhook_attempts.c[name] for name in AttemptRow.__struct_fields__))


async def by_id(
    connection: AsyncConnection, organization_id: str, webhook_id: str, *, lock: bool = False
) -> WebhookRow | None:
    """An endpoint of the organization; ``lock`` keeps others from changing it until the transaction ends."""
    query = _WEBHOOK.where(webhooks.c.id == webhook_id, webhooks.c.organization_id == organization_id)
    # The key stays as it is, so events may still be written for the endpoint meanwhile.
    query = query.with_for_update(key_share=True) if lock else query
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else WebhookRow(**row)


async def of_organization(connection: AsyncConnection, organization_id: str, paging: PageRequest) -> list[WebhookRow]:
    """One page of the organization's endpoints, and one more."""
    query = paging.apply(
        _WEBHOOK.where(webhooks.c.organization_id == organization_id), webhooks.c.id, url=webhooks.c.url
    )
    return [WebhookRow(**row) for row in (await connection.execute(query)).mappings()]


async def count(connection: AsyncConnection, organization_id: str) -> int:
    """How many endpoints the organization has."""
    query = select(func.count()).select_from(webhooks)
    found = query.where(webhooks.c.organization_id == organization_id, webhooks.c.deleted_at.is_(None))
    return await connection.scalar(found) or 0


async def add(connection: AsyncConnection, row: WebhookRow) -> None:
    """Insert an endpoint."""
    await connection.execute(insert(webhooks).values(**msgspec.structs.asdict(row)))


async def save(connection: AsyncConnection, row: WebhookRow) -> None:
    """Write all that can change of an endpoint."""
    values = msgspec.structs.asdict(row)
    await connection.execute(update(webhooks).where(webhooks.c.id == values.pop("id")).values(**values))


async def hide(connection: AsyncConnection, webhook_id: str, now: datetime) -> None:
    """Delete an endpoint, as far as anybody can see. Its secrets are gone at once."""
    values = {"deleted_at": now, "enabled": False, "sealed_secret": b"", "sealed_previous_secret": None}
    await connection.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(**values))


async def page_of_deliveries(
    connection: AsyncConnection, webhook_id: str, paging: PageRequest, *, status: str | None, kind: str | None
) -> list[DeliveryRow]:
    """One page of an endpoint's deliveries, and one more."""
    query = _DELIVERY.where(webhook_deliveries.c.webhook_id == webhook_id)
    if status is not None:
        query = query.where(webhook_deliveries.c.status == status)
    if kind is not None:
        query = query.where(webhook_deliveries.c.type == kind)
    rows = await connection.execute(
        paging.apply(query, webhook_deliveries.c.id, type=webhook_deliveries.c.type, status=webhook_deliveries.c.status)
    )
    return [DeliveryRow(**row) for row in rows.mappings()]


async def delivery_by_id(
    connection: AsyncConnection, webhook_id: str, delivery_id: str, *, lock: bool = False
) -> DeliveryRow | None:
    """A delivery of the endpoint."""
    query = _DELIVERY.where(webhook_deliveries.c.id == delivery_id, webhook_deliveries.c.webhook_id == webhook_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    return None if row is None else DeliveryRow(**row)


async def attempts_of(connection: AsyncConnection, delivery_ids: Collection[str]) -> dict[str, list[AttemptRow]]:
    """The attempts of each of these deliveries, the first one first."""
    query = _ATTEMPT.where(webhook_attempts.c.delivery_id.in_(delivery_ids)).order_by(webhook_attempts.c.id)
    found: dict[str, list[AttemptRow]] = {one: [] for one in delivery_ids}
    for row in (await connection.execute(query)).mappings():
        found[row["delivery_id"]].append(AttemptRow(**row))
    return found


async def add_delivery(connection: AsyncConnection, row: DeliveryRow) -> None:
    """Insert a delivery."""
    await connection.execute(insert(webhook_deliveries).values(**msgspec.structs.asdict(row)))


async def save_delivery(connection: AsyncConnection, delivery_id: str, **values: Any) -> None:
    """Change a delivery."""
    changed = update(webhook_deliveries).where(webhook_deliveries.c.id == delivery_id)
    await connection.execute(changed.values(**values))


async def add_attempts(connection: AsyncConnection, rows: Sequence[AttemptRow]) -> None:
    """Insert attempts."""
    await connection.execute(insert(webhook_attempts), [msgspec.structs.asdict(row) for row in rows])
