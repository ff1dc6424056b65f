"""Opens and clicks become events, those that come together in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.log_events import day_number, domain_of
from postmta_ctl.core.openers import recognise
from postmta_ctl.core.providers import OTHER, well_known
from postmta_ctl.core.rollups import Fact
from postmta_ctl.features.tracking import queries
from postmta_ctl.features.tracking.queries import Person
from postmta_ctl.features.webhooks.outbox import announce_mail, listeners
from postmta_ctl.groups import Groups
from postmta_ctl.store import rollups
from postmta_ctl.system import System

KINDS = ("message.opened", "message.clicked")


class Fetch(msgspec.Struct, frozen=True):
    """A pixel or link that was fetched."""

    recipient_id: str
    kind: str
    """One of :data:`KINDS`."""
    url: str
    """Where the link leads; empty for a pixel."""
    user_agent: str
    at: datetime


async def note(system: System, fetch: Fetch) -> None:
    """Keep a fetch; it is on durable storage when this returns."""

    async def work(fetches: list[Fetch]) -> Sequence[None]:
        await system.db.at_once(partial(_keep, system, fetches=fetches))
        return [None] * len(fetches)

    groups: Groups[Fetch, None] = system.tracking
    await groups.do(fetch, work)


async def _keep(system: System, connection: AsyncConnection, fetches: Sequence[Fetch]) -> None:
    people = await queries.people(connection, {one.recipient_id for one in fetches})
    first: dict[str, set[str]] = {kind: set() for kind in KINDS}
    rows, facts = [], []
    for one in fetches:
        if (person := people.get(one.recipient_id)) is None:
            continue  # its message was removed
        row = _row(one, person, system.random(16))
        is_first = _is_first(row, person) and person.id not in first[one.kind]
        if is_first:
            first[one.kind].add(person.id)
        rows.append(row)
        facts.append(_fact(row, person, is_first=is_first))
    if not rows:
        return
    now = system.now()
    await queries.insert_events(connection, rows)
    for kind, recipient_ids in first.items():
        await queries.mark_first(connection, kind, recipient_ids, now)
    heard = await listeners(system, connection, {row["organization_id"] for row in rows})
    await announce_mail(connection, [row for row in rows if row["organization_id"] in heard], now)
    await rollups.count(connection, facts)


def _row(fetch: Fetch, person: Person, key: bytes) -> dict[str, Any]:
    # Time since the recipient's server took the message, by the node's clock; none if that is not known.
    since = fetch.at - person.status_at if person.status == "delivered" else None
    opener = recognise(fetch.user_agent, since)
    details: dict[str, Any] = {"user_agent": fetch.user_agent, "is_bot": opener.is_bot}
    details |= {"agent": opener.agent} if opener.agent else {}
    details |= {"url": fetch.url} if fetch.url else {}
    return {
        "day": day_number(fetch.at),
        "dedupe_key": key,
        "organization_id": person.organization_id,
        "message_id": person.message_id,
        "recipient_id": person.id,
        "recipient": person.address,
        "vmta": person.vmta,
        "provider": person.provider or well_known(domain_of(person.address)),
        "type": fetch.kind,
        "record_type": "Tracking",
        "occurred_at": fetch.at,
        "received_at": fetch.at,
        "node": "",
        "details": details,
    }


def _is_first(row: dict[str, Any], person: Person) -> bool:
    """Whether nobody had before. What a program fetched counts as an open, but not as somebody who opened."""
    before = person.opened_at if row["type"] == "message.opened" else person.clicked_at
    return before is None and not row["details"]["is_bot"]


def _fact(row: dict[str, Any], person: Person, *, is_first: bool) -> Fact:
    return Fact(
        organization_id=person.organization_id,
        type=row["type"],
        at=row["occurred_at"],
        sending_domain=person.domain,
        recipient_domain=domain_of(person.address),
        vmta=person.vmta or "",
        provider=row["provider"] or OTHER,
        tags=person.tags,
        batch=person.batch_id or "",
        is_first=is_first,
    )
