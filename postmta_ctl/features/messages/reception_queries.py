"""SQL about what a node's own log says it has of the recipients that are on their way to it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import exists, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.status import TERMINAL
from postmta_ctl.store.among import one_of
from postmta_ctl.store.tables import events, message_contents, outbox, recipients

_NOT_QUEUED = (events.c.record_type == "Bounce", events.c.type == "message.deferred")
"""A Bounce that is a deferral: the node itself failed, see ``core.log_events.is_not_queued``."""


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
    # What has no content here came by SMTP, and cannot be sent from here.
    columns = recipients.c.id, recipients.c.message_id, recipients.c.node, func.length(message_contents.c.content)
    query = (
        select(*columns)
        .join(message_contents, message_contents.c.message_id == recipients.c.message_id)
        .where(one_of(connection, recipients.c.id, recipient_ids), recipients.c.status.not_in(TERMINAL))
    )
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    rows = [
        {
            "recipient_id": rid,
            "message_id": message_id,
            "due_at": now,
            "generation": _after(failed[rid], now),
            # Whose fence knows what has come since.
            "node": node,
            "octets": octets,
        }
        for rid, message_id, node, octets in await connection.execute(query)
    ]
    if rows:
        statement = dialect.insert(outbox).on_conflict_do_nothing(index_elements=["recipient_id"])
        await connection.execute(statement, rows)


def _after(generation: int | None, now: datetime) -> int:
    # Where the failed one is not known, one so high that no fence has seen it.
    return int(now.timestamp()) if generation is None else generation + 1
