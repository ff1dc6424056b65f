"""Cancelling and rescheduling messages.

What waits here is cancelled in one transaction: its row leaves the outbox, unless the relay took it first. For what
a node has, the wish is noted and the node asked, at once and again by a job until the recipient's fate is known; the
node's log record (``AdminRebind``) tells that it worked. KumoMTA reaches only messages in scheduled queues, so one
that is being delivered right now cannot be stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

from postmta_ctl.clients.kumod import NodeAddress
from postmta_ctl.compiler.names import tenant_name
from postmta_ctl.core.log_events import domain_of
from postmta_ctl.core.queue_requests import QueueScope, cancel, groups
from postmta_ctl.core.retry import backoff
from postmta_ctl.core.status import TERMINAL
from postmta_ctl.errors import Conflict, NodeFailed, NotFound
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.fields import Fields
from postmta_ctl.features.messages import cancel_queries as queries
from postmta_ctl.features.messages.cancel_queries import Place, Wanted
from postmta_ctl.features.messages.compose import read_send_at
from postmta_ctl.features.messages.happenings import withdraw
from postmta_ctl.features.messages.queries import message_by_id
from postmta_ctl.features.messages.schemas import Cancelled, CancelledRecipient, Scheduled, ScheduleRequest
from postmta_ctl.features.nodes import access
from postmta_ctl.features.nodes.queries import all_nodes
from postmta_ctl.system import System

LEASE = timedelta(seconds=60)
FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=5), timedelta(minutes=5)
TRIES = 12
"""Half an hour in all. A message is in a ready queue for seconds; whatever is left then is beyond cancelling."""
TURN = 1000


async def cancel_message(system: System, principal: Principal, message_id: str) -> Cancelled:
    """Cancel what has not been sent yet, recipient by recipient.

    Raises:
        NotFound: The organization has no such message.
    """
    now = system.now()
    async with system.db.transaction() as connection:
        if await message_by_id(connection, principal.organization_id, message_id) is None:
            raise NotFound("There is no such message.")
        places = await queries.lock(connection, message_id)
        taken = await queries.take(connection, [one.id for one in places if one.is_here])
        await withdraw(connection, taken, "cancelled", now, cause="cancel")
        away = [one.id for one in places if one.id not in taken and one.status not in TERMINAL]
        if away:
            await queries.want(connection, away, principal.name, now)
        after = {"cancelled": sorted(taken), "asked_of_nodes": away}
        await audit.record(connection, principal, "message.cancelled", message_id, after=after, now=now)
    if away:
        await _ask_nodes(system, away)
    return _outcome(message_id, places, taken)


def _outcome(message_id: str, places: Sequence[Place], taken: set[str]) -> Cancelled:
    people = [
        CancelledRecipient(id=one.id, address=one.address, result="cancelled" if one.id in taken else _result(one))
        for one in places
    ]
    results = {one.result for one in people} - {"suppressed"} or {"suppressed"}
    return Cancelled(id=message_id, result=results.pop() if len(results) == 1 else "partial", recipients=people)


def _result(place: Place) -> str:
    if place.status in ("cancelled", "suppressed"):
        return place.status
    return "too_late" if place.status in TERMINAL else "pending"


async def cancel_at_nodes(system: System) -> None:
    """Ask the nodes for what is still to be cancelled; a job."""
    await _ask_nodes(system, None)
    async with system.db.transaction() as connection:
        await queries.forget(connection, tries=TRIES)


async def _ask_nodes(system: System, recipient_ids: Sequence[str] | None) -> None:
    now = system.now()
    async with system.db.transaction() as connection:
        wanted = await queries.due(connection, now, limit=TURN, lease=LEASE, recipient_ids=recipient_ids)
        rows = await all_nodes(connection) if wanted else []
    nodes = {row.name: access.address(system, row) for row in rows}
    asked = await asyncio.gather(*(_ask(system, nodes.get(name or ""), each) for name, each in _by_node(wanted)))
    later = [_later(one, words, now) for words, each in asked for one in each]
    if later:
        async with system.db.transaction() as connection:
            await queries.put_off(connection, later)


def _by_node(wanted: Sequence[Wanted]) -> list[tuple[str | None, list[Wanted]]]:
    found: dict[str | None, list[Wanted]] = {}
    for one in wanted:
        found.setdefault(one.node, []).append(one)
    return list(found.items())


async def _ask(system: System, node: NodeAddress | None, wanted: list[Wanted]) -> tuple[str | None, list[Wanted]]:
    """Have a node discard these; its words if it did not take the request."""
    if node is None:
        return "it is on its way to a node, or the node is not known any more", wanted
    try:
        for scope, ids in groups((_scope(one), one.recipient_id) for one in wanted):
            body = cancel(scope, ids, "cancelled through the API")
            await system.kumod.admin(node, "POST", "/api/admin/rebind/v1", body)
    except NodeFailed as error:
        return error.detail, wanted
    return None, wanted


def _scope(one: Wanted) -> QueueScope:
    tenant = tenant_name(one.organization, one.vmta, one.pool)
    return QueueScope(tenant=tenant, domain=domain_of(one.address), campaign=one.campaign)


def _later(one: Wanted, words: str | None, now: datetime) -> dict[str, Any]:
    wait = backoff(one.attempts + 1, first=FIRST_RETRY, most=LONGEST_RETRY)
    return {"rid": one.recipient_id, "due": now + wait, "words": words}


async def reschedule(system: System, principal: Principal, message_id: str, data: ScheduleRequest) -> Scheduled:
    """Send a message at another moment than it waits for; a moment that has just passed means at once.

    Raises:
        InvalidRequest: The moment cannot be taken.
        NotFound: The organization has no such message.
        Conflict: ``too_late``: some of it has been given to a node.
    """
    now = system.now()
    problems = Fields()
    scheduled_at = read_send_at(data.send_at, now, problems)
    problems.done()
    due_at = scheduled_at or now
    async with system.db.transaction() as connection:
        message = await message_by_id(connection, principal.organization_id, message_id)
        if message is None:
            raise NotFound("There is no such message.")
        places = await queries.lock(connection, message_id)
        moved = await queries.reschedule(connection, message_id, due_at)
        left = {one.id for one in places if one.status not in ("cancelled", "suppressed")}
        if not left or left - moved:
            raise Conflict("A node may have some of this message already, or all of it was cancelled.", code="too_late")
        await queries.set_schedule(connection, message_id, scheduled_at, format_datetime(due_at))
        before, after = {"scheduled_at": message.scheduled_at}, {"scheduled_at": scheduled_at}
        await audit.record(
            connection, principal, "message.rescheduled", message_id, before=before, after=after, now=now
        )
    return Scheduled(id=message_id, scheduled_at=scheduled_at)
