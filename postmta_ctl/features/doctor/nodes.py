"""The nodes: reachable, new enough, on the right release, by the right clock."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime

from postmta_ctl.compiler.bundle import KUMOMTA_VERSION
from postmta_ctl.errors import NodeFailed
from postmta_ctl.features.doctor import queries
from postmta_ctl.features.doctor.findings import Finding, Level
from postmta_ctl.features.nodes import access
from postmta_ctl.features.nodes.queries import NodeRow
from postmta_ctl.features.policy import drift
from postmta_ctl.features.policy.drift import NodeDrift
from postmta_ctl.system import System

PATIENCE_SECONDS = 10.0
SOME_SECONDS, MANY_SECONDS = 2.0, 60.0
"""A clock that differs by more makes events come in a strange order; by many, signatures and rate limits go wrong."""
_VERSION = re.compile(r"\d{4}\.\d{2}\.\d{2}")


async def look(system: System, rows: list[NodeRow]) -> list[Finding]:
    """Each node, and the release that it runs."""
    if not rows:
        todo = "postmta node add NAME --admin-url http://… --policy-dir /opt/kumomta/etc/policy"
        return [Finding(check="node", subject="nodes", level="warning", found="there is none yet", todo=todo)]
    seen = await asyncio.gather(*(_look_at(system, row) for row in rows))
    reachable = {findings[0].subject for findings in seen if findings[0].level != "error"}
    drifts = [one for one in await drift.look(system) if one.node in reachable]
    return [*(one for findings in seen for one in findings), *map(_release, drifts)]


async def _look_at(system: System, row: NodeRow) -> list[Finding]:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            address = access.address(system, row)
            info = await system.kumod.machine_info(address)
            theirs = await system.kumod.clock(address)
    except (NodeFailed, TimeoutError) as error:
        found = error.detail if isinstance(error, NodeFailed) else f"no answer within {PATIENCE_SECONDS:g} s"
        todo = f"See that kumod runs on {row.name}, that it listens at {row.admin_url}, and that this host may connect."
        return [Finding(check="node", subject=row.name, level="error", found=found, todo=todo)]
    clocks = [] if theirs is None else [difference(row.name, theirs, system.now())]
    return [_version(row, info.version), *clocks]


def _version(row: NodeRow, version: str) -> Finding:
    known = _VERSION.match(version)
    if known and known[0] < KUMOMTA_VERSION:
        todo = f"Upgrade it to KumoMTA {KUMOMTA_VERSION} or newer."
        return Finding(check="node", subject=row.name, level="error", found=f"runs KumoMTA {version}", todo=todo)
    return Finding(check="node", subject=row.name, level="ok", found=f"answers, KumoMTA {version[:60]}")


def _release(found: NodeDrift) -> Finding:
    if found.is_as_published and found.release is None:
        return Finding(
            check="release", subject=found.node, level="warning", found="none yet", todo="postmta policy publish"
        )
    if found.is_as_published:
        return Finding(check="release", subject=found.node, level="ok", found=f"runs release {found.release}")
    words = [*found.problems, *(f"{one.path} {one.kind}" for one in found.files[:3])]
    words += [f"not on the node: {one}" for one in found.missing_suspensions[:3]]
    words += [drift.path_text(one) for one in found.paths.differences[:3]] if found.paths else []
    words += [f"held on the node itself: {one}" for one in found.foreign_suspensions[:3]]
    todo = "postmta policy drift shows all of it, with --fix it is mended"
    return Finding(check="release", subject=found.node, level="error", found="; ".join(words), todo=todo)


def difference(whose: str, theirs: datetime, ours: datetime) -> Finding:
    """How far a clock is from ours. It is known to the second only, and was asked a moment ago."""
    seconds = abs((theirs.astimezone(UTC) - ours).total_seconds())
    level: Level = "error" if seconds > MANY_SECONDS else "warning" if seconds > SOME_SECONDS else "ok"
    found = f"differs by {seconds:.0f} s from the clock here"
    todo = "" if level == "ok" else "Run a time service such as chrony on both hosts."
    return Finding(check="clock", subject=whose, level=level, found=found, todo=todo)


async def database_clock(system: System) -> list[Finding]:
    """The clock of the database's server; an embedded one has none of its own."""
    if system.db.is_sqlite:
        return []
    async with system.db.reading() as connection:
        return [difference("database", await queries.server_time(connection), system.now())]
