"""Answers to agents. Each is known by its node's token, and learns of that node alone."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from postmta_ctl.compiler.bundle import KUMOMTA_VERSION, Manifest
from postmta_ctl.compiler.node_files import KeyFile
from postmta_ctl.compiler.release_order import Order, SignedOrder, sign
from postmta_ctl.core import tokens
from postmta_ctl.errors import NotFound, Unauthenticated
from postmta_ctl.features.agents.schemas import Files, Key, KeyName, LiveFile, OwnFile, Report
from postmta_ctl.features.domains import keys as dkim_keys
from postmta_ctl.features.live_data import queries as live
from postmta_ctl.features.live_data.contents import AT_ONCE, contents
from postmta_ctl.features.nodes import access
from postmta_ctl.features.nodes import queries as nodes
from postmta_ctl.features.nodes.queries import NodeRow
from postmta_ctl.features.policy import queries as releases
from postmta_ctl.features.warmup import ticket_queries
from postmta_ctl.system import System

LONGEST_WAIT = 20.0
"""Seconds that a question may stay open: less than what proxies cut off, or a stop of the service waits for."""
_LOOK_SECONDS = 0.5
T = TypeVar("T")


async def authenticate(system: System, headers: Mapping[str, str]) -> NodeRow:
    """The node whose agent asks.

    Raises:
        Unauthenticated: The request carries no token of an agent.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    row = None
    if scheme.lower() == "bearer" and token:
        async with system.db.reading() as connection:
            row = await nodes.by_agent_token(connection, tokens.digest(token.strip()))
    if row is None:
        raise Unauthenticated("Send the token of the node's agent as Authorization: Bearer.")
    return row


def signing_key(system: System) -> Ed25519PrivateKey:
    """Signs orders; derived from the master key, so it is the same in every process and nowhere at rest."""
    return Ed25519PrivateKey.from_private_bytes(
        hmac.digest(system.keys.master_key, b"postmta release orders", "sha256")
    )


async def changed(look: Callable[[], Awaitable[tuple[str, T]]], known: str | None, seconds: float) -> tuple[str, T]:
    """What ``look`` finds, with its entity tag: at once if that is another than ``known``, else when it becomes so.

    After ``seconds`` it is what it is.
    """
    deadline = asyncio.get_running_loop().time() + min(seconds, LONGEST_WAIT)
    while True:
        tag, found = await look()
        if tag != known or asyncio.get_running_loop().time() >= deadline:
            return tag, found
        await asyncio.sleep(_LOOK_SECONDS)


async def assignment(system: System, node_id: str) -> tuple[str, NodeRow]:
    """The entity tag of the order to a node: no two orders to it have the same serial.

    Raises:
        NotFound: It is to run no release yet, or is gone.
    """
    async with system.db.reading() as connection:
        row = await nodes.by_id(connection, node_id)
    if row is None or row.published_release is None:
        raise NotFound("There is no release for this node yet.", code="no_release")
    return f'"{row.published_release}.{row.order_serial}"', row


async def order(system: System, row: NodeRow) -> SignedOrder:
    """The order to a node.

    Raises:
        NotFound: It is to run no release yet.
    """
    number = row.published_release or 0
    async with system.db.reading() as connection:
        release = await releases.by_number(connection, number)
        files = await releases.files_of(connection, number)
    if release is None:
        raise NotFound("There is no release for this node yet.", code="no_release")
    ordered = dict(sorted(files.items()))
    manifest = Manifest(release=number, digest=release.digest, files=ordered, kumomta=KUMOMTA_VERSION)
    order = Order(node=row.name, serial=row.order_serial or 0, manifest=manifest, replaces=row.order_replaces)
    return sign(signing_key(system), order)


async def blob(system: System, row: NodeRow, digest: str) -> bytes:
    """A file of the release that the node is to run.

    Raises:
        NotFound: That release has no such file, whatever others have.
    """
    async with system.db.reading() as connection:
        number = row.published_release
        files = {} if number is None else await releases.files_of(connection, number)
        found = await releases.contents(connection, [digest]) if digest in files.values() else {}
    if digest not in found:
        raise NotFound("The release of this node has no such file.")
    return found[digest]


async def key_names(system: System) -> list[KeyName]:
    """The private keys that belong on nodes."""
    async with system.db.reading() as connection:
        found = await releases.key_files(connection)
    return [KeyName(domain=one.domain, selector=one.selector, key_id=one.key_id) for one in sorted(found)]


async def private_keys(system: System, wanted: list[KeyName]) -> list[Key]:
    """Those of the wanted keys that there are.

    Raises:
        SealError: One was sealed under another master key.
    """
    names = {KeyFile(one.domain, one.selector, one.key_id) for one in wanted}
    async with system.db.reading() as connection:
        opened = await dkim_keys.private_keys(system, connection, {name.domain for name in names})
    return [
        Key(domain=one.file.domain, selector=one.file.selector, key_id=one.file.key_id, pem=one.pem.decode())
        for one in opened
        if one.file in names
    ]


async def files(system: System, node_id: str, version: int, after: str) -> tuple[str, Files]:
    """What lies beside the releases and has changed since ``version``, with the entity tag of all of it.

    Args:
        system: The parts.
        node_id: The node.
        version: Of its live data; one that never was means that it knows of a future that was undone.
        after: The last path of the part before.

    Raises:
        NotFound: The node is gone.
    """
    async with system.db.reading() as connection:
        row = await nodes.by_id(connection, node_id)
        newest = await live.newest_version(connection)
        paths = await live.changed_since(connection, version if version <= newest else 0)
        part = [path for path in paths if path > after][: AT_ONCE + 1]
        found = await contents(system, connection, part[:AT_ONCE])
        warmup = await ticket_queries.content(connection, node_id)
    if row is None:
        raise NotFound("There is no such node.")
    answer = Files(
        own=OwnFile(**access.own_values(system, row)),
        version=newest,
        changed=[LiveFile(path=path, content=content.decode()) for path, content in sorted(found.items())],
        next=part[AT_ONCE - 1] if len(part) > AT_ONCE else None,
        warmup=warmup,
    )
    known = msgspec.json.encode((answer.own, newest, warmup))
    return f'"{newest}.{hashlib.sha256(known).hexdigest()[:16]}"', answer


async def take_report(system: System, row: NodeRow, report: Report) -> None:
    """Note what an agent says of its node."""
    seen: dict[str, Any] = {"last_error": report.error}
    if report.folder is not None and report.order_serial == row.order_serial:
        seen["folder_drift"] = msgspec.to_builtins(report.folder)
    if report.online_since is not None:
        # A node that does not answer its agent may come back as it was.
        seen |= {"online_since": report.online_since, "last_seen_at": system.now()}
        seen["running_release"] = report.running_release
    async with system.db.transaction() as connection:
        await nodes.change(connection, row.id, **seen)
    system.node_addresses.clear()
