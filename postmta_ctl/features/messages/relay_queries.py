"""SQL of the relay: lease what is due, and settle what became of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import RowMapping, Select, bindparam, delete, exists, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.compiler.names import tenant_name
from postmta_ctl.core.mime import Content
from postmta_ctl.core.status import TERMINAL
from postmta_ctl.store.among import one_of
from postmta_ctl.store.tables import (
    domains,
    events,
    message_contents,
    messages,
    nodes,
    organizations,
    outbox,
    recipients,
)

_decode = msgspec.msgpack.Decoder(Content).decode


_RUNNING = select(nodes.c.running_release).where(nodes.c.name == bindparam("at_node")).scalar_subquery()
"""The release that a node was last seen to run; the record of the reception brings the one that it was."""
_NOT_QUEUED = (events.c.record_type == "Bounce", events.c.type == "message.deferred")
"""A Bounce that is a deferral: the node itself failed, see ``core.log_events.is_not_queued``."""


class Leased(msgspec.Struct, frozen=True, kw_only=True):
    """A recipient that this relay has to itself until the lease ends."""

    recipient_id: str
    message_id: str
    address: str
    organization: str
    vmta: str | None
    pool: str | None = None
    organization_id: str
    domain: str
    """Of the From header."""
    tracking_host: str | None = None
    """The domain's own host for tracking links."""
    campaign: str | None
    track_opens: bool
    track_clicks: bool
    unsubscribe: bool
    attempts: int
    """With this one; that of a relay which died counts as well."""
    generation: int
    """How often the node is known not to have taken it: the fence on the node lets a new generation pass."""
    alone: bool
    node: str | None = None
    """The one that it is for."""
    accepted_at: datetime
    content: Content

    @property
    def tenant(self) -> str:
        """KumoMTA's, which says what its mail leaves from."""
        return tenant_name(self.organization, self.vmta, self.pool)


class Lease(NamedTuple):
    """What was taken."""

    leased: list[Leased]
    may_be_more: bool
    """Others may be due as well."""


async def lease(
    connection: AsyncConnection,
    now: datetime,
    *,
    limit: int,
    lifetime: timedelta,
    owner: str = "",
    octets: int = 1 << 24,
    choose: Callable[[str | None, str], str | None] | None = None,
) -> Lease:
    """Take due recipients, oldest first, with all that an injection needs.

    A lease is a due time in the future, so it ends by itself. PostgreSQL passes over rows that another relay is
    taking; SQLite has one writer anyway.

    Args:
        connection: The transaction.
        now: When.
        limit: How many at most.
        lifetime: How long others leave them alone.
        owner: Who has them meanwhile.
        octets: Of stored content, after which no more are taken; the first is, whatever its size.
        choose: Says which node each is for, given the one that may have it and the tenant. It is written down before
            anything is sent, since what may be on a node must not be given to another one.
    """
    found = (await connection.execute(_candidates(now, limit))).mappings().all()
    rows = _within(found, octets)
    by_node: dict[str | None, list[str]] = {}
    for row in rows:
        if choose is not None:
            row["node"] = choose(row["node"], tenant_name(row["organization"], row["vmta"], row["pool"]))
        by_node.setdefault(row["node"], []).append(row["recipient_id"])
    for node, ids in by_node.items():
        taken = {"due_at": now + lifetime, "attempts": outbox.c.attempts + 1, "owner": owner, "node": node}
        await connection.execute(update(outbox).where(one_of(connection, outbox.c.recipient_id, ids)).values(taken))
    contents = await _contents(connection, {row["message_id"] for row in rows}) if rows else {}
    leased = [Leased(**row, content=contents[row["message_id"]]) for row in rows]
    return Lease(leased, may_be_more=len(found) == limit or len(rows) < len(found))


async def move(connection: AsyncConnection, recipient_ids: Collection[str], node: str) -> None:
    """Note that these are for another node now, since the one before is known not to have taken them."""
    await connection.execute(
        update(outbox).where(one_of(connection, outbox.c.recipient_id, recipient_ids)).values(node=node)
    )


def _candidates(now: datetime, limit: int) -> Select[Any]:
    due = select(outbox).where(outbox.c.due_at <= now).order_by(outbox.c.due_at).limit(limit)
    # Chosen before anything is joined to them, so that the index on due_at is what both engines begin with.
    chosen = due.with_for_update(skip_locked=True).subquery("due")
    return (
        select(
            chosen.c.recipient_id,
            chosen.c.message_id,
            (chosen.c.attempts + 1).label("attempts"),
            chosen.c.generation,
            chosen.c.alone,
            chosen.c.node,
            recipients.c.address,
            organizations.c.slug.label("organization"),
            messages.c.vmta,
            messages.c.pool,
            messages.c.campaign,
            messages.c.track_opens,
            messages.c.track_clicks,
            messages.c.unsubscribe,
            messages.c.organization_id,
            messages.c.domain,
            domains.c.tracking_host,
            messages.c.created_at.label("accepted_at"),
            func.length(message_contents.c.content).label("octets"),
        )
        .join_from(chosen, recipients, chosen.c.recipient_id == recipients.c.id)
        .join(messages, messages.c.id == chosen.c.message_id)
        .join(message_contents, message_contents.c.message_id == chosen.c.message_id)
        .join(organizations, organizations.c.id == messages.c.organization_id)
        .outerjoin(
            domains,
            (domains.c.organization_id == messages.c.organization_id) & (domains.c.name == messages.c.domain),
        )
        .order_by(chosen.c.due_at, chosen.c.recipient_id)
    )


