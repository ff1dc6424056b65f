"""The delivery log: what was sent, what was answered; sending once more, and sending a test."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from postmta_ctl.core import event_types
from postmta_ctl.core.ids import is_id, new_id
from postmta_ctl.errors import Conflict, NotFound
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.webhooks import queries, service
from postmta_ctl.features.webhooks.outbox_queries import PENDING
from postmta_ctl.features.webhooks.payloads import TestData, payload
from postmta_ctl.features.webhooks.queries import AttemptRow, DeliveryRow, WebhookRow
from postmta_ctl.features.webhooks.schemas import Delivery, DeliveryAttempt
from postmta_ctl.features.webhooks.sending import attempt
from postmta_ctl.store.paging import Page, PageRequest
from postmta_ctl.system import System


async def list_deliveries(
    system: System, principal: Principal, webhook_id: str, paging: PageRequest, *, status: str | None, kind: str | None
) -> Page[Delivery]:
    """The deliveries to an endpoint, newest first, each with its attempts.

    Raises:
        NotFound: The organization has no such endpoint.
    """
    async with system.db.reading() as connection:
        webhook = await service.find(connection, principal, webhook_id)
        rows = await queries.page_of_deliveries(connection, webhook.id, paging, status=status, kind=kind)
        attempts = await queries.attempts_of(connection, [row.id for row in rows])
    return paging.page([_shown(row, attempts[row.id]) for row in rows])


async def replay(system: System, principal: Principal, webhook_id: str, delivery_id: str) -> Delivery:
    """Send a delivery once more, with the same id and body, and the whole schedule of retries before it.

    Raises:
        NotFound: The organization has no such endpoint, or it no such delivery.
        Conflict: The endpoint is disabled, or an attempt is under way.
    """
    now = system.now()
    async with system.db.transaction() as connection:
        webhook = await service.find(connection, principal, webhook_id)
        found = (
            await queries.delivery_by_id(connection, webhook.id, delivery_id, lock=True) if is_id(delivery_id) else None
        )
        if found is None:
            raise NotFound("There is no such delivery.")
        _check_replay(webhook, found, now)
        await queries.save_delivery(connection, found.id, status=PENDING, step=0, due_at=now, finished_at=None)
        await audit.record(
            connection,
            principal,
            "webhook.delivery_replayed",
            webhook.id,
            before={"delivery_id": found.id, "status": found.status},
            after={"delivery_id": found.id, "status": PENDING},
            now=now,
        )
        attempts = (await queries.attempts_of(connection, [found.id]))[found.id]
    again = msgspec.structs.replace(found, status=PENDING, step=0, due_at=now, finished_at=None)
    return _shown(again, attempts)


def _check_replay(webhook: WebhookRow, delivery: DeliveryRow, now: datetime) -> None:
    if not webhook.enabled:
        raise Conflict("The webhook is disabled; enable it first.", code="webhook_disabled")
    if delivery.lease_owner is not None and delivery.due_at is not None and delivery.due_at > now:
        raise Conflict("An attempt is under way.", code="delivery_under_way")


async def send_test(system: System, principal: Principal, webhook_id: str) -> Delivery:
    """Send a test event at once, to a disabled endpoint too, and say what came of it. It is not tried again.

    Raises:
        NotFound: The organization has no such endpoint, or has it no more when the answer is there.
    """
    async with system.db.reading() as connection:
        webhook = await service.find(connection, principal, webhook_id)
    now = system.now()
    data = TestData(webhook_id=webhook.id, requested_by=principal.name)
    row = DeliveryRow(
        id=new_id(now),
        webhook_id=webhook.id,
        organization_id=webhook.organization_id,
        type=event_types.TEST,
        payload=payload(event_types.TEST, now, data),
        status=PENDING,
        created_at=now,
    )
    made = await attempt(system, webhook, row.id, row.payload)
    status = "succeeded" if made.verdict(step=0, chance=0).status == "succeeded" else "failed"
    row = msgspec.structs.replace(row, status=status, attempts=1, finished_at=system.now())
    async with system.db.transaction() as connection:
        await service.find(connection, principal, webhook_id, lock=True)
        await queries.add_delivery(connection, row)
        await queries.add_attempts(connection, [made.row])
    return _shown(row, [made.row])


def _shown(row: DeliveryRow, attempts: Sequence[AttemptRow]) -> Delivery:
    return Delivery(
        id=row.id,
        webhook_id=row.webhook_id,
        type=row.type,
        status=row.status,  # type: ignore[arg-type]
        payload=msgspec.json.decode(row.payload),
        attempts=[_shown_attempt(one) for one in attempts],
        next_attempt_at=row.due_at,
        finished_at=row.finished_at,
        created_at=row.created_at,
    )


def _shown_attempt(row: AttemptRow) -> DeliveryAttempt:
    return DeliveryAttempt(
        at=row.at,
        url=row.url,
        request_headers=row.headers,
        status_code=row.status_code,
        response_body=row.body.decode("utf-8", "replace"),
        error=row.error,  # type: ignore[arg-type]
        detail=row.detail,
        duration_ms=row.milliseconds,
    )
