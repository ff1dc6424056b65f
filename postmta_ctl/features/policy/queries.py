"""SQL of releases, and of what waits for one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.compiler.bundle import ChangeClass
from postmta_ctl.compiler.node_files import KeyFile
from postmta_ctl.core.canary import Figures
from postmta_ctl.features.policy.proofs import Proof
from postmta_ctl.features.policy.prover import Basis
from postmta_ctl.store.tables import blobs, dkim_keys, domains, events, organizations, policy_changes, releases

_CHUNK = 1000
"""Values in one statement; SQLite and PostgreSQL take some 32,000."""
T = TypeVar("T", int, str)


class ChangeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the configuration that has an effect on the policy."""

    id: int
    organization_id: str | None
    author: str
    summary: str
    domains: tuple[str, ...] | None
    """Names of the sending domains that it may be about; None: it may be about all."""
    created_at: datetime


State: TypeAlias = Literal["proposed", "rejected", "superseded", "canary", "stopped", "published"]
"""Of a release.

``proposed``: waits for somebody else than its author; ``rejected`` by that person; ``superseded`` by a later proposal
or publication. ``canary``: some nodes run it; ``stopped``: they did. ``published``: every node ran it, or still does.
"""


class Canary(msgspec.Struct, frozen=True, kw_only=True):
    """Some nodes that run a release before the others do."""

    nodes: tuple[str, ...]
    until: datetime
    first_event: int
    """Id of the newest event when they began to."""
    before: Figures
    """What receivers answered them until then."""
    change_ids: tuple[int, ...]
    """The changes that the release takes up when every node gets it."""


class ReleaseRow(msgspec.Struct, frozen=True, kw_only=True):
    """A release without its contents."""

    number: int
    digest: str
    author: str
    reason: str
    change_class: ChangeClass
    proofs: tuple[Proof, ...]
    state: State
    rollback_to: int | None
    approved_by: str | None
    note: str | None
    canary: Canary | None
    basis: Basis | None
    files_removed_at: datetime | None = None
    """Since when only the record of it is kept."""
    published_at: datetime | None
    created_at: datetime


_LARGEST = 2**31 - 1
"""What a number of a release may be."""
_RECENT_EVENTS = 50_000
"""As many events say how mail went before a canary: bounded, however many are kept."""
_CHANGE = select(*(policy_changes.c[name] for name in ChangeRow.__struct_fields__))
_RELEASE = select(*(releases.c[name] for name in ReleaseRow.__struct_fields__))


async def slugs(connection: AsyncConnection) -> list[str]:
    """Every organization's slug."""
    return list(await connection.scalars(select(organizations.c.slug).order_by(organizations.c.slug)))


async def key_files(connection: AsyncConnection, names: Collection[str] | None = None) -> frozenset[KeyFile]:
    """The DKIM keys that belong on nodes: those that sign, and those that did until lately.

    The latter since a node that is away may run an older release, and signs by it when it is back. A domain that
    fails for a while keeps its keys there, so that no release names a key that was taken away under its hands.

    Args:
        connection: Where to look.
        names: Only those of these domains; all when absent.
    """
    query = (
        select(domains.c.name, dkim_keys.c.selector, dkim_keys.c.id)
        .join_from(dkim_keys, domains)
        .where(domains.c.verified_at.is_not(None), dkim_keys.c.state.in_(("active", "retiring")))
    )
    parts = [query] if names is None else [query.where(domains.c.name.in_(some)) for some in _chunks(names)]
    return frozenset([KeyFile(*row) for part in parts for row in await connection.execute(part)])


async def pending(connection: AsyncConnection) -> list[ChangeRow]:
    """The changes that no release has taken up yet, oldest first."""
    query = _CHANGE.where(policy_changes.c.release.is_(None)).order_by(policy_changes.c.id)
    return [_change(row) for row in (await connection.execute(query)).mappings()]


async def changes_of(connection: AsyncConnection, number: int) -> list[ChangeRow]:
    """The changes that a release took up, oldest first."""
    query = _CHANGE.where(policy_changes.c.release == number).order_by(policy_changes.c.id)
    return [_change(row) for row in (await connection.execute(query)).mappings()]


async def take_up(connection: AsyncConnection, change_ids: Collection[int], number: int) -> None:
    """Note that these changes are in the release."""
    for chunk in _chunks(change_ids):
        await connection.execute(update(policy_changes).where(policy_changes.c.id.in_(chunk)).values(release=number))


async def latest(connection: AsyncConnection) -> ReleaseRow | None:
    """The newest published release: the one that every node should run."""
    query = _RELEASE.where(releases.c.state == "published").order_by(releases.c.number.desc()).limit(1)
    return _row(await connection.execute(query))


async def newest_number(connection: AsyncConnection) -> int:
    """The highest number that was given to a release, whatever became of it; 0 before the first."""
    return await connection.scalar(select(func.max(releases.c.number))) or 0


async def canary(connection: AsyncConnection) -> ReleaseRow | None:
    """The release that some nodes try for the others."""
    return _row(await connection.execute(_RELEASE.where(releases.c.state == "canary")))


