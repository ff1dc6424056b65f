"""What webhooks and the organization's events are told of blocks."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.features.security.auto_block.block_queries import BlockRow
from postmta_ctl.features.webhooks.delivery_queries import insert_notice
from postmta_ctl.features.webhooks.outbox import Happening, announce
from postmta_ctl.system import System

OPENED = "security.block_opened"
RESOLVED = "security.block_resolved"


class BlockData(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``data`` of both events."""

    block_id: str
    rule_id: str | None
    rule_name: str
    metric: str
    scope: str
    value: str
    action: str
    rate: float
    threshold: float
    count: int
    volume: int
    window_start: datetime
    window_end: datetime
    expires_at: datetime | None
    end_reason: str | None = None
    """``resolved``, ``expired`` or ``rule_deleted``."""
    ended_by: str | None = None
    note: str | None = None


async def tell(system: System, connection: AsyncConnection, kind: str, row: BlockRow, now: datetime) -> None:
    """Keep the event and plan its deliveries, in the transaction of what happened."""
    known = {name: getattr(row, name) for name in BlockData.__struct_fields__ if name not in ("block_id", "rate")}
    data = BlockData(block_id=row.id, rate=row.count / row.volume, **known)
    details = msgspec.to_builtins(data)
    await insert_notice(connection, row.organization_id, kind, details, key=system.random(16), now=now)
    await announce(connection, [Happening(organization_id=row.organization_id, type=kind, at=now, data=data)], now)
