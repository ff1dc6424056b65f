"""What happens to recipients here, before any node has them: told like what the nodes tell, and counted alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.log_events import domain_of
from postmta_ctl.core.providers import OTHER, well_known
from postmta_ctl.core.rollups import Fact
from postmta_ctl.features.credits import account
from postmta_ctl.features.messages import happening_queries as queries
from postmta_ctl.features.messages import reception_queries, relay_queries
from postmta_ctl.features.messages.happening_queries import Concerned
from postmta_ctl.features.webhooks.outbox import announce_mail
from postmta_ctl.store import rollups

OWN = "PostMTA"
"""``record_type`` of events that are not from a log record."""


async def record(
    connection: AsyncConnection,
    recipient_ids: Collection[str],
    kind: str,
    now: datetime,
    *,
    details: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Keep an event of this type for each of the recipients, count it, and announce it. Two at one moment are one.

    Args:
        connection: The transaction.
        recipient_ids: Whom it happened to.
        kind: The type.
        now: When.
        details: More columns of ``events``, by recipient id; the same ones for each.
    """
    if not recipient_ids:
        return
    people = await queries.concerned(connection, recipient_ids)
    rows = [_event(one, kind, now) | dict((details or {}).get(one.id, {})) for one in people]
    await queries.insert_events(connection, rows)
    await rollups.count(connection, [_fact(one, kind, now) for one in people])
    await announce_mail(connection, rows, now)


async def record_refused(connection: AsyncConnection, words: Mapping[str, str], now: datetime) -> None:
    """Keep, count and announce that the policy of a node refused recipients (``recipient id → its words``).

    KumoMTA writes no log record of it: the refusal is the answer to the injection.
    """
    await record(
        connection,
        words.keys(),
        "message.rejected",
        now,
        details={rid: {"code": relay_queries.REFUSED, "reply": one} for rid, one in words.items()},
    )


async def withdraw(
    connection: AsyncConnection, recipient_ids: Collection[str], status: str, now: datetime, *, cause: str
) -> list[str]:
    """Take recipients that no node has out of the outbox for good.

    Args:
        connection: The transaction.
        recipient_ids: Whom; one that a node has by its own log is passed over.
        status: ``cancelled`` or ``suppressed``.
        now: When.
        cause: What brought it about, as the ledger names it.

    Returns:
        Those that were withdrawn.
    """
    if not recipient_ids:
        return []
    # A node may have had it, and failed to queue it: then its status is another than that of one who waited all along.
    there = await reception_queries.on_a_node(connection, list(recipient_ids))
    ended = await queries.end_waiting(connection, set(recipient_ids) - there.keys(), status, now)
    await relay_queries.remove(connection, list(recipient_ids))
    await account.refund_recipients(connection, ended, now, cause=cause, reference=status)
    await record(connection, ended, f"message.{status}", now)
    await relay_queries.renew_statuses(connection, await relay_queries.message_ids_of(connection, ended))
    return ended


def _event(one: Concerned, kind: str, now: datetime) -> dict[str, Any]:
    return {
        "dedupe_key": blake2b(f"{kind}\0{one.id}\0{now}".encode(), digest_size=16).digest(),
        "organization_id": one.organization_id,
        "message_id": one.message_id,
        "recipient_id": one.id,
        "recipient": one.address,
        "type": kind,
        "record_type": OWN,
        "occurred_at": now,
        "received_at": now,
        "node": "",
        "campaign": one.campaign,
        "provider": well_known(domain_of(one.address)),
    }


def _fact(one: Concerned, kind: str, now: datetime) -> Fact:
    domain = domain_of(one.address)
    return Fact(
        organization_id=one.organization_id,
        type=kind,
        at=now,
        sending_domain=one.domain,
        recipient_domain=domain,
        provider=well_known(domain) or OTHER,
        tags=tuple(one.tags),
        batch=one.batch_id or "",
    )