def _within(rows: Iterable[RowMapping], octets: int) -> list[dict[str, Any]]:
    """Those whose contents together are no longer than that, and the first; a message's content counts once."""
    chosen: list[dict[str, Any]] = []
    known: set[str] = set()
    for row in map(dict, rows):
        size = row.pop("octets")
        if row["message_id"] not in known:
            octets -= size
            if octets < 0 and chosen:
                break
            known.add(row["message_id"])
        chosen.append(row)
    return chosen


async def _contents(connection: AsyncConnection, message_ids: set[str]) -> dict[str, Content]:
    query = select(message_contents).where(one_of(connection, message_contents.c.message_id, message_ids))
    return {row.message_id: _decode(row.content) for row in await connection.execute(query)}


async def on_a_node(connection: AsyncConnection, recipient_ids: list[str]) -> dict[str, str]:
    """Those that a node has according to its log (``recipient id → node``).

    A Reception tells so, unless the node then failed to queue the message: that leaves a Bounce of the same spool
    id that is an event of the type ``message.deferred``.
    """
    failed = events.alias()
    query = select(events.c.recipient_id, events.c.node).where(
        one_of(connection, events.c.recipient_id, recipient_ids),
        events.c.record_type == "Reception",
        ~exists().where(
            failed.c.recipient_id == events.c.recipient_id,
            failed.c.spool_id == events.c.spool_id,
            failed.c.record_type == "Bounce",
            failed.c.type == "message.deferred",
        ),
    )
    return {row.recipient_id: row.node for row in await connection.execute(query)}


async def taken_and_lost(connection: AsyncConnection, recipient_ids: list[str]) -> set[str]:
    """Those whose injection passed the fence of a node that then failed to queue the message.

    The node has said so in its log, and its answer may not have reached us.
    """
    if not recipient_ids:
        return set()
    query = (
        select(events.c.recipient_id, events.c.details, outbox.c.generation)
        .join(outbox, outbox.c.recipient_id == events.c.recipient_id)
        .where(one_of(connection, events.c.recipient_id, recipient_ids), *_NOT_QUEUED)
    )
    found = await connection.execute(query)
    # Another injection may have failed before this one succeeded.
    failed = {row.recipient_id for row in found if row.details.get("generation", row.generation) == row.generation}
    return failed - (await on_a_node(connection, list(failed))).keys() if failed else failed


async def put_back(connection: AsyncConnection, failed: Mapping[str, int | None], now: datetime) -> None:
    """Put recipients into the outbox again that a node took, told so, and then failed to queue.

    One that is in the outbox still stays as it is there: the relay learns of the failure when it settles. One whose
    failure was answered with the next injection long ago is injected as that one again, which the fence then refuses.

    Args:
        connection: The transaction.
        failed: Recipient ids, each with the generation that failed, if the record tells it.
        now: When.
    """
    recipient_ids = failed.keys() - (await on_a_node(connection, list(failed))).keys() if failed else set()
    if not recipient_ids:
        return
    query = select(recipients.c.id, recipients.c.message_id, recipients.c.node).where(
        one_of(connection, recipients.c.id, recipient_ids), recipients.c.status.not_in(TERMINAL)
    )
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    rows = [
        {
            "recipient_id": row.id,
            "message_id": row.message_id,
            "due_at": now,
            "generation": _after(failed[row.id], now),
            # Whose fence knows what has come since.
            "node": row.node,
        }
        for row in await connection.execute(query)
    ]
    if rows:
        statement = dialect.insert(outbox).on_conflict_do_nothing(index_elements=["recipient_id"])
        await connection.execute(statement, rows)


def _after(generation: int | None, now: datetime) -> int:
    # Where the failed one is not known, one so high that no fence has seen it.
    return int(now.timestamp()) if generation is None else generation + 1


async def lock(connection: AsyncConnection, recipient_ids: Collection[str]) -> None:
    """Lock recipients in the order in which ingestion does, so that neither waits for the other in a circle."""
    if recipient_ids and connection.dialect.name != "sqlite":
        query = (
            select(recipients.c.id).where(one_of(connection, recipients.c.id, recipient_ids)).order_by(recipients.c.id)
        )
        await connection.execute(query.with_for_update())


