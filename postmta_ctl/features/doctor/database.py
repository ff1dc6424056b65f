"""The database: does it answer, has it the right schema, is it sound, and do our secrets open it."""

from __future__ import annotations

from sqlalchemy.exc import SQLAlchemyError

from postmta_ctl.errors import NodeFailed
from postmta_ctl.features.doctor import queries
from postmta_ctl.features.doctor.findings import Finding
from postmta_ctl.features.nodes import access
from postmta_ctl.features.nodes.queries import NodeRow
from postmta_ctl.features.sealing import service as sealing
from postmta_ctl.store.migrate import current, newest
from postmta_ctl.system import System


async def look(system: System) -> list[Finding]:
    """Whether it can be used at all; when one of these is an error, nothing else is worth asking."""
    try:
        schema = await current(system.db)
        damage = await _damage(system)
    except (SQLAlchemyError, OSError) as error:
        words = str(getattr(error, "orig", None) or error).splitlines()[0][:300]
        todo = "See that it runs and that POSTMTA_DATABASE_URL is right; an SQLite file that is damaged: restore it."
        return [_finding("error", f"cannot be used: {words}", todo)]
    found = [
        _finding("error", one, "Stop the service, and restore the last backup (docs/operating.md).") for one in damage
    ]
    if schema != newest():
        words = f"has the schema {schema or 'of nothing yet'}; this version works with {newest()}"
        return [*found, _finding("error", words, "postmta db upgrade")]
    return found or [_finding("ok", f"answers, is sound, and has the newest schema, {schema}")]


async def _damage(system: System) -> list[str]:
    if not system.db.is_sqlite:
        return []
    async with system.db.reading() as connection:
        return await queries.damage(connection)


async def secrets(system: System, nodes: list[NodeRow]) -> list[Finding]:
    """Whether the master key is the one that the database was sealed under, or a former one is."""
    for node in nodes:
        try:
            access.address(system, node)
        except NodeFailed:
            todo = "Put back the master key of the time before (POSTMTA_MASTER_KEY, or secrets/master.key of a backup)"
            todo += ", or name it in POSTMTA_FORMER_MASTER_KEYS."
            return [_finding("error", "its secrets cannot be opened: the master key is another one", todo)]
    left = await sealing.waiting(system)
    if left:
        words = f"{left} of its secrets are sealed under a former master key"
        return [_finding("warning", words, "postmta db reseal")]
    return []


def _finding(level: str, found: str, todo: str = "") -> Finding:
    return Finding(check="database", subject="database", level=level, found=found, todo=todo)  # type: ignore[arg-type]
