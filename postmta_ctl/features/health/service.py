"""How the parts are."""

from __future__ import annotations

from datetime import datetime, timedelta
from importlib.metadata import version

from sqlalchemy.exc import SQLAlchemyError

from postmta_ctl.features.health import queries
from postmta_ctl.features.health.schemas import Health, PartHealth, Status
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
    except (SQLAlchemyError, OSError) as error:
        parts = {"database": PartHealth(status="down", detail=type(error).__name__)}
    else:
        parts = {"database": PartHealth(status="ok"), "relay": _relay(due, oldest, now)}
        parts |= {f"node:{name}": _node(seen, error, now) for name, seen, error in nodes}
    return Health(status=_worst(parts), version=version("postmta-ctl"), parts=parts)


async def readiness(system: System) -> Health:
    """Ask the database whether it has the schema that this version works with."""
    parts = {"database": PartHealth(status="ok")}
    try:
        found = await current(system.db)
    except (SQLAlchemyError, OSError) as error:
        parts["database"] = PartHealth(status="down", detail=type(error).__name__)
    else:
        wanted = newest()
        is_current = found == wanted
        detail = "" if is_current else f"the database has {found}, this version works with {wanted}"
        parts["schema"] = PartHealth(status="ok" if is_current else "down", detail=detail)
    return Health(status=_worst(parts), version=version("postmta-ctl"), parts=parts)


def _relay(due: int, oldest: datetime | None, now: datetime) -> PartHealth:
    if oldest is None or now - oldest < BACKLOG_AGE:
        return PartHealth(status="ok")
    return PartHealth(status="degraded", detail=f"{due} recipients wait, the oldest since {oldest.isoformat()}")


def _node(seen: datetime | None, error: str | None, now: datetime) -> PartHealth:
    if seen is None:
        return PartHealth(status="degraded", detail=error or "not seen yet")
    if now - seen > SILENCE:
        return PartHealth(status="degraded", detail=error or f"not seen since {seen.isoformat()}")
    return PartHealth(status="ok")


def _worst(parts: dict[str, PartHealth]) -> Status:
    states = {part.status for part in parts.values()}
    order: tuple[Status, ...] = ("down", "degraded", "ok")
    return next(state for state in order if state in states)
