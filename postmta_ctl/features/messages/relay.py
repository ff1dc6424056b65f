"""The relay: from the outbox to the nodes.

A turn leases what is due, gives it to the nodes, and settles each recipient by the answers. Turns overlap: while one
is on its way to the nodes, the one before is settled and the next one leased, in one transaction. Whatever happens in
between, a lease ends by itself and the recipient is tried again; a fence on the node (``kumo_policy/fence.lua``)
answers a repetition of what it took with "duplicate".
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.inject_answer import Outcome, Result
from postmta_ctl.core.retry import backoff
from postmta_ctl.features.credits import account
from postmta_ctl.features.messages import reception_queries
from postmta_ctl.features.messages import relay_queries as queries
from postmta_ctl.features.messages.blocked import without_blocked
from postmta_ctl.features.messages.happenings import record_refused
from postmta_ctl.features.messages.injecting import Attempt, inject, may_be_there
from postmta_ctl.features.messages.lease_queries import Leased, lease
from postmta_ctl.features.messages.node_choice import Choice
from postmta_ctl.features.messages.placements import placements
from postmta_ctl.features.messages.withdrawals import withdraw_suppressed, without_withdrawn
from postmta_ctl.features.nodes.service import addresses
from postmta_ctl.system import System

log = structlog.get_logger(__name__)

OWNER = f"{os.getpid()}-{secrets.token_hex(4)}"
"""This process, in leases."""
TURN, TURN_OCTETS = 1000, 16 * 1024 * 1024
"""Recipients of a turn, and octets of their messages: two turns are in memory at a time, whatever the backlog."""
TURNS = 50
"""After so many the job begins anew, and looks at the nodes again."""
RECORD_WAIT = timedelta(seconds=30)
"""How long a Reception record has to settle an injection whose answer was lost, before it is repeated."""
NODE_WAIT = timedelta(seconds=10)
"""How long mail waits before it is looked again whether a node is there that it can leave from."""
FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=1), timedelta(minutes=5)


class Turn(msgspec.Struct, frozen=True):
    """Recipients that this process has leased."""

    held: list[Leased]
    """Those that are to be sent."""
    is_full: bool
    """There may be more."""


class Sent(msgspec.Struct, frozen=True):
    """A turn whose answers are there."""

    held: list[Leased]
    attempts: list[Attempt]


class Settled(msgspec.Struct):
    """What became of the recipients of a turn."""

    injected: dict[str, str] = {}
    """Recipient id → node."""
    refused: dict[str, tuple[str, str]] = {}
    """Recipient id → node, its words."""
    later: list[dict[str, Any]] = []


async def relay(system: System) -> bool:
    """Work off what is due. True when there may be more to do at once."""
    nodes = await addresses(system)
    if not nodes:
        return False
    choice = Choice(nodes, system.node_troubles, await placements(system))
    turn = await _step(system, choice, None, lease=True)
    sent: Sent | None = None
    for number in range(1, TURNS + 1):
        if not turn.held and not turn.is_full:
            break
        sending = asyncio.create_task(_inject(system, choice, turn.held))
        try:
            following = await _step(system, choice, sent, lease=turn.is_full and number < TURNS)
        finally:
            # Also when the database failed: what is on its way must not be cut off.
            attempts = await sending
        sent, turn = Sent(turn.held, attempts), following
    await _step(system, choice, sent, lease=False)
    return turn.is_full


async def _inject(system: System, choice: Choice, held: Sequence[Leased]) -> list[Attempt]:
    if not held:
        return []
    system.reach("after-lease")
    attempts = await inject(system, choice, held)
    system.reach("after-inject")
    return attempts


async def _step(system: System, choice: Choice, sent: Sent | None, *, lease: bool) -> Turn:
    """Settle one turn and lease another, in one transaction."""
    if not lease and not (sent and sent.held):
        return Turn([], is_full=False)

    async def work(connection: AsyncConnection) -> tuple[Settled, Turn]:
        settled = await _settle(system, connection, sent) if sent and sent.held else Settled()
        return settled, await _lease(system, connection, choice) if lease else Turn([], is_full=False)

    settled, turn = await system.db.at_once(work)
    if sent and sent.held:
        system.reach("after-mark")
        _report(system, settled)
    return turn


async def _lease(system: System, connection: AsyncConnection, choice: Choice) -> Turn:
    now = system.now()
    found = await lease(
        connection,
        now,
        limit=TURN,
        octets=min(TURN_OCTETS, system.settings.relay_octets),
        lifetime=timedelta(seconds=system.settings.relay_lease_seconds),
        owner=OWNER,
        choose=choice.choose,
    )
    held = await _with_node(connection, choice, found.leased, now)
    return Turn(await _still_needed(connection, held, now), is_full=found.may_be_more)


async def _with_node(connection: AsyncConnection, choice: Choice, leased: list[Leased], now: datetime) -> list[Leased]:
    """Those that there is a node for; the others wait here, with the reason."""
    kept = [
        {"rid": one.recipient_id, "due": now + NODE_WAIT, "block": None, "words": choice.why_none(one.tenant)}
        for one in leased
        if one.node is None
    ]
    await queries.keep_here(connection, kept)
    return [one for one in leased if one.node is not None]


async def _still_needed(connection: AsyncConnection, held: list[Leased], now: datetime) -> list[Leased]:
    """Without those that are on a node by its own log though no answer told so, that nobody wants sent, or that may
    not be sent now."""
    again = [one.recipient_id for one in held if one.attempts > 1]
    there = await reception_queries.on_a_node(connection, again) if again else {}
    await queries.settle_injected(connection, there, now)
    left = [one for one in held if one.recipient_id not in there]
    return await without_blocked(connection, await without_withdrawn(connection, left, now), now)


async def _settle(system: System, connection: AsyncConnection, sent: Sent) -> Settled:
    now = system.now()
    held = {one.recipient_id: one for one in sent.held}
    settled = Settled()
    repeated: dict[str, str] = {}
    listed: list[tuple[Outcome, Attempt]] = []
    for attempt in sent.attempts:
        node = attempt.node or ""
        for outcome in attempt.outcomes:
            if outcome.result is Result.INJECTED:
                settled.injected[outcome.rid] = node
            elif outcome.result is Result.DUPLICATE:
                repeated[outcome.rid] = node
            elif outcome.result is Result.REFUSED:
                settled.refused[outcome.rid] = node, outcome.text
            elif outcome.result is Result.SUPPRESSED:
                listed.append((outcome, attempt))
            else:
                settled.later.append(_later(held[outcome.rid], outcome, attempt, now))
    await queries.lock(connection, held)
    lost = await reception_queries.taken_and_lost(connection, list(repeated))
    settled.injected |= {rid: node for rid, node in repeated.items() if rid not in lost}
    failed = Attempt(node=None, outcomes=[])
    words = "the node could not queue it"
    settled.later += [_later(held[rid], Outcome(rid, Result.TRY_AGAIN, words), failed, now) for rid in lost]
    blocked = await withdraw_suppressed(connection, [held[one.rid] for one, _ in listed], now)
    settled.later += [_later(held[one.rid], one, how, now) for one, how in listed if one.rid not in blocked]
    await _write(connection, settled, {rid: held[rid].message_id for rid in held}, now)
    system.reach("in-mark")
    return settled


async def _write(connection: AsyncConnection, settled: Settled, message_ids: dict[str, str], now: datetime) -> None:
    await queries.settle_injected(connection, settled.injected, now)
    refused = settled.refused
    rejected = await queries.settle_refused(connection, refused, now)
    await record_refused(connection, {rid: refused[rid][1] for rid in rejected}, now)
    await account.refund_recipients(connection, list(refused), now, cause="relay", reference="refused by the policy")
    await queries.settle_later(connection, OWNER, settled.later)
    await queries.renew_statuses(connection, {message_ids[rid] for rid in (*settled.injected, *refused)})


def _later(one: Leased, outcome: Outcome, attempt: Attempt, now: datetime) -> dict[str, Any]:
    wait = backoff(one.attempts, first=FIRST_RETRY, most=LONGEST_RETRY)
    is_unknown = outcome.result is Result.UNKNOWN
    # What a node did not look at it may still have from before, and its fence must know it by the same number.
    is_there = is_unknown or (may_be_there(one) and not attempt.was_judged)
    return {
        "rid": one.recipient_id,
        "lease": one.attempts,
        "due": now + (max(wait, RECORD_WAIT) if is_unknown else wait),
        "next_generation": one.generation if is_there else one.generation + 1,
        "by_itself": one.alone or outcome.result is Result.TRY_ALONE,
        "words": outcome.text,
        "at_node": (attempt.node or one.node) if is_there else None,
    }


def _report(system: System, settled: Settled) -> None:
    injected, refused, later = len(settled.injected), len(settled.refused), len(settled.later)
    system.metrics.relay_turn(injected=injected, refused=refused, later=later)
    if refused or later:
        words = {*(text for _, text in settled.refused.values()), *(one["words"] for one in settled.later)}
        log.warning("relay", injected=injected, refused=refused, later=later, words=sorted(words)[:3])
    else:
        log.info("relay", injected=injected)
