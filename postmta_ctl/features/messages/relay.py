"""The relay: from the outbox to a node.

A turn leases what is due, packs it into requests, sends them side by side, and settles each recipient by the node's
answer. Whatever happens in between, a lease ends by itself and the recipient is tried again; a fence on the node
(``kumo_policy/fence.lua``) answers a repetition of what it took with "duplicate".
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.clients.kumod import NodeAddress
from postmta_ctl.compiler.names import tenant_name
from postmta_ctl.core.inject import InjectCall, InjectItem, pack
from postmta_ctl.core.inject_answer import Outcome, Result, read_answer, unanswered
from postmta_ctl.core.retry import backoff
from postmta_ctl.core.status import summarise
from postmta_ctl.core.tracking import Tracker
from postmta_ctl.errors import NodeFailed, NodeUnreachable
from postmta_ctl.features.credits import account
from postmta_ctl.features.messages import relay_queries as queries
from postmta_ctl.features.messages.blocked import without_blocked
from postmta_ctl.features.messages.happenings import record_refused
from postmta_ctl.features.messages.relay_queries import Leased
from postmta_ctl.features.messages.withdrawals import withdraw_suppressed, without_withdrawn
from postmta_ctl.features.nodes.service import addresses
from postmta_ctl.features.tracking.service import tracker
from postmta_ctl.system import System

log = structlog.get_logger(__name__)

TURN = 800
"""Recipients of one turn: some requests in flight at once, and a bound on what a turn holds in memory."""
RECORD_WAIT = timedelta(seconds=30)
"""How long a Reception record has to settle an injection whose answer was lost, before it is repeated."""
FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=1), timedelta(minutes=5)


class Attempt(msgspec.Struct, frozen=True):
    """A request and what was learnt of each recipient in it."""

    node: NodeAddress
    outcomes: list[Outcome]


async def relay(system: System) -> bool:
    """One turn. True when there may be more to do at once."""
    nodes = await addresses(system)
    if not nodes:
        return False
    now, lease = system.now(), timedelta(seconds=system.settings.relay_lease_seconds)
    async with system.db.transaction() as connection:
        leased = await queries.lease(connection, now, limit=TURN, lifetime=lease)
        held = await _still_needed(connection, leased, now)
    if not held:
        return False
    system.reach("after-lease")
    attempts = await asyncio.gather(*_sent(system, nodes, held))
    system.reach("after-inject")
    await _settle(system, {one.recipient_id: one for one in held}, attempts)
    return len(leased) >= TURN


async def _still_needed(connection: AsyncConnection, held: list[Leased], now: datetime) -> list[Leased]:
    """Without those that are on a node by its own log though no answer told so, that nobody wants sent, or that may
    not be sent now."""
    again = [one.recipient_id for one in held if one.attempts > 1]
    there = await queries.on_a_node(connection, again) if again else {}
    await queries.settle_injected(connection, there, now)
    left = [one for one in held if one.recipient_id not in there]
    return await without_blocked(connection, await without_withdrawn(connection, left, now), now)


def _sent(system: System, nodes: Sequence[NodeAddress], held: Sequence[Leased]) -> Iterator[Any]:
    sender, links = f"b@{system.settings.bounces}", tracker(system)
    together = pack(relay_item(one, sender, links) for one in held if not one.alone)
    apart = [call for one in held if one.alone for call in pack([relay_item(one, sender, links)])]
    return (_send(system, nodes[index % len(nodes)], call) for index, call in enumerate([*together, *apart]))


def relay_item(one: Leased, envelope_sender: str, links: Tracker) -> InjectItem:
    """One recipient as it is given to a node, with links of its own."""
    html = one.content.html
    if html is not None:
        tracked = links.at(one.tracking_host)
        html = tracked.instrument(html, one.recipient_id, opens=one.track_opens, clicks=one.track_clicks)
    return InjectItem(
        rid=one.recipient_id,
        address=one.address,
        message_id=one.message_id,
        envelope_sender=envelope_sender,
        headers=one.content.headers | (_unsubscription(links, one.recipient_id) if one.unsubscribe else {}),
        text=one.content.text,
        html=html,
        attachments=one.content.attachments,
        metadata={
            "tenant": tenant_name(one.organization, one.vmta, one.pool),
            "campaign": one.campaign or "",
            "attempt": one.generation,
        },
    )


def _unsubscription(links: Tracker, recipient_id: str) -> dict[str, str]:
    """The two fields of RFC 8058; the policy has both in its DKIM signatures, as section 4 asks."""
    return {
        "List-Unsubscribe": f"<{links.unsubscribe_url(recipient_id)}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


async def _send(system: System, node: NodeAddress, call: InjectCall) -> Attempt:
    try:
        status, body = await system.kumod.inject(node, call.body)
    except NodeUnreachable as error:
        return Attempt(node, unanswered(call, Result.TRY_AGAIN, error.detail))
    except NodeFailed as error:
        return Attempt(node, unanswered(call, Result.UNKNOWN, error.detail))
    return Attempt(node, read_answer(call, status, body))


async def _settle(system: System, held: dict[str, Leased], attempts: Sequence[Attempt]) -> None:
    now = system.now()
    injected: dict[str, str] = {}
    repeated: dict[str, str] = {}
    refused: dict[str, tuple[str, str]] = {}
    later: list[dict[str, Any]] = []
    listed: list[Outcome] = []
    for attempt in attempts:
        for outcome in attempt.outcomes:
            if outcome.result is Result.INJECTED:
                injected[outcome.rid] = attempt.node.name
            elif outcome.result is Result.DUPLICATE:
                repeated[outcome.rid] = attempt.node.name
            elif outcome.result is Result.REFUSED:
                refused[outcome.rid] = attempt.node.name, outcome.text
            elif outcome.result is Result.SUPPRESSED:
                listed.append(outcome)
            else:
                later.append(_later(held[outcome.rid], outcome, now))
    async with system.db.transaction() as connection:
        lost = await queries.taken_and_lost(connection, list(repeated))
        injected |= {rid: node for rid, node in repeated.items() if rid not in lost}
        later += [_later(held[rid], Outcome(rid, Result.TRY_AGAIN, "the node could not queue it"), now) for rid in lost]
        blocked = await withdraw_suppressed(connection, [held[one.rid] for one in listed], now)
        later += [_later(held[one.rid], one, now) for one in listed if one.rid not in blocked]
        await queries.settle_injected(connection, injected, now)
        rejected = await queries.settle_refused(connection, refused, now)
        await record_refused(connection, {rid: refused[rid][1] for rid in rejected}, now)
        await account.refund_recipients(
            connection, list(refused), now, cause="relay", reference="refused by the policy"
        )
        await queries.settle_later(connection, later)
        touched = {held[rid].message_id for rid in (*injected, *refused)}
        found = await queries.statuses(connection, touched)
        await queries.set_message_statuses(connection, {mid: summarise(each) for mid, each in found.items()})
        system.reach("in-mark")
    system.reach("after-mark")
    system.metrics.relay_turn(injected=len(injected), refused=len(refused), later=len(later))
    _report(injected, {rid: words for rid, (_, words) in refused.items()}, later)


def _later(one: Leased, outcome: Outcome, now: datetime) -> dict[str, Any]:
    wait = backoff(one.attempts, first=FIRST_RETRY, most=LONGEST_RETRY)
    is_unknown = outcome.result is Result.UNKNOWN
    return {
        "rid": one.recipient_id,
        "due": now + (max(wait, RECORD_WAIT) if is_unknown else wait),
        "next_generation": one.generation if is_unknown else one.generation + 1,
        "by_itself": one.alone or outcome.result is Result.TRY_ALONE,
        "words": outcome.text,
    }


def _report(injected: dict[str, str], refused: dict[str, str], later: list[dict[str, Any]]) -> None:
    if refused or later:
        words = sorted({*refused.values(), *(one["words"] for one in later)})[:3]
        log.warning("relay", injected=len(injected), refused=len(refused), later=len(later), words=words)
    else:
        log.info("relay", injected=len(injected))
