"""Log records become events, once each in effect, whatever the order and however often they come.

A batch is kept in one transaction with all that follows from it, and answered after the commit, so that a node whose
request was cut off sends it again and nothing is counted twice.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import structlog
from litestar import Request

from postmta_ctl.core import tokens
from postmta_ctl.core.kumo_log import Batch, decode
from postmta_ctl.core.log_events import is_ignorable
from postmta_ctl.errors import MalformedRequest, PayloadTooLarge, Unauthenticated
from postmta_ctl.features.ingest.intake import keep_together, place, rest
from postmta_ctl.features.ingest.keeping import Delivery
from postmta_ctl.features.ingest.reading import read
from postmta_ctl.features.ingest.schemas import Ingested
from postmta_ctl.features.nodes.queries import node_by_token_digest
from postmta_ctl.store.types import from_micros
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
    name = await _node(system, tokens.digest(token.strip())) if scheme.lower() == "bearer" and token else None
    if name is None:
        raise Unauthenticated("Send the node's ingest token as Authorization: Bearer.")
    return name


async def _node(system: System, digest: bytes) -> str | None:
    key, version = ("ingest token", digest), system.db.changes
    name: str | None = system.known.get(key, version)
    if name is None:
        async with system.db.reading() as connection:
            name = await node_by_token_digest(connection, digest)
        if name is not None:
            system.known.set(key, name, version)
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


async def receive(system: System, request: Request[Any, Any, Any]) -> Ingested:
    """Keep what a node sends.

    Raises:
        Unauthenticated: It is no node that we know.
        Busy: Too much is waiting already; nothing of the body was read.
        MalformedRequest: Nothing of it is JSON, or not what Content-Encoding says.
        PayloadTooLarge: It is longer than ``MAX_BODY`` when decompressed.
    """
    node = await authenticate_node(system, request.headers)
    with place(system):
        batch = decode(await read_body(request))
        if batch.is_garbage:
            raise MalformedRequest(f"The body cannot be read as log records: {batch.bad[0].reason}.")
        answer = await _ingest(system, node, batch)
    await rest(system, len(batch.records))
    return answer


async def ingest(system: System, node: str, body: bytes) -> Ingested:
    """Keep log records and what follows from them.

    Args:
        system: Where to.
        node: Name of the node that wrote them.
        body: Records, one a line or in a JSON array.
    """
    return await _ingest(system, node, decode(body))


async def _ingest(system: System, node: str, batch: Batch) -> Ingested:
    ours = {system.settings.bounces}
    mail = [read(node, record) for record in batch.records if not is_ignorable(record, ours)]
    added = await keep_together(system, Delivery(node, mail, batch.bad)) if mail or batch.bad else 0
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
        oldest=from_micros(min(one.at for one in mail)) if mail else None,
        now=system.now(),
    )
    log.info("ingested", node=node, added=answer.added, duplicates=answer.duplicates, unreadable=answer.unreadable)
    return answer
