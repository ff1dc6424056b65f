"""What drives the rotations of DKIM keys: each turn brings those that are due one step on, in one transaction each.

Killed at any point, a rotation is where its last commit left it, and its lease runs out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.compiler.names import shard_file, shard_of
from postmta_ctl.compiler.node_files import KeyFile
from postmta_ctl.core import dkim_rotation
from postmta_ctl.core.dkim import judge_dkim
from postmta_ctl.core.dkim_rotation import Look, Next
from postmta_ctl.core.verdicts import unknown
from postmta_ctl.errors import Busy, Conflict, InvalidRequest
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.domains import queries, rotation_queries
from postmta_ctl.features.domains.announcements import announce
from postmta_ctl.features.domains.queries import DomainRow, KeyRow
from postmta_ctl.features.domains.records import kept
from postmta_ctl.features.domains.rotation import announcement, begin, give_up
from postmta_ctl.features.domains.rotation_queries import RotationRow
from postmta_ctl.features.domains.rotation_view import KeyCheck
from postmta_ctl.features.domains.service import record_change
from postmta_ctl.features.nodes import key_files
from postmta_ctl.features.nodes import queries as nodes
from postmta_ctl.features.policy import queries as releases
from postmta_ctl.features.policy.bringing import LOCK
from postmta_ctl.luavm.formats import parse_duration
from postmta_ctl.store.locks import exclusive
from postmta_ctl.system import System

log = structlog.get_logger(__name__)

TURN = 20
LEASE = timedelta(minutes=2)
AUTOMATIC = "schedule"
"""Author of rotations that nobody asked for in person."""


async def rotate_keys(system: System) -> bool:
    """One turn. True when there may be more to do at once."""
    await _begin_overdue(system)
    async with system.db.transaction() as connection:
        due = await rotation_queries.lease(connection, system.now(), limit=TURN, lifetime=LEASE)
    for rotation in due:
        await advance(system, rotation)
    return len(due) >= TURN


async def _begin_overdue(system: System) -> None:
    async with system.db.reading() as connection:
        overdue = await rotation_queries.overdue(connection, system.now(), TURN)
        rows = [await queries.by_id(connection, *one) for one in overdue]
    for row in rows:
        if row is None:
            continue
        try:
            await begin(system, row, None, author=AUTOMATIC)
        except (Conflict, InvalidRequest) as error:
            log.warning("a rotation could not begin", domain=row.name, detail=error.detail)


async def look_now(system: System, domain_id: str) -> None:
    """Look at once whether the records of a rotation's new keys are published, if the domain has one that waits."""
    async with system.db.reading() as connection:
        rotation = await rotation_queries.latest(connection, domain_id)
    if rotation is not None and rotation.state == "publishing":
        await advance(system, rotation)


async def advance(system: System, rotation: RotationRow) -> None:
    """Bring a rotation one step on, if it is time."""
    steps: dict[str, Callable[[System, RotationRow], Any]] = {
        "publishing": _look,
        "switching": _confirm,
        "grace": _retire,
    }
    if rotation.state in steps:
        await steps[rotation.state](system, rotation)


async def _look(system: System, rotation: RotationRow) -> None:
    async with system.db.reading() as connection:
        row = await queries.of_id(connection, rotation.domain_id)
        new = (
            []
            if row is None
            else [key for key in (await queries.keys_of(connection, [row]))[row.id] if key.rotation_id == rotation.id]
        )
    if row is None:
        return
    found = await asyncio.gather(*(_look_up(system, row, key) for key in new))
    now = system.now()
    following = dkim_rotation.after_look(
        [look for _, look in found], since=rotation.created_at, not_before=rotation.not_before, now=now
    )
    async with system.db.transaction() as connection:
        await _note_look(connection, rotation, [check for check, _ in found], following, now)


async def _look_up(system: System, row: DomainRow, key: KeyRow) -> tuple[KeyCheck, Look]:
    answer = await system.resolver.lookup(f"{key.selector}._domainkey.{row.name}", "TXT")
    failed = answer.status == "failed"
    verdict = unknown("DNS gave no answer.") if failed else judge_dkim(key.public_record, answer.values)
    check = KeyCheck(selector=key.selector, verdict=verdict, found=kept(answer.values))
    return check, Look(verdict=verdict.verdict, ttl=answer.ttl)


async def _note_look(
    connection: AsyncConnection, rotation: RotationRow, checks: Sequence[KeyCheck], following: Next, now: datetime
) -> None:
    row, current = await _locked(connection, rotation, "publishing")
    if row is None or current is None:
        return
    if row.verified_at is None or now - current.created_at > dkim_rotation.GIVE_UP:
        await give_up(connection, row, current, now)
        return
    looked = msgspec.structs.replace(
        current,
        checks=list(checks),
        checked_at=now,
        not_before=following.not_before,
        verified_at=(current.verified_at or now) if following.is_found else None,
        due_at=following.due_at,
    )
    if following.may_switch(now):
        await _switch(connection, row, looked, now)
    else:
        await rotation_queries.save(connection, looked)