async def settle_injected(connection: AsyncConnection, injected: dict[str, str], now: datetime) -> None:
    """The node has these (``recipient id → node``). A status that a log record brought already is not undone."""
    by_node: dict[str, list[str]] = {}
    for rid, node in injected.items():
        by_node.setdefault(node, []).append(rid)
    for node, ids in sorted(by_node.items()):
        statement = (
            update(recipients)
            .where(one_of(connection, recipients.c.id, ids), recipients.c.status == "queued")
            .values(status="injected", status_at=now, node=node, release=_RUNNING)
        )
        await connection.execute(statement, {"at_node": node})
    if injected:
        await remove(connection, list(injected))


async def settle_refused(connection: AsyncConnection, refused: dict[str, tuple[str, str]], now: datetime) -> list[str]:
    """The policy will never take these (``recipient id → node, its words``); those whose status it is that changed."""
    changed: list[str] = []
    for rid, (node, words) in sorted(refused.items()):
        waiting = (recipients.c.id == rid, recipients.c.status.not_in(TERMINAL))
        fate = {"status": "bounced", "status_at": now, "code": REFUSED, "reply": words, "bounce_class": "policy"}
        statement = update(recipients).where(*waiting).values(fate | {"release": _RUNNING}).returning(recipients.c.id)
        changed += await connection.scalars(statement, {"at_node": node})
    await remove(connection, list(refused))
    return changed


REFUSED = 550
"""Reply code of what our policy refuses for good."""


async def settle_later(connection: AsyncConnection, owner: str, later: Sequence[dict[str, Any]]) -> None:
    """Give these back to the outbox: each with ``rid``, ``lease``, ``due``, ``next_generation``, ``by_itself``,
    ``words``, and ``at_node``, the node that may have it.

    One that somebody else has leased since is his: only he knows under which generation it is on its way. ``lease`` is
    the number of the attempt, so a second lease by the same owner is told from the first.
    """
    if not later:
        return
    statement = (
        update(outbox)
        .where(
            outbox.c.recipient_id == bindparam("rid"),
            outbox.c.owner == owner,
            outbox.c.attempts == bindparam("lease"),
        )
        .values(
            due_at=bindparam("due"),
            generation=bindparam("next_generation"),
            alone=bindparam("by_itself"),
            last_error=bindparam("words"),
            node=bindparam("at_node"),
            owner=None,
        )
    )
    await connection.execute(statement, list(later))


async def keep_here(connection: AsyncConnection, kept: Sequence[dict[str, Any]]) -> None:
    """Leave these in the outbox as if they had not been leased: each with ``rid``, ``due``, ``block``, ``words``."""
    if not kept:
        return
    statement = (
        update(outbox)
        .where(outbox.c.recipient_id == bindparam("rid"))
        .values(
            due_at=bindparam("due"),
            attempts=outbox.c.attempts - 1,
            owner=None,
            block_id=bindparam("block"),
            last_error=bindparam("words"),
        )
    )
    await connection.execute(statement, list(kept))


async def remove(connection: AsyncConnection, recipient_ids: list[str]) -> None:
    """These need no more injection."""
    await connection.execute(delete(outbox).where(one_of(connection, outbox.c.recipient_id, recipient_ids)))


async def message_ids_of(connection: AsyncConnection, recipient_ids: list[str]) -> set[str]:
    """The messages that these recipients belong to."""
    query = select(recipients.c.message_id).where(one_of(connection, recipients.c.id, recipient_ids))
    return set(await connection.scalars(query))


async def statuses(connection: AsyncConnection, message_ids: set[str]) -> dict[str, list[str]]:
    """The statuses of all recipients of each message."""
    query = select(recipients.c.message_id, recipients.c.status).where(
        one_of(connection, recipients.c.message_id, message_ids)
    )
    found: dict[str, list[str]] = {}
    for row in await connection.execute(query):
        found.setdefault(row.message_id, []).append(row.status)
    return found


async def set_message_statuses(connection: AsyncConnection, by_message: dict[str, str]) -> None:
    """Write each message's summary status."""
    by_status: dict[str, list[str]] = {}
    for message_id, status in by_message.items():
        by_status.setdefault(status, []).append(message_id)
    if len(by_message) > 1 and connection.dialect.name != "sqlite":
        # In one order, whoever writes them.
        query = select(messages.c.id).where(one_of(connection, messages.c.id, by_message)).order_by(messages.c.id)
        await connection.execute(query.with_for_update())
    for status, ids in by_status.items():
        statement = update(messages).where(one_of(connection, messages.c.id, ids), messages.c.status != status)
        await connection.execute(statement.values(status=status))


async def backlog(connection: AsyncConnection) -> int:
    """How many recipients wait in the outbox."""
    return await connection.scalar(select(func.count()).select_from(outbox)) or 0
