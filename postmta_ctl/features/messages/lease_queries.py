"""SQL of the relay's leases: taking what is due from the outbox, with all that an injection needs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Select, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.compiler.names import tenant_name
from postmta_ctl.core import kept_content
from postmta_ctl.core.kept_content import KeptContent
from postmta_ctl.store.among import one_of, select_among
from postmta_ctl.store.one_row import OneRow, seconds
from postmta_ctl.store.tables import domains, messages, organizations, outbox, recipients

NOTHING = KeptContent("", False, False, b"{}")


class Leased(msgspec.Struct, array_like=True, gc=False, kw_only=True):
    """A recipient that this relay has to itself until the lease ends.

    Read from the database as a whole, so the order of the fields is that of the columns in ``_candidates``.
    """

    recipient_id: str
    message_id: str
    attempts: int
    """With this one; that of a relay which died counts as well."""
    generation: int
    """How often the node is known not to have taken it: the fence on the node lets a new generation pass."""
    alone: bool
    node: str | None = None
    """The one that it is for."""
    address: str
    organization: str
    vmta: str | None
    pool: str | None = None
    campaign: str | None
    track_opens: bool
    track_clicks: bool
    unsubscribe: bool
    organization_id: str
    domain: str
    """Of the From header."""
    tracking_host: str | None = None
    """The domain's own host for tracking links."""
    accepted_at: datetime
    """To about ten microseconds."""
    octets: int = 0
    """Of the content as it was stored."""
    content: KeptContent = NOTHING

    @property
    def tenant(self) -> str:
        """KumoMTA's, which says what its mail leaves from."""
        return tenant_name(self.organization, self.vmta, self.pool)


class Lease(NamedTuple):
    """What was taken."""

    leased: list[Leased]
    may_be_more: bool
    """Others may be due as well."""


def _due_ones() -> Select[Any]:
    due = select(outbox).where(outbox.c.due_at <= bindparam("now")).order_by(outbox.c.due_at).limit(bindparam("most"))
    # Chosen before anything is joined to them, so that the index on due_at is what both engines begin with.
    chosen = due.with_for_update(skip_locked=True).subquery("due")
    return (
        select(
            chosen.c.recipient_id,
            chosen.c.message_id,
            chosen.c.attempts + 1,
            chosen.c.generation,
            chosen.c.alone,
            chosen.c.node,
            recipients.c.address,
            organizations.c.slug,
            messages.c.vmta,
            messages.c.pool,
            messages.c.campaign,
            messages.c.track_opens,
            messages.c.track_clicks,
            messages.c.unsubscribe,
            messages.c.organization_id,
            messages.c.domain,
            domains.c.tracking_host,
            seconds(messages.c.created_at),
            chosen.c.octets,
        )
        .join_from(chosen, recipients, chosen.c.recipient_id == recipients.c.id)
        .join(messages, messages.c.id == chosen.c.message_id)
        .join(organizations, organizations.c.id == messages.c.organization_id)
        .outerjoin(
            domains,
            (domains.c.organization_id == messages.c.organization_id) & (domains.c.name == messages.c.domain),
        )
    )


_candidates = OneRow(_due_ones())


# SQLite's JSON has numbers for truth values, and moments come in seconds.
_leased = msgspec.json.Decoder(list[Leased], strict=False).decode
_recipient_id = attrgetter("recipient_id")


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
    """Take the recipients that have been due for longest, in the order of their ids, with all that an injection needs.

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
    found = _leased(await _candidates.read(connection, {"now": now, "most": limit}))
    found.sort(key=_recipient_id)
    leased = _within(found, octets)
    by_node: dict[str | None, list[str]] = {}
    for one in leased:
        if choose is not None:
            one.node = choose(one.node, one.tenant)
        by_node.setdefault(one.node, []).append(one.recipient_id)
    for node, ids in by_node.items():
        taken = {"due_at": now + lifetime, "attempts": outbox.c.attempts + 1, "owner": owner, "node": node}
        await connection.execute(update(outbox).where(one_of(connection, outbox.c.recipient_id, ids)).values(taken))
    await _read_contents(connection, leased)
    return Lease(leased, may_be_more=len(found) == limit or len(leased) < len(found))


async def move(connection: AsyncConnection, recipient_ids: Collection[str], node: str) -> None:
    """Note that these are for another node now, since the one before is known not to have taken them."""
    await connection.execute(
        update(outbox).where(one_of(connection, outbox.c.recipient_id, recipient_ids)).values(node=node)
    )


def _within(found: Iterable[Leased], octets: int) -> list[Leased]:
    """Those whose contents together are no longer than that, and the first; a message's content counts once."""
    chosen: list[Leased] = []
    known: set[str] = set()
    for one in found:
        if one.message_id not in known:
            octets -= one.octets
            if octets < 0 and chosen:
                break
            known.add(one.message_id)
        chosen.append(one)
    return chosen


async def _read_contents(connection: AsyncConnection, leased: Iterable[Leased]) -> None:
    waiting = {one.message_id for one in leased}
    if waiting:
        sql = "SELECT message_id, content FROM message_contents WHERE message_id {among}"
        contents = {
            message_id: kept_content.read(raw) for message_id, raw in await select_among(connection, sql, waiting)
        }
        for one in leased:
            one.content = contents[one.message_id]
