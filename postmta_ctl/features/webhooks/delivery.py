"""The delivery job: from the outbox to the endpoints.

A turn settles what has been answered since the last, and begins what is due, in one transaction. Requests are tasks
that outlive the turn: nothing waits for a slow endpoint but what is for that endpoint. If the process dies, leases end
by themselves and the same ids are sent again, as Standard Webhooks lets receivers expect.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.ids import new_id
from postmta_ctl.core.webhooks import Verdict
from postmta_ctl.features.webhooks import delivery_queries as queries
from postmta_ctl.features.webhooks import health
from postmta_ctl.features.webhooks.delivery_queries import Leased
from postmta_ctl.features.webhooks.outbox_queries import PENDING
from postmta_ctl.features.webhooks.queries import WebhookRow, add_attempts
from postmta_ctl.features.webhooks.sending import Attempt, attempt
from postmta_ctl.features.webhooks.sharing import Due, Limits, share
from postmta_ctl.system import System

log = structlog.get_logger(__name__)

OWNER = f"{os.getpid()}-{secrets.token_hex(4)}"
"""This process, in leases."""
LEASE = timedelta(seconds=90)
"""Longer than any request takes; after a crash, this is how long its deliveries wait."""
LIMITS = Limits()
TURN_SECONDS = 0.05
"""How long a turn waits for the next answer: meanwhile new events wait too."""
SLOW_MILLISECONDS = 5000
"""An endpoint whose last answer took longer is troubled, if it succeeds or not."""
RETENTION = timedelta(days=30)
FORGET_AT_ONCE = 1000
"""Deliveries removed by one transaction: others want to write too."""


class Delivered(msgspec.Struct, frozen=True):
    """An attempt for a delivery that was leased."""

    leased: Leased
    attempt: Attempt


async def deliver(system: System) -> bool:
    """One turn. True when there may be more to do at once."""
    ended = await system.deliveries.finished(TURN_SECONDS)
    if ended:
        system.reach("after-webhook")
    now = system.now()
    async with system.db.reading() as connection:
        endpoints = {row.id: row for row in await queries.endpoints_with_work(connection, now)}
    shares = _shares(system, endpoints)
    if not ended and not shares:
        return len(system.deliveries) > 0
    async with system.db.transaction() as connection:
        await _settle(system, connection, ended)
        leased = await _lease(system, connection, endpoints, shares)
        if ended:
            system.reach("in-webhook-mark")
    for one in leased:
        key = (one.webhook.organization_id, one.webhook.id)
        system.deliveries.start(key, _deliver(system, one))
    return True


async def finish(system: System) -> None:
    """At the end of the process: wait for the requests that are under way, and settle them."""
    ended = await system.deliveries.drain(system.webhooks.timeout + 1)
    if ended:
        async with system.db.transaction() as connection:
            await _settle(system, connection, ended)


def _shares(system: System, endpoints: Mapping[str, WebhookRow]) -> dict[str, int]:
    due = [
        Due(
            key=(row.organization_id, row.id),
            is_troubled=row.failing_since is not None or row.id in system.slow_webhooks,
        )
        for row in endpoints.values()
    ]
    return share(due, system.deliveries.load(), LIMITS)


async def _lease(
    system: System, connection: AsyncConnection, endpoints: Mapping[str, WebhookRow], shares: Mapping[str, int]
) -> list[Leased]:
    now = system.now()
    leased: list[Leased] = []
    for webhook_id, limit in sorted(shares.items()):
        webhook = endpoints[webhook_id]
        leased += await queries.lease(connection, webhook, OWNER, now=now, until=now + LEASE, limit=limit)
    return leased


async def _deliver(system: System, one: Leased) -> Delivered:
    return Delivered(one, await attempt(system, one.webhook, one.id, one.payload))


async def _settle(system: System, connection: AsyncConnection, ended: Sequence[Delivered]) -> None:
    held = await queries.still_held(connection, [one.leased.id for one in ended], OWNER) if ended else set()
    # What was deleted meanwhile, or leased anew by another process since this one dawdled, is not ours to settle.
    ended = [one for one in ended if one.leased.id in held]
    if not ended:
        return
    verdicts = [one.attempt.verdict(step=one.leased.step, chance=_chance(system)) for one in ended]
    await queries.settle(connection, [_settled(one, made) for one, made in zip(ended, verdicts, strict=True)])
    await add_attempts(connection, [one.attempt.row for one in ended])
    gone = {one.leased.webhook.id for one, made in zip(ended, verdicts, strict=True) if made.is_gone}
    await health.note(system, connection, [one.attempt for one in ended], gone)
    for one in ended:
        is_slow = one.attempt.reply.milliseconds > SLOW_MILLISECONDS
        (system.slow_webhooks.add if is_slow else system.slow_webhooks.discard)(one.leased.webhook.id)
    failures = sum(not one.attempt.is_success for one in ended)
    log.info("webhooks delivered", succeeded=len(ended) - failures, failed=failures)


def _settled(one: Delivered, made: Verdict) -> dict[str, object]:
    finished = None if made.status == PENDING else one.attempt.ended_at
    return {"the_id": one.leased.id, "new_status": made.status, "due": made.due_at, "finished": finished}


def _chance(system: System) -> float:
    return int.from_bytes(system.random(4)) / 2**32


async def forget(system: System) -> bool:
    """Remove deliveries that have had their day, and what deleted endpoints have left. True when there is more."""
    oldest = new_id(system.now() - RETENTION)
    async with system.db.transaction() as connection:
        return await queries.forget(connection, oldest, FORGET_AT_ONCE) >= FORGET_AT_ONCE