async def proposal(connection: AsyncConnection) -> ReleaseRow | None:
    """The release that waits for approval."""
    return _row(await connection.execute(_RELEASE.where(releases.c.state == "proposed")))


async def newest_that_ran(connection: AsyncConnection) -> ReleaseRow | None:
    """The newest release that any node was brought to, or should be."""
    ran = releases.c.state.in_(("published", "canary", "stopped"))
    return _row(await connection.execute(_RELEASE.where(ran).order_by(releases.c.number.desc()).limit(1)))


async def supersede_proposals(connection: AsyncConnection) -> None:
    """Withdraw what waits for approval: the policy has moved on."""
    await connection.execute(update(releases).where(releases.c.state == "proposed").values(state="superseded"))


async def change(connection: AsyncConnection, number: int, **values: Any) -> None:
    """Write what was decided about a release; what it holds never changes."""
    await connection.execute(update(releases).where(releases.c.number == number).values(**values))


async def newest_event(connection: AsyncConnection) -> int:
    """Id of the newest event; 0 before the first."""
    return await connection.scalar(select(func.max(events.c.id))) or 0


async def attempts(connection: AsyncConnection, nodes: Collection[str], *, after: int) -> Figures:
    """How the attempts at these nodes ended, of the events that came after one; of the last 50,000 at most."""
    recent = select(events.c.node, events.c.type).where(events.c.id > after)
    recent = recent.order_by(events.c.id.desc()).limit(_RECENT_EVENTS)
    part = recent.subquery()
    query = select(part.c.type, func.count().label("attempts")).where(part.c.node.in_(nodes)).group_by(part.c.type)
    counts: dict[str, int] = {row.type: row.attempts for row in await connection.execute(query)}
    return Figures(
        delivered=counts.get("message.delivered", 0),
        deferred=counts.get("message.deferred", 0),
        bounced=counts.get("message.bounced", 0),
    )


async def by_number(connection: AsyncConnection, number: int) -> ReleaseRow | None:
    """The release of this number, which may be larger than the database has numbers."""
    if number > _LARGEST:
        return None
    return _row(await connection.execute(_RELEASE.where(releases.c.number == number)))


async def page(connection: AsyncConnection, *, before: int | None, limit: int) -> list[ReleaseRow]:
    """Releases below a number, newest first."""
    query = _RELEASE.order_by(releases.c.number.desc()).limit(limit)
    if before is not None:
        query = query.where(releases.c.number < min(before, _LARGEST))
    return [_release(row) for row in (await connection.execute(query)).mappings()]


def _change(row: Any) -> ChangeRow:
    return msgspec.convert({name: row[name] for name in ChangeRow.__struct_fields__}, ChangeRow)


def _row(result: Any) -> ReleaseRow | None:
    row = result.mappings().one_or_none()
    return None if row is None else _release(row)


def _release(row: Any) -> ReleaseRow:
    return msgspec.convert({name: row[name] for name in ReleaseRow.__struct_fields__}, ReleaseRow)


async def diff_of(connection: AsyncConnection, number: int) -> str:
    """What changed from the release before to this one, as a unified diff."""
    return await connection.scalar(select(releases.c.diff).where(releases.c.number == number)) or ""


async def files_of(connection: AsyncConnection, number: int) -> dict[str, str]:
    """SHA-256 of each file of a release, by path."""
    return await connection.scalar(select(releases.c.files).where(releases.c.number == number)) or {}


async def restarts_since(connection: AsyncConnection, moment: datetime) -> set[str]:
    """The settings read only at a node's start that releases published after that moment changed."""
    ran = releases.c.state.in_(("published", "canary"))
    query = select(releases.c.change_class).where(ran, releases.c.published_at > moment)
    return {setting for value in await connection.scalars(query) for setting in value["settings"]}


async def contents(connection: AsyncConnection, digests: Collection[str]) -> dict[str, bytes]:
    """The blobs of these digests."""
    found: dict[str, bytes] = {}
    for chunk in _chunks(digests):
        query = select(blobs.c.digest, blobs.c.content).where(blobs.c.digest.in_(chunk))
        found |= {row.digest: row.content for row in await connection.execute(query)}
    return found


async def add_blobs(connection: AsyncConnection, by_digest: Mapping[str, bytes]) -> None:
    """Keep these contents; those that are kept already are passed over."""
    for chunk in _chunks(by_digest):
        known = set(await connection.scalars(select(blobs.c.digest).where(blobs.c.digest.in_(chunk))))
        new = [{"digest": digest, "content": by_digest[digest]} for digest in chunk if digest not in known]
        if new:
            await connection.execute(insert(blobs), new)


async def add(connection: AsyncConnection, **values: Any) -> None:
    """Insert a release."""
    await connection.execute(insert(releases).values(**values))


def _chunks(values: Collection[T]) -> Iterator[list[T]]:
    ordered = sorted(values)
    return (ordered[start : start + _CHUNK] for start in range(0, len(ordered), _CHUNK))