async def _switch(connection: AsyncConnection, row: DomainRow, rotation: RotationRow, now: datetime) -> None:
    """The new keys sign from the next release on, whatever process makes it: the rows say so from this commit on."""
    await record_change(connection, row, rotation.author, f"domain {row.name} signs with new keys", now)
    following = now + dkim_rotation.FOR_NODES
    switched = msgspec.structs.replace(rotation, state="switching", switched_at=now, due_at=following)
    await rotation_queries.switch_keys(connection, switched)
    await rotation_queries.save(connection, switched)
    await queries.check_soon(connection, row, now)
    await _tell(connection, row, switched, "domain.dkim_rotation_switched", now)


async def _confirm(system: System, rotation: RotationRow) -> None:
    now = system.now()
    async with system.db.transaction() as connection:
        row, current = await _locked(connection, rotation, "switching")
        if row is None or current is None:
            return
        if not await _is_behind_us(connection, row, rotation):
            following = msgspec.structs.replace(current, due_at=now + dkim_rotation.FOR_NODES)
        else:
            retire_at = now + _grace(system)
            following = msgspec.structs.replace(
                current, state="grace", confirmed_at=now, retire_at=retire_at, due_at=retire_at
            )
        await rotation_queries.save(connection, following)


async def _is_behind_us(connection: AsyncConnection, row: DomainRow, rotation: RotationRow) -> bool:
    """Whether no node signs with the old keys: the release that all of them run names none.

    What counts is what the release holds, and not which changes it took up: one may be rolled back.
    """
    release = await releases.latest(connection)
    if release is None or await rotation_queries.nodes_behind(connection, release.number):
        return False
    named = await _key_ids(connection, release.number, row.name)
    known = (await queries.keys_of(connection, [row]))[row.id]
    return not any(key.id in named for key in known if key.retired_by == rotation.id)


async def _key_ids(connection: AsyncConnection, release: int, domain: str) -> set[str]:
    """Ids of the keys that a release signs mail from the domain with."""
    files = await releases.files_of(connection, release)
    shards = sum(path.startswith("data/domains/") for path in files)
    digest = files[shard_file("domains", shard_of(domain, shards))]
    shard = msgspec.json.decode((await releases.contents(connection, {digest}))[digest])
    return {key["id"] for key in shard[domain]["keys"]} if domain in shard else set()


def _grace(system: System) -> timedelta:
    lifetime = timedelta(seconds=parse_duration(system.settings.policy.max_age))
    return dkim_rotation.grace(timedelta(days=system.settings.dkim_grace_days), lifetime)


async def _retire(system: System, rotation: RotationRow) -> None:
    """Take the old private keys from every node, then from the database; a publication must not bring them back."""
    now = system.now()
    if rotation.retire_at is None or rotation.retire_at > now:
        return
    try:
        async with exclusive(system.db, LOCK, wait=0):
            if await _is_needed(system, rotation):
                return
            await _remove_files(system, rotation)
            async with system.db.transaction() as connection:
                await _forget(connection, rotation, now)
    except (Busy, OSError) as error:
        log.warning("old DKIM keys stay for now", rotation=rotation.id, detail=str(error))


async def _is_needed(system: System, rotation: RotationRow) -> bool:
    """Whether a node signs with the old keys again, since an older policy was published."""
    async with system.db.reading() as connection:
        row = await queries.of_id(connection, rotation.domain_id)
        return row is not None and not await _is_behind_us(connection, row, rotation)


async def _remove_files(system: System, rotation: RotationRow) -> None:
    async with system.db.reading() as connection:
        row = await queries.of_id(connection, rotation.domain_id)
        if row is None:
            return
        known = (await queries.keys_of(connection, [row]))[row.id]
        rows = await nodes.all_nodes(connection)
    files = [KeyFile(row.name, key.selector, key.id) for key in known if key.retired_by == rotation.id]
    # An agent removes by itself what is no longer among the keys that belong on nodes.
    for node in (row for row in rows if row.transport == "folder"):
        await asyncio.to_thread(key_files.remove, Path(node.policy_dir), files, node.file_owner)


async def _forget(connection: AsyncConnection, rotation: RotationRow, now: datetime) -> None:
    row, current = await _locked(connection, rotation, "grace")
    if row is None or current is None:
        return
    done = msgspec.structs.replace(current, state="done", finished_at=now, due_at=None)
    await rotation_queries.retire_keys(connection, done)
    await rotation_queries.save(connection, done)
    await _tell(connection, row, done, "domain.dkim_rotation_completed", now)


async def _locked(
    connection: AsyncConnection, rotation: RotationRow, state: str
) -> tuple[DomainRow | None, RotationRow | None]:
    """Domain and rotation as they are now; none if somebody else has brought the rotation on."""
    row = await queries.of_id(connection, rotation.domain_id, lock=True)
    current = await rotation_queries.by_id(connection, rotation.id)
    return row, current if current is not None and current.state == state else None


async def _tell(connection: AsyncConnection, row: DomainRow, rotation: RotationRow, kind: str, now: datetime) -> None:
    known = (await queries.keys_of(connection, [row]))[row.id]
    told = announcement(row, rotation, known)
    await announce(connection, row, [(kind, told)], now)
    await audit.record(
        connection,
        None,
        kind,
        row.id,
        after=told,
        now=now,
        organization_id=row.organization_id,
        actor=rotation.author,
    )
    log.info(kind, domain=row.name, rotation=rotation.id)
