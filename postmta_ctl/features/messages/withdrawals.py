"""What the relay leaves out at the last moment: recipients that were cancelled or suppressed while they waited."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.features.messages import cancel_queries
from postmta_ctl.features.messages.happenings import withdraw
from postmta_ctl.features.messages.lease_queries import Leased
from postmta_ctl.features.suppressions.service import suppressed

FRESH = timedelta(minutes=1)
"""The list was asked when the message was accepted; so soon after it is not asked again."""


async def without_withdrawn(connection: AsyncConnection, held: Sequence[Leased], now: datetime) -> list[Leased]:
    """Those that may still be sent, in the relay's own transaction.

    A recipient whose earlier injection got no answer is left out, too: the wait for a Reception record is over by
    now, so the node does not have it. Should it be there after all, its delivery outranks the status.
    """
    cancelled = await cancel_queries.among(connection, [one.recipient_id for one in held])
    left = [one for one in held if one.recipient_id not in cancelled]
    await withdraw(connection, cancelled, "cancelled", now, cause="cancel")
    blocked = await withdraw_suppressed(connection, [one for one in left if now - one.accepted_at > FRESH], now)
    return [one for one in left if one.recipient_id not in blocked]


async def withdraw_suppressed(connection: AsyncConnection, held: Sequence[Leased], now: datetime) -> set[str]:
    """Withdraw those who are on the list of suppressions; their ids."""
    blocked = await _suppressed(connection, held)
    await withdraw(connection, blocked, "suppressed", now, cause="suppression")
    return blocked


async def _suppressed(connection: AsyncConnection, held: Sequence[Leased]) -> set[str]:
    by_organization: dict[str, dict[str, str]] = {}
    for one in held:
        by_organization.setdefault(one.organization_id, {})[one.recipient_id] = one.address.lower()
    blocked: set[str] = set()
    for organization_id, keys in by_organization.items():
        found = await suppressed(connection, organization_id, set(keys.values()))
        blocked |= {rid for rid, key in keys.items() if key in found}
    return blocked
