"""Counting our own greylisting as its records come in."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.greylisting import outcome_of
from postmta_ctl.core.kumo_log import LogRecord
from postmta_ctl.features.security.greylisting import queries


async def count(connection: AsyncConnection, records: Iterable[tuple[str, LogRecord]]) -> None:
    """Count records that are kept for the first time, each with its node, in the transaction that keeps them."""
    found = [
        (_hour(one.occurred_at), node, outcome) for node, one in records if (outcome := outcome_of(one)) is not None
    ]
    await queries.count(connection, found)


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
