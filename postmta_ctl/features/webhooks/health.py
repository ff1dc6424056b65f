"""Since when an endpoint has been failing, and when it is given up.

Written only when it changes: what goes well writes nothing here, so that a busy endpoint's row is no bottleneck.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.webhooks import delivery_queries as queries
from postmta_ctl.features.webhooks.outbox import Happening, announce
from postmta_ctl.features.webhooks.payloads import WebhookDisabledData
from postmta_ctl.features.webhooks.queries import WebhookRow
from postmta_ctl.features.webhooks.sending import Attempt
from postmta_ctl.system import System

log = structlog.get_logger(__name__)

DISABLED = "webhook.disabled"


async def note(system: System, connection: AsyncConnection, attempts: Sequence[Attempt], gone: Collection[str]) -> None:
    """Draw the consequences of attempts for their endpoints.

    Args:
        attempts: That have ended.
        gone: Endpoints that answered 410.
    """
    last_success: dict[str, datetime] = {}
    first_failure: dict[str, datetime] = {}
    for one in sorted(attempts, key=lambda each: each.ended_at):
        if one.is_success:
            last_success[one.webhook.id] = one.ended_at
        else:
            first_failure.setdefault(one.webhook.id, one.ended_at)
    recovered = {one.webhook.id for one in attempts if one.webhook.failing_since and one.webhook.id in last_success}
    changing = {*first_failure.keys() - last_success.keys(), *recovered, *gone}
    if not changing:
        return
    for row in await queries.lock_endpoints(connection, changing):
        since = None if row.id in last_success else row.failing_since or first_failure[row.id]
        now = system.now()
        changed = msgspec.structs.replace(row, failing_since=since)
        reason = _reason(system, changed, is_gone=row.id in gone, now=now)
        if row.enabled and reason:
            await _disable(system, connection, changed, reason)
        elif changed != row:
            await queries.set_health(connection, changed)


def _reason(system: System, row: WebhookRow, *, is_gone: bool, now: datetime) -> str | None:
    if is_gone:
        return "gone"
    patience = timedelta(days=system.settings.webhook_disable_after_days)
    return "failing" if row.failing_since and now - row.failing_since >= patience else None


async def _disable(system: System, connection: AsyncConnection, row: WebhookRow, reason: str) -> None:
    now = system.now()
    await queries.set_health(connection, msgspec.structs.replace(row, enabled=False, disabled_reason=reason))
    data = WebhookDisabledData(webhook_id=row.id, url=row.url, reason=reason, failing_since=row.failing_since or now)
    details = msgspec.to_builtins(data)
    await queries.insert_notice(connection, row.organization_id, DISABLED, details, key=system.random(16), now=now)
    await announce(connection, [Happening(organization_id=row.organization_id, type=DISABLED, at=now, data=data)], now)
    await audit.record(
        connection,
        None,
        DISABLED,
        row.id,
        before={"enabled": True},
        after={"enabled": False} | details,
        now=now,
        organization_id=row.organization_id,
    )
    log.warning("webhook disabled", webhook=row.id, organization=row.organization_id, reason=reason)
