"""What customers' webhooks are told of domains."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.features.domains.queries import DomainRow
from postmta_ctl.features.webhooks.outbox import Happening
from postmta_ctl.features.webhooks.outbox import announce as plan_deliveries


class RecordData(msgspec.Struct, frozen=True, kw_only=True):
    """A DNS record and what became of it."""

    type: str
    name: str
    value: str
    verdict: str | None
    """None: it was not looked up yet."""


class DomainData(msgspec.Struct, frozen=True, kw_only=True):
    """``data`` of ``domain.verified``, ``domain.unverified`` and ``domain.dns_changed``."""

    domain_id: str
    domain: str
    status: str
    changed: list[RecordData]
    """The records whose verdict is another than before."""


class RotationData(msgspec.Struct, frozen=True, kw_only=True):
    """``data`` of the ``domain.dkim_rotation_…`` events."""

    domain_id: str
    domain: str
    rotation_id: str
    state: str
    publish: list[RecordData]
    """Records that must be in DNS from now on."""
    remove: list[RecordData]
    """Records that nothing needs any more."""


async def announce(
    connection: AsyncConnection, row: DomainRow, events: Sequence[tuple[str, msgspec.Struct]], now: datetime
) -> None:
    """Tell the organization's endpoints, as part of the transaction in which it happens."""
    happened = [Happening(organization_id=row.organization_id, type=kind, at=now, data=data) for kind, data in events]
    await plan_deliveries(connection, happened, now)


def record(shown: Any, verdict: str | None) -> RecordData:
    """A record, by its ``type``, ``name`` and ``value``."""
    return RecordData(type=shown.type, name=shown.name, value=shown.value, verdict=verdict)
