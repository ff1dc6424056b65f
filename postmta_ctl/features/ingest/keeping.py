"""What follows from log records, in the transaction that keeps them: once each, however often they come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.kumo_log import BadRecord
from postmta_ctl.core.ledger import settlement
from postmta_ctl.core.log_events import generation_of, is_not_queued, tenant_of
from postmta_ctl.features.credits import account
from postmta_ctl.features.ingest import queries
from postmta_ctl.features.ingest.adoption import adopt, charge
from postmta_ctl.features.ingest.counting import facts
from postmta_ctl.features.ingest.known import Known, fold
from postmta_ctl.features.ingest.reading import Key, Reading
from postmta_ctl.features.ingest.rows import EventRow, event_row
from postmta_ctl.features.messages.reception_queries import put_back
from postmta_ctl.features.security.greylisting.counting import count as count_greylisting
from postmta_ctl.features.suppressions.automatic import rows_of as suppressions_of
from postmta_ctl.features.suppressions.queries import SuppressionRow
from postmta_ctl.features.suppressions.service import suppress
from postmta_ctl.features.warmup.counting import count as count_for_warmup
from postmta_ctl.features.webhooks.outbox import announce_records, listeners
from postmta_ctl.store import rollups
from postmta_ctl.store.types import to_micros
from postmta_ctl.system import System

_MAY_SUPPRESS = frozenset({"message.bounced", "message.complained"})


class Delivery(msgspec.Struct, frozen=True):
    """What one request brought: records that are somebody's mail, and those that could not be read."""

    node: str
    mail: list[Reading]
    bad: list[BadRecord]


async def keep(system: System, connection: AsyncConnection, deliveries: Sequence[Delivery]) -> list[int]:
    """Keep records and what follows from them; how many of each delivery were new."""
    now = system.now()
    for one in deliveries:
        if one.bad:
            await queries.insert_dead_letters(connection, one.node, one.bad, now)
    stored = await queries.stored(connection, {reading.key for one in deliveries for reading in one.mail})
    fresh: dict[Key, Reading] = {}
    counts = []
    for one in deliveries:
        before = len(fresh)
        for reading in one.mail:
            if reading.key not in stored:
                fresh.setdefault(reading.key, reading)
        counts.append(len(fresh) - before)
    if fresh:
        added = await _keep(system, connection, fresh, now)
        if len(added) < len(fresh):
            counts = [len({reading.key for reading in one.mail} & added) for one in deliveries]
    system.reach("before-ingest-commit")
    return counts


async def _keep(system: System, connection: AsyncConnection, fresh: dict[Key, Reading], now: datetime) -> set[Key]:
    readings = list(fresh.values())
    known = await _known(system, connection, readings, now)
    owners = await _owners(connection, readings, known)
    at = to_micros(now)
    rows = [event_row(one, known.get(one.rid or ""), owner, at) for one, owner in zip(readings, owners, strict=True)]
    added = await queries.insert_events(connection, rows)
    if len(added) < len(rows):
        rows = [row for row in rows if (row.day, row.dedupe_key) in added]
        readings = [one for one in readings if one.key in added]
    await _apply(connection, known, readings, now)
    system.reach("in-ingest")
    lost = {one.rid: generation_of(one.record) for one in readings if one.rid and is_not_queued(one.record)}
    await put_back(connection, lost, now)
    await suppress(connection, _suppressions(known, rows, readings, now))
    listened = await listeners(system, connection, {row.organization_id for row in rows if row.organization_id})
    if listened:
        await announce_records(connection, [row for row in rows if row.organization_id in listened], now)
    await count_for_warmup(connection, rows)
    await count_greylisting(connection, [(one.node, one.record) for one in readings])
    await rollups.count(connection, facts(rows, known))
    return added


async def _known(
    system: System, connection: AsyncConnection, readings: Sequence[Reading], now: datetime
) -> dict[str, Known]:
    """The recipients that are written of, also those whom a node heard of first; locked."""
    submitted = [one.record for one in readings if "x_smtp" in (one.record.meta or {})]
    new = await adopt(connection, submitted, now) if submitted else {}
    known = await queries.known_recipients(connection, {one.rid for one in readings if one.rid})
    for rid, credits in (await charge(system, connection, new)).items():
        known[rid] = msgspec.structs.replace(known[rid], credits=credits)
    return known


async def _owners(
    connection: AsyncConnection, readings: Sequence[Reading], known: Mapping[str, Known]
) -> list[str | None]:
    """The organization of each record: its recipient's, else the one that its tenant names."""
    found = [known.get(one.rid or "") for one in readings]
    slugs = {
        number: (tenant_of(one.record) or "").partition(".")[0]
        for number, (one, person) in enumerate(zip(readings, found, strict=True))
        if person is None
    }
    by_slug = await queries.organizations_by_slug(connection, set(slugs.values()))
    return [one.organization_id if one else by_slug.get(slugs[number]) for number, one in enumerate(found)]


async def _apply(
    connection: AsyncConnection, known: Mapping[str, Known], readings: Sequence[Reading], now: datetime
) -> None:
    """Carry what is new over to the recipients, their messages, and the credits reserved for them."""
    state: dict[str, Known] = {}
    for reading in readings:
        if (person := known.get(reading.rid or "")) is not None:
            state[person.id] = fold(state.get(person.id, person), reading)
    changed = [_settled(one) for rid, one in state.items() if one != known[rid]]
    if not changed:
        return
    await queries.update_recipients(connection, changed)
    moved = {one.message_id for one in changed if one.state.status != known[one.id].state.status}
    await queries.summarise_messages(connection, moved)
    # Balances are locked in the order of the organizations, whichever nodes told: two transactions never cross.
    ended: dict[tuple[str, str], list[tuple[str, str, int]]] = {}
    for one in changed:
        if one.credit_state and one.credit_state != known[one.id].credit_state:
            end = (one.organization_id, one.credit_state, one.credits)
            ended.setdefault((one.organization_id, one.node or ""), []).append(end)
    for (_, node), ends in sorted(ended.items()):
        await account.finish(connection, ends, now, cause="log", reference=node)


def _settled(known: Known) -> Known:
    state = settlement(known.state.status, known.credit_state)
    return known if state == known.credit_state else msgspec.structs.replace(known, credit_state=state)


def _suppressions(
    known: Mapping[str, Known], rows: Sequence[EventRow], readings: Sequence[Reading], now: datetime
) -> Iterator[SuppressionRow]:
    for row, reading in zip(rows, readings, strict=True):
        if row.type in _MAY_SUPPRESS and row.organization_id is not None:
            one = known.get(row.recipient_id or "")
            address, message_id = (one.address, one.message_id) if one else (None, None)
            yield from suppressions_of(reading.record, row.organization_id, now, address=address, message_id=message_id)
