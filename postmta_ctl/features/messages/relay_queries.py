"""SQL of the relay: settling what became of what it leased (``lease_queries``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.status import TERMINAL, summarise
from postmta_ctl.store.among import one_of
from postmta_ctl.store.tables import messages, nodes, outbox, recipients

_RUNNING = select(nodes.c.running_release).where(nodes.c.name == bindparam("at_node")).scalar_subquery()
"""The release that a node was last seen to run; the record of the reception brings the one that it was."""


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
    if not recipient_ids:
        return
    await connection.execute(delete(outbox).where(one_of(connection, outbox.c.recipient_id, recipient_ids)))


async def message_ids_of(connection: AsyncConnection, recipient_ids: list[str]) -> set[str]:
    """The messages that these recipients belong to."""
    query = select(recipients.c.message_id).where(one_of(connection, recipients.c.id, recipient_ids))
    return set(await connection.scalars(query))


async def renew_statuses(connection: AsyncConnection, message_ids: Collection[str]) -> None:
    """Write the summary status of each message (``core.status.summarise``) whose recipients have changed."""
    if not message_ids:
        return
    if len(message_ids) > 1 and connection.dialect.name != "sqlite":
        # In one order, whoever writes them.
        query = select(messages.c.id).where(one_of(connection, messages.c.id, message_ids)).order_by(messages.c.id)
        await connection.execute(query.with_for_update())
    these = one_of(connection, messages.c.id, message_ids)
    # The usual case, without a look at each: all recipients of a message are on a node.
    statement = update(messages).where(these, messages.c.status == "queued", ~_has_others("injected"))
    if (await connection.execute(statement.values(status="injected"))).rowcount == len(message_ids):
        return
    rest = await connection.scalars(select(messages.c.id).where(these, _has_others(messages.c.status)))
    await _set_statuses(connection, await _statuses(connection, list(rest)))


def _has_others(status: ColumnElement[str] | str) -> ColumnElement[bool]:
    """Whether a message has a recipient of another status."""
    return exists().where(recipients.c.message_id == messages.c.id, recipients.c.status != status)


async def _statuses(connection: AsyncConnection, message_ids: Collection[str]) -> dict[str, list[str]]:
    """The statuses of all recipients of each message."""
    found: dict[str, list[str]] = {}
    if message_ids:
        these = one_of(connection, recipients.c.message_id, message_ids)
        for row in await connection.execute(select(recipients.c.message_id, recipients.c.status).where(these)):
            found.setdefault(row.message_id, []).append(row.status)
    return found


async def _set_statuses(connection: AsyncConnection, found: Mapping[str, list[str]]) -> None:
    by_status: dict[str, list[str]] = {}
    for message_id, statuses in found.items():
        by_status.setdefault(summarise(statuses), []).append(message_id)
    for status, ids in by_status.items():
        statement = update(messages).where(one_of(connection, messages.c.id, ids), messages.c.status != status)
        await connection.execute(statement.values(status=status))


async def backlog(connection: AsyncConnection) -> int:
    """How many recipients wait in the outbox."""
    return await connection.scalar(select(func.count()).select_from(outbox)) or 0
