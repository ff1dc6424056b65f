"""Adding, showing and removing nodes."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.clients.kumod import NodeAddress
from postmta_ctl.compiler.node_files import launcher
from postmta_ctl.core import tokens
from postmta_ctl.core.ids import new_id
from postmta_ctl.errors import AlreadyExists, Conflict, FieldError, InvalidRequest, NotFound
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.nodes import access, queries
from postmta_ctl.features.nodes.queries import NodeRow
from postmta_ctl.features.nodes.schemas import Node, NodeAdded, NodeCreate, NodeUpdate
from postmta_ctl.features.policy import queries as releases
from postmta_ctl.system import System

OFFLINE_AFTER = timedelta(seconds=30)
"""A node not seen for longer than this counts as offline; it is looked at every few seconds."""
SANDBOX = "sandbox"
"""Name and kind of the embedded node."""


async def add(
    system: System, data: NodeCreate, *, kind: str = "kumod", principal: Principal | None = None
) -> NodeAdded:
    """Add a node: make its tokens, and write what the node itself needs into its policy folder.

    Raises:
        InvalidRequest: The URL or the folder cannot be used.
        AlreadyExists: A node of that name, or in that folder, is there.
    """
    _check(data, kind)
    row = _new_row(system, data, kind)
    agent = tokens.make_token(system.random) if data.transport == "agent" else None
    if agent is not None:
        row = msgspec.structs.replace(row, agent_token_digest=agent.digest)
    async with system.db.reading() as connection:
        _require_new(row, await queries.all_nodes(connection))
    if agent is None:
        await _write_own_files(system, row)
    try:
        async with system.db.transaction() as connection:
            await queries.add(connection, row)
            await audit.record(connection, principal, "node.added", row.id, after=data, now=row.created_at)
    except IntegrityError as error:
        raise AlreadyExists(f"name: there is a node {row.name} already.") from error
    system.node_addresses.clear()
    shown = _shown(row, set(), system.now())
    return NodeAdded(node=shown, next_steps=_next_steps(row), agent_token=agent.secret if agent else None)


async def _write_own_files(system: System, row: NodeRow) -> None:
    try:
        await asyncio.to_thread(access.write_own_files, system, row)
    except OSError as error:
        raise InvalidRequest.of("policy_dir", f"cannot be written to: {error}", code="not_writable") from error


def read_update(values: dict[str, Any]) -> NodeUpdate:
    """What is to be changed, from elsewhere than a request, held to the same limits.

    Raises:
        msgspec.ValidationError: A value is of another type or size.
    """
    return msgspec.convert(values, NodeUpdate)


def _check(data: NodeCreate, kind: str) -> None:
    problems = []
    if data.name == SANDBOX and kind != SANDBOX:
        problems.append(FieldError(field="name", message="is kept for the embedded node", code="reserved"))
    url = urlsplit(data.admin_url)
    if url.scheme not in ("http", "https") or not url.hostname or url.path.strip("/") or url.query or url.username:
        problems.append(FieldError(field="admin_url", message="must be http://host:port or https://host:port"))
    if problem := _folder_problem(data.policy_dir):
        problems.append(FieldError(field="policy_dir", message=problem))
    is_here = data.transport == "folder"
    if is_here and data.file_owner is not None and not access.is_user(data.file_owner):
        problems.append(FieldError(field="file_owner", message="there is no such user on this host"))
    if problems:
        detail = "; ".join(f"{one.field}: {one.message}" for one in problems)
        raise InvalidRequest(detail, errors=tuple(problems))


def _folder_problem(name: str) -> str | None:
    if not Path(name).is_absolute() or any(ord(character) < 32 for character in name):
        return "must be the absolute path of a folder"
    try:
        launcher(Path(name))
    except ValueError as error:
        return str(error)
    return None


def _new_row(system: System, data: NodeCreate, kind: str) -> NodeRow:
    now = system.now()
    node_id = new_id(now)
    ingest, admin = tokens.make_token(system.random), tokens.make_token(system.random)
    return NodeRow(
        id=node_id,
        name=data.name,
        kind=kind,
        transport=data.transport,
        admin_url=data.admin_url.rstrip("/"),
        policy_dir=str(Path(data.policy_dir)),
        file_owner=data.file_owner,
        weight=data.weight,
        ingest_token_digest=ingest.digest,
        sealed_ingest_token=access.seal(system, node_id, "sealed_ingest_token", ingest.secret),
        sealed_admin_token=access.seal(system, node_id, "sealed_admin_token", admin.secret),
        created_at=now,
    )


def _require_new(row: NodeRow, others: list[NodeRow]) -> None:
    for other in others:
        if other.name == row.name:
            raise AlreadyExists(f"name: there is a node {row.name} already.")
        if other.policy_dir == row.policy_dir and "agent" not in (row.transport, other.transport):
            raise AlreadyExists(f"policy_dir: the node {other.name} has this folder.")


def _next_steps(row: NodeRow) -> list[str]:
    agent = [
        "Print the key that it pins: postmta node signing-key",
        f"On its host: postmta-agent --node {row.name} --policy-dir {row.policy_dir} (examples/systemd has a unit)",
    ]
    return (agent if row.transport == "agent" else []) + [
        "Publish the policy: postmta policy publish",
        f"Have kumod run it: kumod --policy {row.policy_dir}/init.lua (or ExecStart of its systemd unit)",
        "Restart kumod once; later releases say whether they need a restart.",
    ]


async def list_nodes(system: System) -> list[Node]:
    """Every node, by name."""
    async with system.db.reading() as connection:
        rows = await queries.all_nodes(connection)
        return [await _show(system, connection, row) for row in rows]


async def get(system: System, node_id: str) -> Node:
    """One node.

    Raises:
        NotFound: There is no such node.
    """
    async with system.db.reading() as connection:
        row = await queries.by_id(connection, node_id)
        if row is None:
            raise NotFound("There is no such node.")
        return await _show(system, connection, row)


async def update(system: System, node_id: str, data: NodeUpdate, *, principal: Principal | None = None) -> Node:
    """Change a node's share of the mail, which each relay knows within a second.

    Raises:
        NotFound: There is no such node.
    """
    now = system.now()
    async with system.db.transaction() as connection:
        row = await queries.by_id(connection, node_id)
        if row is None:
            raise NotFound("There is no such node.")
        before = await _show(system, connection, row)
        await queries.change(connection, node_id, weight=data.weight)
        after = msgspec.structs.replace(before, weight=data.weight)
        if after != before:
            await audit.record(connection, principal, "node.updated", node_id, before=before, after=after, now=now)
    system.node_addresses.clear()
    return after


async def remove(system: System, node_id: str, *, principal: Principal | None = None) -> None:
    """Forget a node. It goes on with the policy it has, but its log records are refused from now on.

    vMTAs that name it still do: mail that leaves from there alone waits, until they name another or it is back.

    Raises:
        NotFound: There is no such node.
        Conflict: It is the embedded node, which would come back at the next start.
    """
    async with system.db.transaction() as connection:
        row = await queries.by_id(connection, node_id)
        if row is None:
            raise NotFound("There is no such node.")
        if row.kind == SANDBOX and system.settings.has_embedded_node:
            raise Conflict("The embedded node is there as long as the setting embedded_node is on.")
        await queries.remove(connection, node_id)
        before = _shown(row, set(), system.now())
        await audit.record(connection, principal, "node.removed", node_id, before=before, now=system.now())
    system.node_addresses.clear()


async def addresses(system: System) -> tuple[NodeAddress, ...]:
    """Where mail can be injected: the nodes that said which release they run. At most a second old."""
    known = system.node_addresses.get()
    if known is None:
        async with system.db.reading() as connection:
            rows = await queries.injectable(connection)
        known = tuple(access.address(system, row) for row in rows)
        system.node_addresses.set(known)
    return known


async def _show(system: System, connection: AsyncConnection, row: NodeRow) -> Node:
    since = row.online_since
    return _shown(row, await releases.restarts_since(connection, since) if since else set(), system.now())


def _shown(row: NodeRow, restart_needed: set[str], now: datetime) -> Node:
    names = set(Node.__struct_fields__) & set(NodeRow.__struct_fields__)
    is_online = row.last_seen_at is not None and now - row.last_seen_at < OFFLINE_AFTER
    return Node(**{n: getattr(row, n) for n in names}, is_online=is_online, restart_needed=sorted(restart_needed))
