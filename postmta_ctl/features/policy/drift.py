"""Drift: how a node differs from what it should be, and bringing it back.

A release is never changed in place by us, so whatever differs was done by hand or by a failing disk. It is shown, and
overwritten only when somebody asks for that; what was there by hand is then kept beside the releases.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import structlog

from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.node_files import KeyFile
from postmta_ctl.core.drift import FileDifference, PathComparison, PathDifference
from postmta_ctl.errors import NodeFailed
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.nodes import access, folder_drift, probe, release_files
from postmta_ctl.features.nodes import queries as nodes
from postmta_ctl.features.nodes.folder_drift import FolderDrift
from postmta_ctl.features.nodes.queries import NodeRow
from postmta_ctl.features.policy import bringing, drift_paths, drift_suspensions, queries, rollout
from postmta_ctl.features.policy.draft import load_bundle
from postmta_ctl.features.policy.drift_suspensions import Live, Ours, Suspended
from postmta_ctl.features.policy.releasing import By
from postmta_ctl.features.policy.rollout import NodeOutcome
from postmta_ctl.store.locks import exclusive
from postmta_ctl.system import System

log = structlog.get_logger(__name__)

SHOWN = 100
"""Files listed for one node at most."""


class NodeDrift(msgspec.Struct, frozen=True, kw_only=True):
    """How one node differs from the release that it should run."""

    node: str
    is_as_published: bool
    release: int | None
    """The one that it should run; null before the first."""
    running_release: int | None
    """What it says it runs; null when it does not answer."""
    problems: list[str] = []
    """In words, the files aside."""
    files: list[FileDifference] = []
    """At most a hundred."""
    missing_suspensions: list[str] = []
    """Holds, and pauses of vMTAs, that the node should have and does not."""
    foreign_suspensions: list[str] = []
    """Holds that somebody placed on the node itself: reason and queue of each. They are not taken away."""
    automatic_suspensions: list[str] = []
    """Those that KumoMTA's traffic shaping automation placed: as they should be."""
    paths: PathComparison | None = None
    """How the node would send now; null where it was not asked."""


@dataclass(frozen=True)
class Wanted:
    """What a node should have."""

    number: int
    bundle: Bundle
    keys: frozenset[KeyFile]


@dataclass(frozen=True)
class Seen:
    """A node, and how it differs."""

    row: NodeRow
    drift: NodeDrift
    suspended: Suspended


async def look(system: System, *, paths: bool = True) -> list[NodeDrift]:
    """How each node differs from what it should be, by name; nothing is changed.

    Args:
        system: The parts.
        paths: Also ask how it would send, which takes longer.
    """
    return [one.drift for one in await _looked(system, paths=paths)]


async def watch_drift(system: System) -> None:
    """Look at every node, and note on its row what differs; a job."""
    for one in await _looked(system):
        row, problem = one.row, None if one.drift.is_as_published else f"drift: {summary(one.drift)}"
        known = row.last_error if (row.last_error or "").startswith("drift: ") else None
        if problem != known and (problem is not None or row.last_error == known):
            async with system.db.transaction() as connection:
                await nodes.change(connection, row.id, last_error=problem)
            log.warning("drift", node=row.name, problem=problem)


async def fix(system: System, by: By) -> list[NodeOutcome]:
    """Bring every node that differs back to its release; files that were changed by hand are kept beside it.

    Holds and pauses that a node lost are placed again. What somebody else suspended on it stays.

    Raises:
        Busy: A publication is under way, or holds are changed.
    """
    async with exclusive(system.db, bringing.LOCK):
        wanted = await _wanted(system)
        differing = [one for one in await _looked(system) if not one.drift.is_as_published]
        outcomes = [outcome for one in differing for outcome in await _mend(system, one, wanted[one.row.name], by)]
        if any(one.suspended.missing or one.suspended.lingering for one in differing):
            await drift_suspensions.apply_again(system, [one.suspended for one in differing])
        now = {one.row.name: one.drift for one in await _looked(system)} if differing else {}
        return [_judged(outcome, now.get(outcome.node)) for outcome in outcomes]


def _judged(outcome: NodeOutcome, now: NodeDrift | None) -> NodeOutcome:
    """What still differs is said, whatever went well."""
    if not outcome.ok or now is None or now.is_as_published:
        return outcome
    return msgspec.structs.replace(outcome, ok=False, detail=f"still differs: {summary(now)}")


async def _mend(system: System, one: Seen, wanted: Wanted, by: By) -> list[NodeOutcome]:
    row, drift, problem = one.row, one.drift, None
    try:
        if drift.files:
            problem = await _replace(system, row, wanted)
    except OSError as error:
        detail = f"cannot write to {row.policy_dir}: {error}"
        return [NodeOutcome(node=row.name, ok=False, running_release=row.running_release, detail=detail)]
    outcomes = await bringing.bring(system, wanted.number, wanted.bundle, only=[row.name])
    if problem is not None:
        outcomes = [msgspec.structs.replace(outcome, ok=False, detail=problem) for outcome in outcomes]
    async with system.db.transaction() as connection:
        problems = [*drift.problems, *drift.missing_suspensions]
        after = {"release": wanted.number, "files": [one.path for one in drift.files], "problems": problems}
        await audit.record(
            connection, by.principal, "node.drift_fixed", row.id, after=after, now=system.now(), actor=by.name
        )
    return outcomes


