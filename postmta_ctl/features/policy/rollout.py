"""Bringing nodes to a release: their files first, switched in one step, then their word that they run it.

Everything here may be done again: a node that could not be written to, or that did not answer, is brought up to
date later by the same functions. Whoever calls them holds the lock of publishing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog

from postmta_ctl.clients.kumod import NodeAddress
from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.node_files import KeyFile, switch_release
from postmta_ctl.core.secrets import SealError
from postmta_ctl.errors import NodeFailed
from postmta_ctl.features.domains import keys as dkim_keys
from postmta_ctl.features.nodes import access, key_files, probe, release_files
from postmta_ctl.features.nodes import queries as nodes
from postmta_ctl.features.nodes.queries import NodeRow
from postmta_ctl.features.policy import queries
from postmta_ctl.progress import reached
from postmta_ctl.system import System

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.2
"""How often it is looked whether an agent has reported."""
WAITS = "waits for its agent"


class NodeOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a roll-out ended at one node."""

    node: str
    ok: bool
    """Its files are switched to the release, and it says that it runs it."""
    running_release: int | None
    detail: str


class Since(NamedTuple):
    """From what a release differs in a few domains only."""

    release: int
    domains: Collection[str]


@dataclass(frozen=True, kw_only=True)
class Target:
    """What the nodes are to run."""

    number: int
    bundle: Bundle
    since: Since | None = None

    def domains(self, row: NodeRow) -> Collection[str] | None:
        """Those whose keys may be others than what lies on a node now; None: it may be all."""
        return self.since.domains if self.since and row.published_release == self.since.release else None


async def roll_out(system: System, target: Target, rows: Sequence[NodeRow], seconds: float) -> list[NodeOutcome]:
    """Bring nodes to the release; one that fails is noted and does not hold up the others.

    Args:
        system: The parts.
        target: The release.
        rows: The nodes.
        seconds: How long to wait for each to say that it runs the release.
    """
    outcomes = await asyncio.gather(*(_bring(system, target, row, seconds) for row in rows))
    reached("nodes")
    for outcome in outcomes:
        log.info("roll-out", release=target.number, **msgspec.structs.asdict(outcome))
    return list(outcomes)


async def _bring(system: System, target: Target, row: NodeRow, seconds: float) -> NodeOutcome:
    problem = await deliver(system, target, row)
    if problem is not None:
        return NodeOutcome(node=row.name, ok=False, running_release=row.running_release, detail=problem)
    outcome = await _confirm(system, target.number, row, seconds)
    if outcome.ok and row.transport == "folder":
        await _tidy(system, target, row)
    return outcome


async def deliver(system: System, target: Target, row: NodeRow) -> str | None:
    """Write the release to a node's folder and switch it there, or have its agent know that it should.

    Returns:
        What went wrong, if anything did; the node's row says it too.
    """
    if row.transport == "agent":
        await _order(system, target.number, row)
        return None
    try:
        await _write_keys(system, target, row)
        await _switch(system, target, row)
    except (OSError, LookupError, SealError, NodeFailed, release_files.ReleaseChanged) as error:
        problem = f"cannot write to {row.policy_dir}: {error}"
        await _note(system, row, last_error=problem)
        return problem
    await _note(system, row, published_release=target.number, last_error=None)
    return None


async def _order(system: System, number: int, row: NodeRow) -> None:
    if row.published_release != number:
        await _order_anew(system, number, row, replaces=False)


async def _order_anew(system: System, number: int, row: NodeRow, *, replaces: bool) -> None:
    """An order is told from those before it by its serial, also after the database was put back to an older state."""
    serial = max((row.order_serial or 0) + 1, int(system.now().timestamp()))
    ordered = {"published_release": number, "order_serial": serial, "order_replaces": replaces}
    await _note(system, row, folder_drift=None, **ordered)


async def replace_by_agent(system: System, number: int, row: NodeRow, seconds: float) -> bool:
    """Have a node's agent put the release in the place of what was changed by hand.

    Returns:
        Whether it has looked at the folder since, within so many seconds.
    """
    await _order_anew(system, number, row, replaces=True)
    now = await _watched(system, row, seconds, lambda one: one.folder_drift is not None)
    return now is not None and now.folder_drift is not None


