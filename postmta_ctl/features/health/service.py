"""How the parts are."""

from __future__ import annotations

from datetime import datetime, timedelta
from importlib.metadata import version

from sqlalchemy.exc import SQLAlchemyError

from postmta_ctl.features.health import queries
from postmta_ctl.features.health.queries import NodeSeen
from postmta_ctl.features.health.schemas import Health, PartHealth, Status
from postmta_ctl.features.metrics import queries as releases
from postmta_ctl.store.migrate import current, newest
from postmta_ctl.system import System

BACKLOG_AGE = timedelta(minutes=1)
"""Mail that has been due for longer than this means that the relay does not keep up."""
SILENCE = timedelta(minutes=2)
"""A node not seen for longer than this counts as down; it is looked at every few seconds."""


async def health(system: System) -> Health:
    """Ask the database, and through it the relay's backlog and the nodes."""
    now = system.now()
    try:
        async with system.db.reading() as connection:
            due, oldest = await queries.backlog(connection, now)
            nodes = await queries.nodes_seen(connection)
            newest_release = await releases.newest_release(connection)
    except (SQLAlchemyError, OSError) as error:
        parts = {"database": PartHealth(status="down", detail=type(error).__name__)}
    else:
        parts = {"database": PartHealth(status="ok"), "relay": _relay(due, oldest, now)}
        parts |= {f"node:{one.name}": _node(one, newest_release, now) for one in nodes}
    return _health(system, parts)


async def readiness(system: System) -> Health:
    """Ask the database whether it has the schema that this version works with, and the nodes for their release."""
    parts = {"database": PartHealth(status="ok")}
    try:
        found = await current(system.db)
        if found == newest():
            parts["policy"] = await _policy(system)
    except (SQLAlchemyError, OSError) as error:
        parts["database"] = PartHealth(status="down", detail=type(error).__name__)
    else:
        wanted = newest()
        is_current = found == wanted
        detail = "" if is_current else f"the database has {found}, this version works with {wanted}"
        parts["schema"] = PartHealth(status="ok" if is_current else "down", detail=detail)
    return _health(system, parts)


def _health(system: System, parts: dict[str, PartHealth]) -> Health:
    roles = sorted(system.settings.role_set)
    return Health(status=_worst(parts), version=version("postmta-ctl"), roles=roles, parts=parts)


def _relay(due: int, oldest: datetime | None, now: datetime) -> PartHealth:
    if oldest is None or now - oldest < BACKLOG_AGE:
        return PartHealth(status="ok")
    return PartHealth(status="degraded", detail=f"{due} recipients wait, the oldest since {oldest.isoformat()}")


def _node(node: NodeSeen, newest_release: int, now: datetime) -> PartHealth:
    seen, error = node.last_seen_at, node.last_error
    if seen is None:
        return PartHealth(status="degraded", detail=error or "not seen yet")
    if now - seen > SILENCE:
        return PartHealth(status="degraded", detail=error or f"not seen since {seen.isoformat()}")
    if newest_release and node.running_release != newest_release:
        return PartHealth(status="degraded", detail=_behind(node, newest_release))
    return PartHealth(status="ok")


async def _policy(system: System) -> PartHealth:
    """Whether every node runs the newest release, as far as it has told."""
    async with system.db.reading() as connection:
        nodes = await queries.nodes_seen(connection)
        newest_release = await releases.newest_release(connection)
    behind = [one for one in nodes if newest_release and one.running_release != newest_release]
    words = "; ".join(f"{one.name} {_behind(one, newest_release)}" for one in behind)
    return PartHealth(status="degraded" if behind else "ok", detail=words)


def _behind(node: NodeSeen, newest_release: int) -> str:
    found = "is not known to run a release" if node.running_release is None else f"runs release {node.running_release}"
    return f"{found}, the newest is {newest_release}"


def _worst(parts: dict[str, PartHealth]) -> Status:
    states = {part.status for part in parts.values()}
    order: tuple[Status, ...] = ("down", "degraded", "ok")
    return next(state for state in order if state in states)
