"""Holds and pauses that the database wants, against the suspensions that a node has.

What is ours is compared with the state before and after the node was asked: jobs place and take back suspensions all
the time, and what changed in between is no drift.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.clients.kumod import NodeAddress, NodeRefused, ReadySuspension, Suspension
from postmta_ctl.features.nodes.queries import NodeRow
from postmta_ctl.features.queues import holds
from postmta_ctl.features.queues import queries as hold_queries
from postmta_ctl.features.queues.holds import is_held
from postmta_ctl.features.queues.queries import HoldRow
from postmta_ctl.features.vmtas import suspensions as pauses
from postmta_ctl.store.locks import exclusive
from postmta_ctl.system import System

Place = tuple[str, str]
"""Id of a hold, and of a node."""


class Ours(msgspec.Struct, frozen=True):
    """What the database says at one moment."""

    wanted: dict[str, HoldRow]
    """Holds that are meant to be, by their id."""
    released: dict[str, HoldRow]
    """Those that are to be gone from the nodes."""
    placed: dict[Place, str]
    """Ids of the suspensions, as the nodes answered them."""
    pauses: pauses.Wanted


class Live(msgspec.Struct, frozen=True):
    """What a node has."""

    queues: list[Suspension]
    ready: list[ReadySuspension]
    unsuspended: list[str]
    """Ready queues of paused vMTAs that it does not keep suspended."""
    not_offered: list[str] = []
    """What it could not be asked."""


class Suspended(msgspec.Struct, frozen=True):
    """How a node's suspensions differ from what the database says; texts for people."""

    lost: list[Place] = []
    """Holds that the node does not have."""
    missing: list[str] = []
    """Those in words, and pauses."""
    lingering: list[str] = []
    """Ours that should have been taken back."""
    foreign: list[str] = []
    automatic: list[str] = []
    """Placed by KumoMTA's traffic shaping automation."""


async def ours(connection: AsyncConnection, now: datetime) -> Ours:
    """What the database says now."""
    rows = await hold_queries.holds(connection)
    held = await hold_queries.held_on(connection, [row.id for row in rows])
    return Ours(
        wanted={row.id: row for row in rows if is_held(row, now)},
        released={row.id: row for row in rows if not is_held(row, now)},
        placed={(one.hold_id, one.node_id): one.suspension_id for one in held if one.suspension_id},
        pauses=await pauses.wanted(connection),
    )


async def ask(system: System, node: NodeAddress, before: Ours) -> Live:
    """What a node has suspended.

    Raises:
        NodeFailed: It does not answer.
    """
    queues = await system.kumod.suspensions(node)
    try:
        ready = await system.kumod.ready_suspensions(node)
    except NodeRefused as error:
        if error.http_status != 404:
            raise
        return Live(queues, [], [], ["suspensions of ready queues"])
    unsuspended: list[str] = []
    if before.pauses.paused:
        metrics = await pauses.read_metrics(system, node)
        lacking = pauses.missing(before.pauses, ready, metrics, system.now())
        unsuspended = sorted(lacking.keys() - {rule.name for rule in ready})
    return Live(queues, ready, unsuspended)


def compare(node: NodeRow, before: Ours, live: Live, after: Ours) -> Suspended:
    """How a node's suspensions differ from what the database said before it was asked, and says still."""
    known = {*before.placed.values(), *after.placed.values()}
    here = {rule.id for rule in live.queues}
    lost = [] if node.online_since is None else list(_lost(node, before, after, here))
    foreign = [(rule.reason, rule.text) for rule in live.queues if rule.id not in known]
    foreign += [(rule.reason, _text(rule)) for rule in live.ready if not pauses.is_ours(rule)]
    still = [name for name in live.unsuspended if pauses.vmta_of(name) in after.pauses.paused]
    return Suspended(
        lost=[(row.id, node.id) for row in lost],
        missing=[
            *(f"the hold of {row.queue}: {row.reason}" for row in lost),
            *(f"the pause of {name}" for name in still),
        ],
        lingering=[*_kept(node, before, after, here), *_resumed(live.ready, before, after)],
        foreign=[text for reason, text in foreign if not _is_automatic(reason)],
        automatic=[text for reason, text in foreign if _is_automatic(reason)],
    )


def _lost(node: NodeRow, before: Ours, after: Ours, here: set[str]) -> Iterable[HoldRow]:
    for hold_id, row in before.wanted.items():
        place = (hold_id, node.id)
        is_unchanged = hold_id in after.wanted and before.placed.get(place) == after.placed.get(place)
        if is_unchanged and before.placed.get(place) not in here:
            yield row


def _kept(node: NodeRow, before: Ours, after: Ours, here: set[str]) -> Iterable[str]:
    for hold_id, row in before.released.items():
        if hold_id in after.released and after.placed.get((hold_id, node.id)) in here:
            yield f"{row.queue} is held, and was released"


def _resumed(ready: Sequence[ReadySuspension], before: Ours, after: Ours) -> Iterable[str]:
    for rule in ready:
        vmta = pauses.vmta_of(rule.name)
        if pauses.is_ours(rule) and vmta in before.pauses.sending and vmta in after.pauses.sending:
            yield f"{rule.name} is suspended, and its vMTA is not paused"


def _text(rule: ReadySuspension) -> str:
    return f"{rule.reason} (ready queue {rule.name})"


def _is_automatic(reason: str) -> bool:
    """By the words that KumoMTA's TSA daemon and its shaping helper give as the reason."""
    return reason.startswith("automation rule: ") or "(rule_hash=" in reason


async def apply_again(system: System, found: Iterable[Suspended]) -> None:
    """Have the nodes hold and pause what they should, and nothing of ours that they should not.

    Raises:
        Busy: Somebody else changes holds or pauses, and takes their time.
    """
    lost = [place for one in found for place in one.lost]

    async def bring_holds() -> None:
        async with exclusive(system.db, holds.LOCK):
            await holds.forget_placed(system, lost)
            await holds.reconcile(system)

    async def bring_pauses() -> None:
        async with exclusive(system.db, pauses.LOCK):
            await pauses.reconcile(system)

    await asyncio.gather(bring_holds(), bring_pauses())
