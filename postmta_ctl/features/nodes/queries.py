"""SQL of nodes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.tables import nodes

Transport: TypeAlias = Literal["folder", "agent"]


class NodeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A node: where it is, and what we know of it."""

    id: str
    name: str
    kind: str
    """``kumod``, or ``sandbox`` for the embedded one."""
    transport: Transport = "folder"
    """Who writes its files: this process into a folder, or the agent beside the node."""
    admin_url: str
    policy_dir: str
    """The folder that it reads its policy from: as this host sees it, or as the node's host does with an agent."""
    file_owner: str | None
    """The user that owns its secrets; None: who writes them."""
    weight: int = 1
    """Its share of the mail; 0: it gets none that another one can take."""
    ingest_token_digest: bytes
    sealed_ingest_token: bytes
    sealed_admin_token: bytes
    agent_token_digest: bytes | None = None
    order_serial: int | None = None
    """Of the newest order to its agent; grows with each, so that an agent can tell an old one."""
    order_replaces: bool = False
    """Whether that one replaces what was changed by hand."""
    folder_drift: dict[str, Any] | None = None
    """How its folder differs from that release, by its agent: :class:`.folder_drift.FolderDrift`."""
    published_release: int | None = None
    """The release that its files are switched to."""
    running_release: int | None = None
    """The release that it said it runs when it was last asked; None: not known."""
    online_since: datetime | None = None
    last_seen_at: datetime | None = None
    last_error: str | None = None
    """What is wrong with it now."""
    created_at: datetime


_SELECT = select(*(nodes.c[name] for name in NodeRow.__struct_fields__))


async def all_nodes(connection: AsyncConnection) -> list[NodeRow]:
    """Every node, by name."""
    return [NodeRow(**row) for row in (await connection.execute(_SELECT.order_by(nodes.c.name))).mappings()]


async def injectable(connection: AsyncConnection) -> list[NodeRow]:
    """The nodes that mail may be given to, by name: those that have said which release they run."""
    query = _SELECT.where(nodes.c.running_release.is_not(None)).order_by(nodes.c.name)
    return [NodeRow(**row) for row in (await connection.execute(query)).mappings()]


async def by_id(connection: AsyncConnection, node_id: str) -> NodeRow | None:
    """The node of this id."""
    return _row(await connection.execute(_SELECT.where(nodes.c.id == node_id)))


async def by_name(connection: AsyncConnection, name: str) -> NodeRow | None:
    """The node of this name."""
    return _row(await connection.execute(_SELECT.where(nodes.c.name == name)))


def _row(result: Any) -> NodeRow | None:
    row = result.mappings().one_or_none()
    return None if row is None else NodeRow(**row)


async def node_by_token_digest(connection: AsyncConnection, digest: bytes) -> str | None:
    """Name of the node whose ingest token has this SHA-256 digest."""
    name: str | None = await connection.scalar(select(nodes.c.name).where(nodes.c.ingest_token_digest == digest))
    return name


async def by_agent_token(connection: AsyncConnection, digest: bytes) -> NodeRow | None:
    """The node whose agent's token has this SHA-256 digest."""
    return _row(await connection.execute(_SELECT.where(nodes.c.agent_token_digest == digest)))


async def add(connection: AsyncConnection, row: NodeRow) -> None:
    """Insert a node."""
    await connection.execute(insert(nodes).values(**msgspec.structs.asdict(row)))


async def change(connection: AsyncConnection, node_id: str, **values: Any) -> None:
    """Write what has become known of a node."""
    await connection.execute(update(nodes).where(nodes.c.id == node_id).values(**values))


async def remove(connection: AsyncConnection, node_id: str) -> None:
    """Delete a node."""
    await connection.execute(delete(nodes).where(nodes.c.id == node_id))
