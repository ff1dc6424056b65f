"""Looking at the nodes every few seconds: are they there, since when, and what do they run."""

from __future__ import annotations

import asyncio
from typing import Any

from postmta_ctl.clients.kumod import NodeAddress
from postmta_ctl.errors import NodeFailed
from postmta_ctl.features.nodes import access, probe, queries
from postmta_ctl.features.nodes.queries import NodeRow
from postmta_ctl.system import System

PATIENCE_SECONDS = 5.0
"""A node that takes longer to say who it is counts as away."""


async def watch_nodes(system: System) -> None:
    """Look at every node once."""
    async with system.db.reading() as connection:
        rows = await queries.all_nodes(connection)
    await asyncio.gather(*(look_at(system, row) for row in rows))


async def look_at(system: System, row: NodeRow) -> None:
    """Ask a node who it is, and what it runs if that is not known or it was restarted; note the answers."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            seen = await _ask(system, row)
    except NodeFailed as error:
        seen = {"last_error": error.detail}
    except TimeoutError:
        seen = {"last_error": f"node {row.name}: no answer within {PATIENCE_SECONDS:g} s"}
    if all(getattr(row, name) == value for name, value in seen.items()):
        return
    async with system.db.transaction() as connection:
        await queries.change(connection, row.id, **seen)


async def _ask(system: System, row: NodeRow) -> dict[str, Any]:
    address = access.address(system, row)
    info = await system.kumod.machine_info(address)
    seen: dict[str, Any] = {"last_seen_at": system.now(), "online_since": info.online_since}
    if row.running_release is None or row.online_since != info.online_since:
        seen |= await _running(system, address)
    elif row.running_release == row.published_release:
        # Else it says what is wrong with the roll-out, and stays until that is mended.
        seen["last_error"] = None
    return seen


async def _running(system: System, address: NodeAddress) -> dict[str, Any]:
    try:
        return {"running_release": await probe.running_release(system.kumod, address), "last_error": None}
    except NodeFailed as error:
        return {"running_release": None, "last_error": error.detail}
