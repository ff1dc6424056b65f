"""What receivers answer to warming vMTAs, counted in the transaction that keeps the events.

Established vMTAs cost nothing here but one look whether they are warming.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.providers import OTHER
from postmta_ctl.core.rollups import ATTEMPTS
from postmta_ctl.features.warmup import count_queries
from postmta_ctl.features.warmup.count_queries import Key
from postmta_ctl.store.types import from_micros

if TYPE_CHECKING:
    from postmta_ctl.features.ingest.rows import EventRow

_COUNTED = {
    "Delivery": "delivered",
    "TransientFailure": "deferred",
    "Bounce": "bounced",
    "OOB": "bounced",
    "Feedback": "complained",
}
"""Type of the record → what receivers said by it. An expiration is no answer, but what follows from deferrals."""
_INTERNAL = "KumoMTA internal:"
"""How the reply begins where no receiver was spoken to: an address that is not the host's, a server out of reach."""


async def count(connection: AsyncConnection, rows: Sequence[EventRow]) -> None:
    """Count events; those of other vMTAs are passed over."""
    counted = [
        (row, (row.organization_id, row.vmta))
        for row in rows
        if row.record_type in _COUNTED and row.organization_id and row.vmta
    ]
    if not counted:
        return
    found = await count_queries.warming(connection, {named for _, named in counted})
    if not found:
        return
    counts: defaultdict[Key, Counter[str]] = defaultdict(Counter)
    for row, named in counted:
        vmta_id = found.get(named)
        if vmta_id is not None:
            key = Key(vmta_id, from_micros(row.occurred_at).date(), row.provider or OTHER, row.node)
            if not (row.reply or "").startswith(_INTERNAL):
                counts[key][_COUNTED[row.record_type]] += 1
            # It was drawn from the ticket all the same.
            counts[key]["attempts"] += row.record_type in ATTEMPTS
    await count_queries.add(connection, counts)
