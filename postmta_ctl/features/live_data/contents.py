"""The content of files of live data, from the rows as they are now."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.auto_block import Action
from postmta_ctl.core.live_data import BLOCKED, suppression_file
from postmta_ctl.features.billing import catalogue
from postmta_ctl.features.live_data import queries
from postmta_ctl.features.live_data.queries import CredentialRow
from postmta_ctl.features.security.auto_block.block_queries import stops
from postmta_ctl.features.security.auto_block.coverage import submission_keys
from postmta_ctl.system import System

INSUFFICIENT_CREDITS, AUTO_BLOCK = "insufficient_credits", "auto_block"
AT_ONCE = 256
"""Files whose content is in memory at a time."""


def parts(paths: Sequence[str]) -> Iterator[Sequence[str]]:
    """The paths in parts that may be in memory together."""
    return (paths[start : start + AT_ONCE] for start in range(0, len(paths), AT_ONCE))


async def contents(system: System, connection: AsyncConnection, paths: Sequence[str]) -> dict[str, bytes]:
    """What each of these files has to hold."""
    shards: dict[str, dict[str, str]] = defaultdict(dict)
    for path in paths:
        folder, _, name = path.rpartition("/")
        shards[folder][name.removesuffix(".json")] = path
    found = await _suppressions(connection, shards["suppressions"])
    found |= await _credentials(connection, shards["credentials"])
    return found | ({BLOCKED: _json(await _blocked(system, connection))} if shards[""] else {})


async def _suppressions(connection: AsyncConnection, paths: Mapping[str, str]) -> dict[str, bytes]:
    entries: dict[str, list[tuple[str, str]]] = {shard: [] for shard in paths}
    for row in await queries.suppressed(connection, list(paths)):
        entries[row.shard].append((row.organization, row.address))
    # A part of a long list has tens of thousands of digests: too much for the event loop.
    return await asyncio.to_thread(lambda: {paths[shard]: suppression_file(each) for shard, each in entries.items()})


async def _credentials(connection: AsyncConnection, paths: Mapping[str, str]) -> dict[str, bytes]:
    entries: dict[str, dict[str, Any]] = {shard: {} for shard in paths}
    for row in await queries.credentials(connection, list(paths)):
        entries[row.shard][row.username] = _credential(row)
    return {paths[shard]: _json(each) for shard, each in entries.items()}


def _credential(row: CredentialRow) -> dict[str, Any]:
    """Times in seconds since 1970, since that is what Lua compares; what does not limit it is left out."""
    secrets: list[dict[str, Any]] = [{"digest": row.digest}]
    if row.previous_digest is not None and row.previous_until is not None:
        secrets.append({"digest": row.previous_digest, "until": int(row.previous_until.timestamp())})
    limits = {
        "domains": row.domains,
        "networks": row.allowed_ips,
        "expires": None if row.expires_at is None else int(row.expires_at.timestamp()),
    }
    known = {name: value for name, value in limits.items() if value is not None}
    return {"organization": row.organization, "secrets": secrets} | known


async def _blocked(system: System, connection: AsyncConnection) -> dict[str, str]:
    """An organization that has no subscription yet gets one, and its allowance, with its first message.

    A block that pauses keeps mail here; what comes to a node by SMTP cannot be kept here, and is put off. One that
    holds lets it come: its queue is held.
    """
    plans = catalogue.load(system.settings)
    empty = await queries.without_credits(connection)
    # A plan that is not metered needs no balance.
    credits = {row.slug: INSUFFICIENT_CREDITS for row in empty if not catalogue.plan_of(plans, row.plan).unmetered}
    pauses = await stops(connection, actions=[Action.PAUSE])
    return {key: AUTO_BLOCK for stop in pauses for key in submission_keys(stop)} | credits


def _json(value: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=1) + b"\n"
