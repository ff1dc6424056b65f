"""What the relay keeps here because a block stops it (:mod:`postmta_ctl.features.security.auto_block`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.auto_block import Action
from postmta_ctl.features.messages.lease_queries import Leased
from postmta_ctl.features.messages.relay_queries import keep_here
from postmta_ctl.features.security.auto_block.block_queries import Stop, stops
from postmta_ctl.features.security.auto_block.coverage import covers_recipient

LOOK_AGAIN = timedelta(minutes=10)
"""The end of a block sets free what it keeps. A lease that overlaps with it keeps its recipients for this long."""


async def without_blocked(connection: AsyncConnection, held: Sequence[Leased], now: datetime) -> list[Leased]:
    """Those that no block stops, in the relay's own transaction; the others wait here, with the reason."""
    whose = {one.organization_id for one in held}
    active = await stops(connection, whose, actions=[Action.PAUSE, Action.HOLD]) if held else []
    if not active:
        return list(held)
    found = [(one, _stop(active, one)) for one in held]
    kept = [
        {
            "rid": one.recipient_id,
            "due": now + LOOK_AGAIN,
            "block": stop.id,
            "words": f"kept here by the block {stop.id} of the rule {stop.rule_name}",
        }
        for one, stop in found
        if stop is not None
    ]
    await keep_here(connection, kept)
    return [one for one, stop in found if stop is None]


def _stop(active: Sequence[Stop], one: Leased) -> Stop | None:
    def covers(stop: Stop) -> bool:
        return covers_recipient(
            stop, organization_id=one.organization_id, domain=one.domain, address=one.address, vmta=one.vmta
        )

    return next(filter(covers, active), None)
