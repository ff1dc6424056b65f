"""Bringing live data to the nodes, every second: what changed is written, nothing is published or reloaded.

A change is on the nodes ``every`` second of the job after its commit, plus the time to write its file; a node whose
folder cannot be written to goes on by what it has.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path

import structlog

from postmta_ctl.core.live_data import BLOCKED
from postmta_ctl.errors import Busy
from postmta_ctl.features.live_data import node_folder, queries
from postmta_ctl.features.live_data.contents import contents, parts
from postmta_ctl.features.nodes.queries import NodeRow, all_nodes
from postmta_ctl.store.locks import exclusive
from postmta_ctl.system import System

log = structlog.get_logger(__name__)

TURN = 20_000
"""Changes that one run takes up: an import of many addresses changes the same files again and again."""


async def refresh_live_data(system: System) -> bool:
    """Take up what has changed, and bring every node to it. True when more changes wait."""
    if await _is_settled(system):
        return False
    try:
        async with exclusive(system.db, "live-data", wait=0):
            more = await take_up(system)
            await deliver(system)
            return more
    except Busy:
        return False


async def _is_settled(system: System) -> bool:
    """Whether there is nothing to do, which is what most turns find, and which needs no lock."""
    async with system.db.reading() as connection:
        if await queries.changes(connection, 1):
            return False
        known = await queries.digests(connection, [BLOCKED])
        found = await contents(system, connection, [BLOCKED])
        newest = await queries.newest_version(connection)
        rows = await all_nodes(connection)
    return known.get(BLOCKED) == _digest(found[BLOCKED]) and not await _behind(rows, newest)


async def _behind(rows: Sequence[NodeRow], newest: int) -> list[tuple[NodeRow, int]]:
    """The nodes whose folder is there and lacks something, with the version that it is at."""
    # An agent asks for what its node lacks.
    rows = [row for row in rows if row.transport == "folder"]
    folders = (Path(row.policy_dir) for row in rows)
    versions = await asyncio.gather(*(asyncio.to_thread(node_folder.version, folder) for folder in folders))
    pairs = zip(rows, versions, strict=True)
    return [(row, version) for row, version in pairs if version is not None and version < newest]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def take_up(system: System) -> bool:
    """Give each file whose content is another than before a new version; whether more changes wait.

    The content is read no earlier than the changes that are dropped for it, so no file is older than they are.
    """
    async with system.db.reading() as connection:
        changes = await queries.changes(connection, TURN)
        paths = sorted({row.path for row in changes} | {BLOCKED})
        known = await queries.digests(connection, paths)
        found = {
            path: _digest(content)
            for part in parts(paths)
            for path, content in (await contents(system, connection, part)).items()
        }
    changed = [(path, digest) for path, digest in found.items() if known.get(path) != digest]
    if changed or changes:
        async with system.db.transaction() as connection:
            if changed:
                await queries.keep(connection, changed, await queries.newest_version(connection) + 1)
            await queries.forget_changes(connection, [row.id for row in changes])
    return len(changes) == TURN


async def deliver(system: System) -> None:
    """Write to each node what has changed since its version."""
    async with system.db.reading() as connection:
        newest = await queries.newest_version(connection)
        rows = await all_nodes(connection)
    await asyncio.gather(*(_bring(system, row, version, newest) for row, version in await _behind(rows, newest)))


async def _bring(system: System, row: NodeRow, version: int, newest: int) -> None:
    async with system.db.reading() as connection:
        paths = await queries.changed_since(connection, version)
    try:
        for part in parts(paths):
            await _write(system, row, part)
        await asyncio.to_thread(node_folder.set_version, Path(row.policy_dir), newest, row.file_owner)
    except (OSError, LookupError) as error:
        log.warning("live data cannot be written", node=row.name, error=str(error))
    else:
        log.info("live data", node=row.name, version=newest, files=len(paths))


async def _write(system: System, row: NodeRow, paths: Sequence[str]) -> None:
    async with system.db.reading() as connection:
        files = await contents(system, connection, paths)
    await asyncio.to_thread(node_folder.write, Path(row.policy_dir), files, row.file_owner)
