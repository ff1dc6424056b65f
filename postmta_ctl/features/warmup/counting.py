"""What receivers answer to warming vMTAs, counted in the transaction that keeps the events.

Established vMTAs cost nothing here but one look whether they are warming.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.providers import OTHER
from postmta_ctl.core.rollups import ATTEMPTS
from postmta_ctl.features.warmup import count_queries
from postmta_ctl.features.warmup.count_queries import Key

_COUNTED = {
    "message.delivered": "delivered",
    "message.deferred": "deferred",
    "message.bounced": "bounced",
    "message.complained": "complained",
}


async def count(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Count events, by the column names of ``events``; those of other vMTAs are passed over."""
    counted = [row for row in rows if row["type"] in _COUNTED and row["organization_id"] and row["vmta"]]
    if not counted:
        return
    found = await count_queries.warming(connection, {(row["organization_id"], row["vmta"]) for row in counted})
    if not found:
        return
    counts: defaultdict[Key, Counter[str]] = defaultdict(Counter)
    for row in counted:
        vmta_id = found.get((row["organization_id"], row["vmta"]))
        if vmta_id is not None:
            key = Key(vmta_id, row["occurred_at"].date(), row["provider"] or OTHER, row["node"])
            counts[key][_COUNTED[row["type"]]] += 1
            counts[key]["attempts"] += row["record_type"] in ATTEMPTS
    await count_queries.add(connection, counts)
