"""Opens and clicks are kept as lines of a journal when they are answered, and become events soon after.

So a link leads on at once also while the database is busy or away, and what was answered outlives a kill.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.log_events import day_number, domain_of
from postmta_ctl.core.openers import recognise
from postmta_ctl.core.providers import OTHER, well_known
from postmta_ctl.core.rollups import Fact
from postmta_ctl.errors import Busy
from postmta_ctl.features.tracking import queries
from postmta_ctl.features.tracking.queries import Person
from postmta_ctl.features.webhooks.outbox import announce_mail, listeners
from postmta_ctl.store import rollups
from postmta_ctl.system import System

log = structlog.get_logger(__name__)
KINDS = ("message.opened", "message.clicked")
AT_ONCE = 262_144
"""Octets of lines that become events in one transaction: about a thousand."""


class Fetch(msgspec.Struct, frozen=True, array_like=True):
    """A pixel or link that was fetched: a line of the journal."""

    key: bytes
    """Sixteen random octets: by them a fetch is known when its line comes a second time."""
    recipient_id: str
    kind: str
    """One of :data:`KINDS`."""
    url: str
    """Where the link leads; empty for a pixel."""
    user_agent: str
    at: datetime


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Fetch).decode


def note(system: System, fetch: Fetch) -> None:
    """Keep a fetch; it outlives the process when this returns.

    Raises:
        Busy: It is not kept: the disk is full, say.
    """
    try:
        system.fetches.append(_encode(fetch))
    except OSError as error:
        log.error("a fetch cannot be kept", kind=fetch.kind, error=str(error))
        raise Busy("This cannot be noted at present.", retry_after=5) from error


async def keep_fetches(system: System) -> None:
    """Make events of the oldest lines; a job. Bounded, so that what is fetched meanwhile is answered as quickly."""
    if not (lines := system.fetches.oldest(AT_ONCE)):
        return
    if fetches := _read(lines):
        await system.db.at_once(partial(_keep, system, fetches=fetches))
    system.fetches.done(lines)
    await asyncio.to_thread(system.fetches.sync)


def _read(lines: Sequence[bytes]) -> list[Fetch]:
    fetches = []
    for line in lines:
        try:
            fetches.append(_decode(line))
        except msgspec.DecodeError as error:
            # Of a failure of power; there is nothing in it that could be told to anybody.
            log.warning("a line of the journal cannot be read", error=str(error))
    return fetches


async def _keep(system: System, connection: AsyncConnection, fetches: Sequence[Fetch]) -> None:
    known = await queries.known(connection, {(day_number(one.at), one.key) for one in fetches})
    fetches = [one for one in fetches if one.key not in known]
    people = await queries.people(connection, {one.recipient_id for one in fetches})
    first: dict[str, set[str]] = {kind: set() for kind in KINDS}
    rows, facts = [], []
    for one in fetches:
        if (person := people.get(one.recipient_id)) is None:
            continue  # its message was removed
        row = _row(one, person)
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


def _row(fetch: Fetch, person: Person) -> dict[str, Any]:
    # Time since the recipient's server took the message, by the node's clock; none if that is not known.
    since = fetch.at - person.status_at if person.status == "delivered" else None
    opener = recognise(fetch.user_agent, since)
    details: dict[str, Any] = {"user_agent": fetch.user_agent, "is_bot": opener.is_bot}
    details |= {"agent": opener.agent} if opener.agent else {}
    details |= {"url": fetch.url} if fetch.url else {}
    return {
        "day": day_number(fetch.at),
        "dedupe_key": fetch.key,
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
