"""Log records become events, once each in effect, whatever the order and however often they come.

A batch is one transaction: its events, the recipients' statuses and the messages', and the roll-ups. It is answered
after the commit, so that a node whose request was cut off sends it again and nothing is counted twice.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import structlog
from litestar import Request
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core import tokens
from postmta_ctl.core.kumo_log import Batch, LogRecord, decode
from postmta_ctl.core.ledger import settlement
from postmta_ctl.core.log_events import is_ignorable, is_not_queued, rid_of, tenant_of
from postmta_ctl.core.status import summarise
from postmta_ctl.errors import MalformedRequest, PayloadTooLarge, Unauthenticated
from postmta_ctl.features.credits import account
from postmta_ctl.features.ingest import queries
from postmta_ctl.features.ingest.adoption import adopt, charge
from postmta_ctl.features.ingest.counting import fact
from postmta_ctl.features.ingest.fold import fold
from postmta_ctl.features.ingest.queries import Known
from postmta_ctl.features.ingest.rows import event_row
from postmta_ctl.features.ingest.schemas import Ingested
from postmta_ctl.features.messages.relay_queries import put_back, set_message_statuses, statuses
from postmta_ctl.features.nodes.queries import node_by_token_digest
from postmta_ctl.features.security.greylisting.counting import count as count_greylisting
from postmta_ctl.features.suppressions.automatic import rows_of as suppressions_of
from postmta_ctl.features.suppressions.queries import SuppressionRow
from postmta_ctl.features.suppressions.service import suppress
from postmta_ctl.features.warmup.counting import count as count_for_warmup
from postmta_ctl.features.webhooks.outbox import announce_mail
from postmta_ctl.store import rollups
from postmta_ctl.system import System

log = structlog.get_logger(__name__)

MAX_BODY = 64 * 1024 * 1024
"""Octets of a batch after decompression: 500 records are below 1 MiB."""


async def authenticate_node(system: System, headers: Mapping[str, str]) -> str:
    """The name of the node whose token the request carries.

    Raises:
        Unauthenticated: It carries none that we know.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    name = None
    if scheme.lower() == "bearer" and token:
        async with system.db.reading() as connection:
            name = await node_by_token_digest(connection, tokens.digest(token.strip()))
    if name is None:
        raise Unauthenticated("Send the node's ingest token as Authorization: Bearer.")
    return name


async def read_body(request: Request[Any, Any, Any]) -> bytes:
    """The body, decompressed if it was sent as gzip.

    Raises:
        MalformedRequest: It is not what Content-Encoding says.
        PayloadTooLarge: It is longer than ``MAX_BODY`` when decompressed.
    """
    body = await request.body()
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding == "identity":
        return body
    if encoding != "gzip":
        raise MalformedRequest("Content-Encoding is gzip or absent.", code="unsupported_encoding")
    return _gunzip(body)