async def _watched(system: System, row: NodeRow, seconds: float, enough: Callable[[NodeRow], bool]) -> NodeRow | None:
    """A node once enough is known of it, or as it is after so many seconds; None: it was removed."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        async with system.db.reading() as connection:
            now = await nodes.by_id(connection, row.id)
        if now is None or enough(now) or asyncio.get_running_loop().time() >= deadline:
            return now
        await asyncio.sleep(_LOOK_SECONDS)


async def _write_keys(system: System, target: Target, row: NodeRow) -> None:
    folder = Path(row.policy_dir)
    missing = await asyncio.to_thread(key_files.missing, folder, await _keys(system, target, row))
    if not missing:
        return
    async with system.db.reading() as connection:
        opened = await dkim_keys.private_keys(system, connection, {file.domain for file in missing})
    found = {key.file: key.pem for key in opened}
    wanted = {file: found[file] for file in missing if file in found}
    await asyncio.to_thread(key_files.write, folder, wanted, row.file_owner)


async def _keys(system: System, target: Target, row: NodeRow) -> frozenset[KeyFile]:
    """The private DKIM keys that the policy signs with, and those that the one before signed with."""
    async with system.db.reading() as connection:
        return await queries.key_files(connection, target.domains(row))


async def _switch(system: System, target: Target, row: NodeRow) -> None:
    try:
        await asyncio.to_thread(_put, system, target, row, target.bundle)
    except release_files.ContentNeeded as needed:
        async with system.db.reading() as connection:
            blobs = await queries.contents(connection, {target.bundle.elsewhere[path] for path in needed.paths})
        await asyncio.to_thread(_put, system, target, row, target.bundle.filled(blobs))


def _put(system: System, target: Target, row: NodeRow, bundle: Bundle) -> None:
    folder = Path(row.policy_dir)
    access.write_own_files(system, row)
    name = release_files.put_release(folder, target.number, bundle)
    system.reach("before-switch")
    switch_release(folder, name)
    system.reach("after-switch")


async def _report(system: System, number: int, row: NodeRow, seconds: float) -> NodeOutcome:
    """What the agent says within so many seconds."""
    now = await _watched(system, row, seconds, lambda one: one.running_release == number)
    if now is None:
        return NodeOutcome(node=row.name, ok=False, running_release=None, detail="was removed")
    if now.running_release == number:
        return NodeOutcome(node=row.name, ok=True, running_release=number, detail=f"runs release {number}")
    detail = WAITS + (f", which says: {now.last_error}" if now.last_error else "")
    return NodeOutcome(node=row.name, ok=False, running_release=now.running_release, detail=detail)


async def _confirm(system: System, number: int, row: NodeRow, seconds: float) -> NodeOutcome:
    if row.transport == "agent":
        return await _report(system, number, row, seconds)
    try:
        address = access.address(system, row)
        running = await probe.wait_until_running(system.kumod, address, number, seconds=seconds)
    except NodeFailed as error:
        await _note(system, row, last_error=error.detail)
        return NodeOutcome(node=row.name, ok=False, running_release=None, detail=error.detail)
    # A queue that was refreshed by the first bump may have met a pool cached just before it, and would keep that one
    # until the next bump: give it one, once the pools of the old release are forgotten.
    await asyncio.sleep(probe.POOL_SECONDS)
    await _bump(system, address)
    ok = running == number
    detail = f"runs release {running}" if ok else f"is switched to release {number} but still runs {running}"
    await _note(system, row, running_release=running, last_error=None if ok else detail)
    return NodeOutcome(node=row.name, ok=ok, running_release=running, detail=detail)


async def _bump(system: System, address: NodeAddress) -> None:
    try:
        await system.kumod.bump_epoch(address)
    except NodeFailed as error:
        # It runs the release by its own word, and reads its policy anew when it comes back.
        log.warning("second bump failed", node=address.name, detail=error.detail)


async def _note(system: System, row: NodeRow, **values: object) -> None:
    async with system.db.transaction() as connection:
        await nodes.change(connection, row.id, **values)


async def _tidy(system: System, target: Target, row: NodeRow) -> None:
    """Only once the node runs the release: until then it may need what is removed here."""
    folder, domains = Path(row.policy_dir), target.domains(row)
    keys = await _keys(system, target, row)
    settings = system.settings
    await asyncio.to_thread(
        release_files.prune,
        folder,
        kept=settings.node_releases_kept,
        days=settings.node_releases_kept_days,
        now=system.now(),
    )
    await asyncio.to_thread(key_files.remove_others, folder, keys, row.file_owner, domains=domains)


def lagging(rows: Iterable[NodeRow], number: int) -> list[NodeRow]:
    """The nodes that are not at the release, as far as we know."""
    return [row for row in rows if row.published_release != number or row.running_release != number]
