"""The rules that an organization begins with."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.auto_block import Action, Metric, Scope
from postmta_ctl.core.ids import new_id
from postmta_ctl.features.security.auto_block import queries
from postmta_ctl.features.security.auto_block.queries import RuleRow

_DEFAULTS = (
    # 0.3 % is where Gmail and Yahoo begin to refuse bulk senders: Google's "Email sender guidelines", section "Spam
    # rate"; Yahoo Sender Hub, "Sender requirements and recommendations".
    ("Complaints about a sending domain", Metric.COMPLAINT_RATE, Scope.DOMAIN, 24 * 60, 0.003, 1000),
    ("Hard bounces of a sending domain", Metric.HARD_BOUNCE_RATE, Scope.DOMAIN, 24 * 60, 0.05, 500),
    ("Refused as spam by a provider", Metric.SPAM_BLOCK_RATE, Scope.PROVIDER, 60, 0.2, 200),
    ("Refused as spam from a vMTA", Metric.SPAM_BLOCK_RATE, Scope.VMTA, 60, 0.2, 200),
)


async def add_defaults(connection: AsyncConnection, organization_id: str, now: datetime) -> None:
    """Give a new organization rules to begin with. They are on, and only tell: nobody's mail is stopped unasked."""
    rows = [
        RuleRow(
            id=new_id(now),
            organization_id=organization_id,
            name=name,
            metric=metric,
            scope=scope,
            window_minutes=window_minutes,
            threshold=threshold,
            minimum_volume=minimum_volume,
            action=Action.NOTIFY,
            block_minutes=24 * 60,
            enabled=True,
            updated_at=now,
            created_at=now,
        )
        for name, metric, scope, window_minutes, threshold, minimum_volume in _DEFAULTS
    ]
    await queries.add_rules(connection, rows)
