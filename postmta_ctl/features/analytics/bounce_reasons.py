"""Why mail was not taken, in classes and in the servers' own words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.bounces import is_hard
from postmta_ctl.core.periods import Period
from postmta_ctl.core.rates import quotient
from postmta_ctl.core.rollups import Dimension
from postmta_ctl.features.analytics import queries
from postmta_ctl.features.analytics.schemas import BounceReasons, Example, Reason

EXAMPLES = 3
LOOKED_AT = 50
"""Events of a class among which examples are sought."""
CLASSES = 100
"""More than there are; a bound is a bound."""

_VARIABLE = re.compile(r"[^\s<>]+@[^\s<>]+|[0-9a-f]*\d[0-9a-f.:-]*", re.IGNORECASE)


async def bounce_reasons(connection: AsyncConnection, organization_id: str, period: Period) -> BounceReasons:
    """The classes, those with most bounces first, each with example replies."""
    period = await queries.counted(connection, period)
    found = await queries.busiest(connection, organization_id, Dimension.BOUNCE_CLASS, period, CLASSES)
    bounced = sum(one.get("message.bounced", 0) for one in found.values())
    deferred = sum(one.get("message.deferred", 0) for one in found.values())
    data = [
        Reason(
            bounce_class=name,
            is_hard=is_hard(name),
            bounced=one.get("message.bounced", 0),
            deferred=one.get("message.deferred", 0),
            share=quotient(one.get("message.bounced", 0), bounced),
            examples=distinct(await queries.failures(connection, organization_id, name, period, LOOKED_AT)),
        )
        for name, one in found.items()
    ]
    data.sort(key=lambda one: (-one.bounced, -one.deferred, one.bounce_class))
    return BounceReasons(start=period.start, end=period.end, bounced=bounced, deferred=deferred, data=data)


def distinct(rows: Iterable[Any]) -> list[Example]:
    """The first of these events that differ in more than what differs from one mail to the next."""
    found: dict[tuple[int | None, str], Example] = {}
    for row in rows:
        example = _example(row)
        found.setdefault((example.code, _VARIABLE.sub("#", example.reply or "")), example)
        if len(found) == EXAMPLES:
            break
    return list(found.values())


def _example(row: Any) -> Example:
    return Example(**{"at" if name == "occurred_at" else name: getattr(row, name) for name in _COLUMNS})


_COLUMNS: Sequence[str] = ("occurred_at", *(name for name in Example.__struct_fields__ if name != "at"))
