"""The content of each file of live data, from the rows as they are now."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.live_data import BLOCKED, suppression_file
from postmta_ctl.features.billing import subscriptions
from postmta_ctl.features.live_data import queries
from postmta_ctl.features.live_data.queries import CredentialRow
from postmta_ctl.system import System

INSUFFICIENT_CREDITS = "insufficient_credits"


async def content(system: System, connection: AsyncConnection, path: str) -> bytes:
    """What a file has to hold."""
    folder, _, name = path.partition("/")
    if folder == "suppressions":
        return suppression_file(await queries.suppressed(connection, name))
    if folder == "credentials":
        rows = await queries.credentials(connection, name.removesuffix(".json"))
        return _json({row.username: _credential(row) for row in rows})
    assert path == BLOCKED, path
    return _json(await _blocked(system, connection))


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
    blocked = {}
    for organization_id, slug in await queries.without_credits(connection):
        # A plan that is not metered needs no balance.
        if not (await subscriptions.read(system, organization_id)).plan.unmetered:
            blocked[slug] = INSUFFICIENT_CREDITS
    return blocked


def _json(value: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=1) + b"\n"
