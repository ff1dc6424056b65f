"""Which release each node is to run, and bringing the nodes there."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.features.nodes import queries as nodes
from postmta_ctl.features.nodes.queries import NodeRow
from postmta_ctl.features.policy import queries, rollout
from postmta_ctl.features.policy.draft import load_bundle
from postmta_ctl.features.policy.queries import ReleaseRow
from postmta_ctl.features.policy.rollout import NodeOutcome, Since, Target
from postmta_ctl.store.locks import exclusive
from postmta_ctl.system import System

LOCK = "publication"
"""Held by whoever makes a release or brings nodes to one."""
PROBE_SECONDS = 10.0
"""How long a publication waits for each node to say that it runs the release."""
CATCH_UP_SECONDS = 2.0
"""The same when a node is brought up to date in the background, where the next turn is near."""


async def bring(
    system: System,
    number: int,
    bundle: Bundle | None = None,
    *,
    only: Iterable[str] | None = None,
    since: Since | None = None,
) -> list[NodeOutcome]:
    """Bring nodes to a release, and wait for their word; call it while holding the lock.

    Args:
        system: The parts.
        number: The release.
        bundle: What it holds, if that is at hand.
        only: Names of the nodes; all of them when absent.
        since: From what it differs in a few domains only.
    """
    async with system.db.reading() as connection:
        rows = await nodes.all_nodes(connection)
    chosen = rows if only is None else [row for row in rows if row.name in set(only)]
    return await rollout.roll_out(system, await _target(system, number, bundle, since), chosen, PROBE_SECONDS)


async def catch_up(system: System, *, seen_after: datetime) -> list[NodeOutcome]:
    """Bring each node that lags behind to the release that it should run.

    Files are written for all of them. Only those seen since ``seen_after`` are asked which release they run, since
    a node that is away would hold up the others.

    Raises:
        Busy: A publication is under way, which does the same.
    """
    outcomes: list[NodeOutcome] = []
    async with exclusive(system.db, LOCK, wait=0):
        async with system.db.reading() as connection:
            latest = await queries.latest(connection)
            canary = await queries.canary(connection)
            rows = await nodes.all_nodes(connection)
        for number, assigned in assign(latest, canary, rows).items():
            outcomes += await _catch_up(system, number, rollout.lagging(assigned, number), seen_after)
    return outcomes


def assign(latest: ReleaseRow | None, canary: ReleaseRow | None, rows: Iterable[NodeRow]) -> dict[int, list[NodeRow]]:
    """The nodes that are to run each release: the one a canary for those that try it, the newest for the others."""
    trying = set(canary.canary.nodes) if canary and canary.canary else set()
    assigned: dict[int, list[NodeRow]] = {}
    for row in rows:
        release = canary if row.name in trying else latest
        if release is not None:
            assigned.setdefault(release.number, []).append(row)
    return assigned


async def _catch_up(system: System, number: int, behind: list[NodeRow], seen_after: datetime) -> list[NodeOutcome]:
    # An agent comes by itself: it need not be waited for.
    asked = [row for row in behind if row.transport == "folder"]
    here = [row for row in asked if row.last_seen_at is not None and row.last_seen_at >= seen_after]
    away = [row for row in behind if row not in here and row.published_release != number]
    if not here + away:
        return []
    target = await _target(system, number)
    for row in away:
        await rollout.deliver(system, target, row)
    return await rollout.roll_out(system, target, here, CATCH_UP_SECONDS)


async def _target(system: System, number: int, bundle: Bundle | None = None, since: Since | None = None) -> Target:
    if bundle is None:
        async with system.db.reading() as connection:
            bundle = await load_bundle(connection, await queries.files_of(connection, number))
    return Target(number=number, bundle=bundle, since=since)
