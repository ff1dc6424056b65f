"""A canary: some nodes run a release first, and receivers' answers there decide whether the others follow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from postmta_ctl.core.canary import trouble
from postmta_ctl.errors import Busy, Conflict, InvalidRequest, NotFound
from postmta_ctl.features.nodes import queries as nodes
from postmta_ctl.features.nodes.queries import NodeRow
from postmta_ctl.features.policy import bringing, queries, releasing
from postmta_ctl.features.policy.queries import Canary, ReleaseRow
from postmta_ctl.features.policy.releasing import ITSELF, By
from postmta_ctl.features.policy.rollout import NodeOutcome
from postmta_ctl.store.locks import exclusive
from postmta_ctl.system import System


class CanaryRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which nodes try a release before the others, and how long they are watched."""

    nodes: Annotated[tuple[Annotated[str, Meta(max_length=63)], ...], Meta(max_length=1000)] = ()
    """Names of nodes."""
    percent: Annotated[int, Meta(ge=1, le=99)] | None = None
    """Of the nodes, by name, at least one; where none is named."""
    watch_seconds: Annotated[int, Meta(ge=0, le=86_400)] = 600


def standstill(newest: ReleaseRow | None) -> str | None:
    """Why nothing is published unasked after this release; None where nothing speaks against it.

    After a roll-back, or a canary that was stopped, the configuration still holds what was wrong. It would come back
    with the next change, so somebody has to publish in person first.
    """
    if newest is None:
        return None
    if newest.rollback_to is not None:
        return f"release {newest.number} went back to release {newest.rollback_to}"
    reasons = {"canary": "is a canary", "stopped": "was stopped as a canary"}
    return f"release {newest.number} {reasons[newest.state]}" if newest.state in reasons else None


async def refuse_another(system: System) -> None:
    """Refuse to begin anything while there is a canary.

    Raises:
        Conflict: One is.
    """
    async with system.db.reading() as connection:
        row = await queries.canary(connection)
    if row is not None:
        raise Conflict(f"Release {row.number} is a canary: promote or stop it first.", code="canary")


async def plan(system: System, request: CanaryRequest, change_ids: Sequence[int]) -> Canary:
    """What a release is to be measured by.

    Raises:
        InvalidRequest: It names no node, an unknown one, or all of them; or no release runs on the others.
    """
    async with system.db.reading() as connection:
        chosen = _chosen(request, await nodes.all_nodes(connection))
        if await queries.latest(connection) is None:
            raise InvalidRequest.of("canary", "needs a release that the other nodes run meanwhile")
        return Canary(
            nodes=chosen,
            until=system.now() + timedelta(seconds=request.watch_seconds),
            first_event=await queries.newest_event(connection),
            before=await queries.attempts(connection, chosen, after=0),
            change_ids=tuple(change_ids),
        )


def _chosen(request: CanaryRequest, rows: Sequence[NodeRow]) -> tuple[str, ...]:
    names = [row.name for row in rows]
    if bool(request.nodes) == (request.percent is not None):
        raise InvalidRequest.of("canary", "names nodes, or a percentage of them")
    if unknown := sorted(set(request.nodes) - set(names)):
        raise InvalidRequest.of("canary.nodes", f"there is no node {unknown[0]}")
    chosen = set(request.nodes) or set(names[: math.ceil(len(names) * (request.percent or 0) / 100)])
    if not chosen or len(chosen) == len(names):
        raise InvalidRequest.of("canary", f"leaves nobody behind: there are {len(names)} nodes, and it takes all")
    return tuple(sorted(chosen))


async def start(system: System, number: int, canary: Canary) -> tuple[bool, list[NodeOutcome]]:
    """Bring the nodes that try a release to it; when one does not come to run it, the canary is over.

    Returns:
        Whether it goes on, and how each node came out.
    """
    outcomes = await bringing.bring(system, number, only=canary.nodes)
    failed = [outcome for outcome in outcomes if not outcome.ok]
    if not failed:
        return True, outcomes
    row, _ = await _the_canary(system, number)
    await _stop(system, row, canary, ITSELF, f"{failed[0].node} {failed[0].detail}")
    return False, outcomes


async def watch(system: System) -> None:
    """Judge the canary: go on to all nodes when its time is over, stop it when mail goes worse."""
    try:
        async with exclusive(system.db, bringing.LOCK, wait=0):
            await _watch(system)
    except Busy:
        # Whoever holds the lock may be deciding the same; the next turn sees what came of it.
        return


async def _watch(system: System) -> None:
    async with system.db.reading() as connection:
        row = await queries.canary(connection)
        if row is None or row.canary is None:
            return
        since = await queries.attempts(connection, row.canary.nodes, after=row.canary.first_event)
        rows = [each for each in await nodes.all_nodes(connection) if each.name in row.canary.nodes]
    is_over = system.now() >= row.canary.until
    strays = [each.name for each in rows if each.running_release != row.number]
    problem = trouble(row.canary.before, since)
    if problem is None and is_over and strays:
        problem = f"{', '.join(strays)} did not run it to the end"
    if problem is not None:
        await _stop(system, row, row.canary, ITSELF, problem)
    elif is_over:
        await _promote(system, row, row.canary, ITSELF)


async def promote(system: System, by: By, number: int) -> list[NodeOutcome]:
    """Bring every node to the canary, without waiting any longer.

    Raises:
        NotFound: There is no such release.
        Conflict: It is not a canary.
        Busy: A publication takes its time.
    """
    async with exclusive(system.db, bringing.LOCK):
        row, canary = await _the_canary(system, number)
        return await _promote(system, row, canary, by)


async def stop(system: System, by: By, number: int, *, note: str | None) -> list[NodeOutcome]:
    """Bring the nodes that try a release back to the one before.

    Raises:
        NotFound: There is no such release.
        Conflict: It is not a canary.
        Busy: A publication takes its time.
    """
    async with exclusive(system.db, bringing.LOCK):
        row, canary = await _the_canary(system, number)
        return await _stop(system, row, canary, by, note or "stopped by hand")


async def stop_any(system: System, by: By, note: str) -> None:
    """Stop the canary, if there is one; call it while holding the lock."""
    async with system.db.reading() as connection:
        row = await queries.canary(connection)
    if row is not None and row.canary is not None:
        await _stop(system, row, row.canary, by, note)


async def _the_canary(system: System, number: int) -> tuple[ReleaseRow, Canary]:
    async with system.db.reading() as connection:
        row = await queries.by_number(connection, number)
    if row is None:
        raise NotFound(f"There is no release {number}.")
    if row.state != "canary" or row.canary is None:
        raise Conflict(f"Release {number} is not a canary: it is {row.state}.")
    return row, row.canary


async def _promote(system: System, row: ReleaseRow, canary: Canary, by: By) -> list[NodeOutcome]:
    await releasing.settle(system, row, "published", by, change_ids=canary.change_ids)
    return await bringing.bring(system, row.number)


async def _stop(system: System, row: ReleaseRow, canary: Canary, by: By, note: str) -> list[NodeOutcome]:
    await releasing.settle(system, row, "stopped", by, note=note)
    async with system.db.reading() as connection:
        latest = await queries.latest(connection)
    return [] if latest is None else await bringing.bring(system, latest.number, only=canary.nodes)
