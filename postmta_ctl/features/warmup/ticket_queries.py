"""SQL of tickets: what each node may still send from each warming vMTA."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.warmup_tickets import Ticket
from postmta_ctl.store.tables import warmup_nodes, warmup_tickets


class NodeRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a node was told."""

    node_id: str
    serial: int = 0
    online_since: datetime | None = None
    digest: str | None = None
    content: str | None = None
    """What its agent is to write; None where it has no agent."""
    bump_again: bool = False
    """A queue may have met a pool cached just before the epoch, and keeps it until the next one."""
    error: str | None = None


async def nodes(connection: AsyncConnection) -> dict[str, NodeRow]:
    """Every node that was told anything, by id."""
    return {row["node_id"]: NodeRow(**row) for row in (await connection.execute(select(warmup_nodes))).mappings()}


async def content(connection: AsyncConnection, node_id: str) -> str | None:
    """What the agent of a node is to write; None before there is anything."""
    query = select(warmup_nodes.c.content).where(warmup_nodes.c.node_id == node_id)
    found: str | None = await connection.scalar(query)
    return found


async def tickets(connection: AsyncConnection) -> dict[tuple[str, str], Ticket]:
    """The ticket that each node has for each vMTA, by their ids."""
    rows = await connection.execute(select(warmup_tickets))
    return {(row.node_id, row.vmta_id): msgspec.convert(row.ticket, Ticket) for row in rows}


async def save_node(connection: AsyncConnection, row: NodeRow) -> None:
    """Insert or update what a node was told."""
    statement = _insert(connection, warmup_nodes).values(**msgspec.structs.asdict(row))
    changed = {name: statement.excluded[name] for name in NodeRow.__struct_fields__ if name != "node_id"}
    await connection.execute(statement.on_conflict_do_update(index_elements=["node_id"], set_=changed))


async def note(connection: AsyncConnection, node_id: str, **values: Any) -> None:
    """Write how telling a node went."""
    await connection.execute(update(warmup_nodes).where(warmup_nodes.c.node_id == node_id).values(**values))


async def save_tickets(connection: AsyncConnection, node_id: str, issued: Mapping[str, Ticket]) -> None:
    """Hand tickets to a node, in the place of those that it has for the same vMTAs."""
    if not issued:
        return
    statement = _insert(connection, warmup_tickets)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["node_id", "vmta_id"], set_={"ticket": statement.excluded.ticket}
        ),
        [{"node_id": node_id, "vmta_id": vmta_id, "ticket": ticket} for vmta_id, ticket in sorted(issued.items())],
    )


async def void(connection: AsyncConnection, node_id: str) -> None:
    """Take all tickets of a node for used."""
    await connection.execute(delete(warmup_tickets).where(warmup_tickets.c.node_id == node_id))


async def void_of_vmta(connection: AsyncConnection, vmta_id: str) -> None:
    """Take all tickets for a vMTA for used."""
    await connection.execute(delete(warmup_tickets).where(warmup_tickets.c.vmta_id == vmta_id))


def _insert(connection: AsyncConnection, table: Any) -> Any:
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)