def _gunzip(body: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        found = inflater.decompress(body, MAX_BODY)
    except zlib.error as error:
        raise MalformedRequest(f"The body is not gzip: {error}.") from None
    if inflater.unconsumed_tail:
        raise PayloadTooLarge(f"The batch has more than {MAX_BODY} octets when decompressed.")
    if not inflater.eof:
        raise MalformedRequest("The gzip body ends too early.")
    return found


async def ingest(system: System, node: str, body: bytes) -> Ingested:
    """Keep a batch of log records and what follows from them.

    Args:
        node: Name of the node that sent it.
        body: Records, one a line or in a JSON array.
    """
    batch = decode(body)
    mail = [record for record in batch.records if not is_ignorable(record, {system.settings.bounces})]
    now = system.now()
    async with system.db.transaction() as connection:
        added = await _keep(system, connection, node, mail, now) if mail else 0
        if batch.bad:
            await queries.insert_dead_letters(connection, _dead_letters(batch, node, now))
        system.reach("before-ingest-commit")
    system.reach("after-ingest")
    answer = Ingested(
        added=added,
        duplicates=len(mail) - added,
        ignored=len(batch.records) - len(mail),
        unreadable=len(batch.bad),
    )
    system.metrics.batch(
        node,
        added=answer.added,
        duplicates=answer.duplicates,
        unreadable=answer.unreadable,
        oldest=min((record.occurred_at for record in mail), default=None),
        now=now,
    )
    log.info("ingested", node=node, added=answer.added, duplicates=answer.duplicates, unreadable=answer.unreadable)
    return answer


async def _keep(
    system: System, connection: AsyncConnection, node: str, mail: Sequence[LogRecord], now: datetime
) -> int:
    new = await adopt(connection, mail, now)
    known = await queries.known_recipients(connection, {rid for record in mail if (rid := rid_of(record))})
    for rid, credits in (await charge(system, connection, new)).items():
        known[rid] = msgspec.structs.replace(known[rid], credits=credits)
    owners = await _owners(connection, mail, known)
    rows = [
        event_row(record, node=node, known=known.get(rid_of(record) or ""), organization_id=owner, now=now)
        for record, owner in zip(mail, owners, strict=True)
    ]
    added = await queries.insert_events(connection, rows)
    # A record may stand in the batch twice; by key there is one of each.
    news = {row["dedupe_key"]: (row, record) for row, record in zip(rows, mail, strict=True)}
    fresh = [pair for key, pair in news.items() if key in added]
    await _apply(connection, node, known, [record for _, record in fresh], now)
    system.reach("in-ingest")
    await put_back(connection, [row["recipient_id"] for row, record in fresh if is_not_queued(record)], now)
    await suppress(connection, _suppressions(known, fresh, now))
    await announce_mail(connection, [row for row, _ in fresh], now)
    await count_for_warmup(connection, [row for row, _ in fresh])
    await count_greylisting(connection, node, [record for _, record in fresh])
    await _count(connection, [row for row, _ in fresh])
    return len(added)


def _suppressions(
    known: dict[str, Known], fresh: Sequence[tuple[dict[str, Any], LogRecord]], now: datetime
) -> Iterator[SuppressionRow]:
    for row, record in fresh:
        if (owner := row["organization_id"]) is not None:
            one = known.get(row["recipient_id"] or "")
            address, message_id = (one.address, one.message_id) if one else (None, None)
            yield from suppressions_of(record, owner, now, address=address, message_id=message_id)


async def _count(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    messages = await queries.message_facts(connection, {row["message_id"] for row in rows if row["message_id"]})
    facts = (fact(row, messages.get(row["message_id"])) for row in rows)
    await rollups.count(connection, [one for one in facts if one is not None])


async def _owners(connection: AsyncConnection, mail: Sequence[LogRecord], known: dict[str, Known]) -> list[str | None]:
    """The organization of each record: its recipient's, else the one that its tenant names."""
    slugs = [(tenant_of(record) or "").partition(".")[0] for record in mail]
    by_slug = await queries.organizations_by_slug(connection, set(slugs))
    recipients = [known.get(rid_of(record) or "") for record in mail]
    return [one.organization_id if one else by_slug.get(slug) for one, slug in zip(recipients, slugs, strict=True)]


async def _apply(
    connection: AsyncConnection, node: str, known: dict[str, Known], news: Sequence[LogRecord], now: datetime
) -> None:
    """Carry what is new over to the recipients, their messages, and the credits reserved for them."""
    state = dict(known)
    for record in news:
        rid = rid_of(record)
        if rid in state:
            state[rid] = fold(state[rid], record, node)
    changed = [_settled(one) for rid, one in state.items() if one != known[rid]]
    if not changed:
        return
    await queries.update_recipients(connection, changed)
    found = await statuses(connection, {one.message_id for one in changed})
    await set_message_statuses(connection, {message_id: summarise(each) for message_id, each in found.items()})
    ended = [
        (one.organization_id, one.credit_state, one.credits)
        for one in changed
        if one.credit_state and one.credit_state != known[one.id].credit_state
    ]
    await account.finish(connection, ended, now, cause="log", reference=node)


def _settled(known: Known) -> Known:
    return msgspec.structs.replace(known, credit_state=settlement(known.status, known.credit_state))


def _dead_letters(batch: Batch, node: str, now: datetime) -> list[dict[str, Any]]:
    return [
        {"received_at": now, "node": node, "reason": f"record {bad.number}: {bad.reason}", "record": bad.raw}
        for bad in batch.bad
    ]