async def _replace(system: System, row: NodeRow, wanted: Wanted) -> str | None:
    """Put the release in the place of what was changed by hand; what there is to wait for, if anything."""
    if row.transport == "folder":
        await asyncio.to_thread(release_files.replace, Path(row.policy_dir), wanted.number, wanted.bundle)
        return None
    is_done = await rollout.replace_by_agent(system, wanted.number, row, bringing.PROBE_SECONDS)
    return None if is_done else rollout.WAITS


async def _looked(system: System, *, paths: bool = True) -> list[Seen]:
    wanted = await _wanted(system)
    async with system.db.reading() as connection:
        rows = await nodes.all_nodes(connection)
        before = await drift_suspensions.ours(connection, system.now())
    asked = await asyncio.gather(*(_ask(system, row, wanted.get(row.name), before, paths=paths) for row in rows))
    async with system.db.reading() as connection:
        after = await drift_suspensions.ours(connection, system.now())
    return [_judge(row, wanted.get(row.name), found, before, after) for row, found in zip(rows, asked, strict=True)]


async def _wanted(system: System) -> dict[str, Wanted]:
    """What each node should have, by its name; one that no release is for is not in it."""
    async with system.db.reading() as connection:
        rows = await nodes.all_nodes(connection)
        assigned = bringing.assign(await queries.latest(connection), await queries.canary(connection), rows)
        keys = await queries.key_files(connection)
        wanted: dict[str, Wanted] = {}
        for number, some in assigned.items():
            bundle = await load_bundle(connection, await queries.files_of(connection, number))
            wanted |= {row.name: Wanted(number, bundle, keys) for row in some}
    return wanted


@dataclass
class Found:
    """What was seen of a node."""

    files: list[FileDifference] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    running: int | None = None
    live: Live | None = None
    paths: PathComparison | None = None


async def _ask(system: System, row: NodeRow, wanted: Wanted | None, before: Ours, *, paths: bool) -> Found:
    found = Found()
    if wanted is None:
        return found
    folder = await _folder(row, wanted)
    found.files, found.problems = folder.files, [*folder.problems]
    try:
        address = access.address(system, row)
        found.running = await probe.running_release(system.kumod, address)
        if found.running not in (None, wanted.number):
            found.problems.append(f"runs release {found.running}")
        found.live = await drift_suspensions.ask(system, address, before)
        if paths:
            found.paths = await drift_paths.compare(system, address, wanted.bundle)
    except NodeFailed as error:
        found.problems.append(error.detail)
    return found


async def _folder(row: NodeRow, wanted: Wanted) -> FolderDrift:
    if row.transport == "folder":
        manifest = wanted.bundle.manifest(wanted.number)
        return await asyncio.to_thread(folder_drift.compare, Path(row.policy_dir), manifest, wanted.keys)
    said = row.folder_drift if row.published_release == wanted.number else None
    return msgspec.convert(said or {}, FolderDrift)


def _judge(row: NodeRow, wanted: Wanted | None, found: Found, before: Ours, after: Ours) -> Seen:
    if wanted is None:
        nothing = NodeDrift(node=row.name, is_as_published=True, release=None, running_release=row.running_release)
        return Seen(row, nothing, Suspended())
    held = Suspended() if found.live is None else drift_suspensions.compare(row, before, found.live, after)
    problems = [*found.problems, *held.lingering]
    differs = found.files or problems or held.missing or held.foreign or (found.paths and found.paths.differences)
    drift = NodeDrift(
        node=row.name,
        is_as_published=not differs,
        release=wanted.number,
        running_release=found.running,
        problems=problems[:SHOWN],
        files=found.files[:SHOWN],
        missing_suspensions=held.missing[:SHOWN],
        foreign_suspensions=held.foreign[:SHOWN],
        automatic_suspensions=held.automatic[:SHOWN],
        paths=found.paths,
    )
    return Seen(row, drift, held)


def summary(found: NodeDrift) -> str:
    """What differs, in a line."""
    parts = list(found.problems)
    if found.files:
        count = len(found.files)
        parts.append(f"{count} file{'s differ' if count > 1 else ' differs'}: {found.files[0].path}")
    if found.missing_suspensions:
        parts.append(f"not on the node: {', '.join(found.missing_suspensions)}")
    if found.foreign_suspensions:
        parts.append(f"holds placed on the node itself: {', '.join(found.foreign_suspensions)}")
    parts += [path_text(one) for one in found.paths.differences[:1]] if found.paths else []
    return "; ".join(parts)


def path_text(one: PathDifference) -> str:
    """An option that is another on the node."""
    return f"{one.source} to {one.domain}: {one.option} is {one.found}, not {one.wanted}"
