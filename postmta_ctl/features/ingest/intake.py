"""Requests that bring records: how many may wait, and which of them share a transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from postmta_ctl.core.kumo_log import MAX_KEPT, BadRecord
from postmta_ctl.errors import Busy
from postmta_ctl.features.ingest.keeping import Delivery, keep
from postmta_ctl.groups import Groups
from postmta_ctl.system import System

RETRY_SECONDS = 2
FEW, REST_SECONDS = 50, 0.05
"""Records, and how long the answer to a request of fewer is held."""


@contextmanager
def place(system: System) -> Iterator[None]:
    """A place among the requests whose bodies are held in memory; to be taken before the body is read.

    Raises:
        Busy: There are as many as ``ingest_waiting_requests`` allows.
    """
    held = system.deliveries_held
    if len(held) >= system.settings.ingest_waiting_requests:
        raise Busy("Ingestion is behind; send the records again.", retry_after=RETRY_SECONDS)
    ticket = object()
    held.add(ticket)
    try:
        yield
    finally:
        held.discard(ticket)


async def rest(system: System, records: int) -> None:
    """Hold the answer to a request of few records, which are kept already, for a moment.

    A node sends what it has as soon as it was answered, and each request costs a commit: so its next one brings more.
    KumoMTA's own ``min_batch_size`` would do the same, were it not that a connection which was idle holds the first
    records for as long as its ``idle_timeout``.
    """
    if records < FEW:
        await system.pause(REST_SECONDS)


async def keep_together(system: System, delivery: Delivery) -> int:
    """Keep the records of a request, in one transaction with those of others that wait; how many were new."""

    async def work(deliveries: list[Delivery]) -> Sequence[int | Exception]:
        return await _keep(system, deliveries)

    groups: Groups[Delivery, int] = system.ingesting
    return await groups.do(delivery, work)


async def _keep(system: System, deliveries: list[Delivery]) -> list[int | Exception]:
    """The same for a group. What a record holds that the database cannot is found by halves, and kept apart."""
    try:
        return [*await system.db.at_once(partial(keep, system, deliveries=deliveries))]
    except Exception as error:
        if not _is_about_a_value(error):
            raise
        reason = f"{type(error).__name__}: it cannot be stored"
    if len(deliveries) > 1:
        half = len(deliveries) // 2
        return await _keep(system, deliveries[:half]) + await _keep(system, deliveries[half:])
    (one,) = deliveries
    if len(one.mail) == 1:
        bad = BadRecord(1, reason, msgspec.json.encode(one.mail[0].record)[:MAX_KEPT])
        return await _keep(system, [Delivery(one.node, [], [*one.bad, bad])])
    half = len(one.mail) // 2
    parts = [Delivery(one.node, one.mail[:half], one.bad), Delivery(one.node, one.mail[half:], [])]
    return [sum([number for part in parts for number in await _keep(system, [part]) if isinstance(number, int)])]


def _is_about_a_value(error: Exception) -> bool:
    """Whether the database, or its driver, would refuse the same again: a value it cannot hold, and not its own state.

    PostgreSQL's class 22 is that of data exceptions.
    """
    if isinstance(error, DataError | IntegrityError | ArithmeticError | ValueError):
        return True
    cause: Any = error.orig if isinstance(error, DBAPIError) else error
    if str(getattr(cause, "sqlstate", None) or "").startswith("22"):
        return True
    return isinstance(getattr(cause, "__cause__", None), ValueError | ArithmeticError)
