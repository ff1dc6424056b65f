"""Drift: how a node differs from what it should be, and bringing it back.

A release is never changed in place by us, so whatever differs was done by hand or by a failing disk. It is shown, and
overwritten only when somebody asks for that; what was there by hand is then kept beside the releases.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from postmta_ctl.clients.kumod import NodeAddress
from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.names import release_folder
from postmta_ctl.compiler.node_files import KeyFile, current_release, launcher
from postmta_ctl.core.drift import FileDifference, differences
from postmta_ctl.errors import NodeFailed
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.nodes import access, key_files, probe, release_files
from postmta_ctl.features.nodes import queries as nodes
from postmta_ctl.features.nodes.queries import NodeRow
from postmta_ctl.features.policy import bringing, queries
from postmta_ctl.features.policy.draft import load_bundle
from postmta_ctl.features.policy.releasing import By
from postmta_ctl.features.policy.rollout import NodeOutcome
from postmta_ctl.features.queues import queries as holds
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
    foreign_suspensions: list[str] = []
    """Holds that somebody placed on the node itself: reason and queue of each."""


@dataclass(frozen=True)
class Wanted:
    """What a node should have."""

    number: int
    bundle: Bundle
    keys: frozenset[KeyFile]
    suspensions: frozenset[str]
    """Ids of those that we placed."""

    @property
    def folder(self) -> str:
        """Name of the release's folder."""
        return release_folder(self.number, self.bundle.digest)


async def look(system: System) -> list[NodeDrift]:
    """How each node differs from what it should be, by name; nothing is changed."""
    return (await _looked(system))[1]


async def watch_drift(system: System) -> None:
    """Look at every node, and note on its row what differs; a job."""
    for row, found in zip(*await _looked(system), strict=True):
        problem = None if found.is_as_published else f"drift: {_summary(found)}"
        known = row.last_error if (row.last_error or "").startswith("drift: ") else None
        if problem != known and (problem is not None or row.last_error == known):
            async with system.db.transaction() as connection:
                await nodes.change(connection, row.id, last_error=problem)
            log.warning("drift", node=row.name, problem=problem)


async def fix(system: System, by: By) -> list[NodeOutcome]:
    """Bring every node that differs back to its release; files that were changed by hand are kept beside it.

    Raises:
        Busy: A publication is under way.
    """
    async with exclusive(system.db, bringing.LOCK):
        rows, wanted = await _wanted(system)
        found = await asyncio.gather(*(_look_at(system, row, wanted.get(row.name)) for row in rows))
        outcomes: list[NodeOutcome] = []
        for row, drift in zip(rows, found, strict=True):
            if not drift.is_as_published and row.name in wanted:
                outcomes += await _mend(system, row, wanted[row.name], drift, by)
        return outcomes


async def _mend(system: System, row: NodeRow, wanted: Wanted, drift: NodeDrift, by: By) -> list[NodeOutcome]:
    try:
        if drift.files:
            await asyncio.to_thread(release_files.replace, Path(row.policy_dir), wanted.number, wanted.bundle)
    except OSError as error:
        detail = f"cannot write to {row.policy_dir}: {error}"
        return [NodeOutcome(node=row.name, ok=False, running_release=row.running_release, detail=detail)]
    outcomes = await bringing.bring(system, wanted.number, wanted.bundle, only=[row.name])
    async with system.db.transaction() as connection:
        after = {"release": wanted.number, "files": [one.path for one in drift.files], "problems": drift.problems}
        await audit.record(
            connection, by.principal, "node.drift_fixed", row.id, after=after, now=system.now(), actor=by.name
        )
    return outcomes


async def _looked(system: System) -> tuple[list[NodeRow], list[NodeDrift]]:
    rows, wanted = await _wanted(system)
    return rows, list(await asyncio.gather(*(_look_at(system, row, wanted.get(row.name)) for row in rows)))


async def _wanted(system: System) -> tuple[list[NodeRow], dict[str, Wanted]]:
    """The nodes, and what each should have; one that no release is for is not in the latter."""
    async with system.db.reading() as connection:
        rows = await nodes.all_nodes(connection)
        assigned = bringing.assign(await queries.latest(connection), await queries.canary(connection), rows)
        keys = await queries.key_files(connection)
        suspensions = frozenset(await holds.suspension_ids(connection))
        wanted: dict[str, Wanted] = {}
        for number, some in assigned.items():
            bundle = await load_bundle(connection, await queries.files_of(connection, number))
            wanted |= {row.name: Wanted(number, bundle, keys, suspensions) for row in some}
    return rows, wanted


async def _look_at(system: System, row: NodeRow, wanted: Wanted | None) -> NodeDrift:
    if wanted is None:
        return NodeDrift(node=row.name, is_as_published=True, release=None, running_release=row.running_release)
    files: list[FileDifference] = []
    problems: list[str] = []
    if row.transport == "folder":
        files, problems = await asyncio.to_thread(_files, Path(row.policy_dir), wanted)
    running, foreign = None, []
    try:
        address = access.address(system, row)
        running = await probe.running_release(system.kumod, address)
        foreign = await _foreign_suspensions(system, address, wanted.suspensions)
    except NodeFailed as error:
        problems.append(error.detail)
    if running not in (None, wanted.number):
        problems.append(f"runs release {running}")
    return NodeDrift(
        node=row.name,
        is_as_published=not (files or problems or foreign),
        release=wanted.number,
        running_release=running,
        problems=problems,
        files=files[:SHOWN],
        foreign_suspensions=foreign,
    )


def _files(folder: Path, wanted: Wanted) -> tuple[list[FileDifference], list[str]]:
    problems = []
    if current_release(folder) != wanted.folder:
        problems.append(f"is switched to {current_release(folder) or 'no release'}, not to {wanted.folder}")
    start = folder / "init.lua"
    if not start.is_file() or start.read_text(errors="replace") != launcher(folder):
        problems.append("init.lua, which kumod is started with, is not as it was written")
    problems += [
        f"the DKIM key {file.domain}/{file.selector} is missing" for file in key_files.missing(folder, wanted.keys)
    ]
    root = folder / "releases" / wanted.folder
    contents = wanted.bundle.contents(wanted.number)
    there = {
        path.relative_to(root).as_posix(): _digest(path.read_bytes()) for path in root.rglob("*") if path.is_file()
    }
    should = {path: _digest(content) for path, content in contents.items()}
    prefix = f"releases/{wanted.folder}/"
    return differences(_under(prefix, should), _under(prefix, there)), problems


def _under(prefix: str, digests: Mapping[str, str]) -> dict[str, str]:
    return {prefix + path: digest for path, digest in digests.items()}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def _foreign_suspensions(system: System, node: NodeAddress, ours: Collection[str]) -> list[str]:
    return [one.text for one in await system.kumod.suspensions(node) if one.id not in ours]


def _summary(found: NodeDrift) -> str:
    parts = list(found.problems)
    if found.files:
        count = len(found.files)
        parts.append(f"{count} file{'s differ' if count > 1 else ' differs'}: {found.files[0].path}")
    if found.foreign_suspensions:
        parts.append(f"holds placed on the node itself: {', '.join(found.foreign_suspensions)}")
    return "; ".join(parts)
