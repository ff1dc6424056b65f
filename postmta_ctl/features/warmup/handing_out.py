"""Handing out the day's allowances: tickets in the database first, then in a file on each node.

In this order nothing is ever sent that was not written down. A node whose file cannot be written goes on by the ticket
it has; one whose tickets were lost with its process gets new ones once it is seen again.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.warmup_tickets import Day, Holder, Ticket, as_counted, issue
from postmta_ctl.errors import NodeFailed
from postmta_ctl.features.live_data import node_folder
from postmta_ctl.features.nodes import access
from postmta_ctl.features.nodes.queries import NodeRow, all_nodes
from postmta_ctl.features.nodes.service import OFFLINE_AFTER
from postmta_ctl.features.vmtas.queries import VmtaRow
from postmta_ctl.features.warmup import count_queries, queries, ticket_queries
from postmta_ctl.features.warmup.queries import Governed
from postmta_ctl.system import System

log = structlog.get_logger(__name__)

FILE = "warmup.json"
"""Within the folder of live data; read by ``kumo_policy/warmup.lua``."""
SETTLE = timedelta(seconds=10)
"""A node that was restarted first reports what it had sent before; only then it gets new tickets."""

Attempts = Mapping[tuple[str, str], dict[str, int]]
Tickets = dict[tuple[str, str], Ticket]


async def hand_out(system: System) -> None:
    """Issue the tickets that are due, and tell the nodes."""
    now = system.now()
    async with system.db.reading() as connection:
        governed = await queries.governed(connection)
        rows = await all_nodes(connection)
        told = await ticket_queries.nodes(connection)
        tickets = await ticket_queries.tickets(connection)
        attempts = await count_queries.attempts(connection, now.date())
        delivered = await count_queries.delivered_at(connection, now.date())
    for row in rows:
        known = told.get(row.id)
        if row.online_since is not None and (known is None or known.online_since != row.online_since):
            told[row.id] = await _begin_anew(system, row, known)
            tickets = {key: ticket for key, ticket in tickets.items() if key[0] != row.id}
    issued = _issued(governed, rows, tickets, attempts, delivered, now)
    for row in (one for one in rows if one.id in told):
        await _tell(system, row, told[row.id], governed, tickets, issued.get(row.id, {}), len(rows))


async def _begin_anew(system: System, row: NodeRow, known: ticket_queries.NodeRow | None) -> ticket_queries.NodeRow:
    """Another process took the place of the one that had the tickets."""
    fresh = ticket_queries.NodeRow(node_id=row.id, serial=known.serial if known else 0, online_since=row.online_since)
    async with system.db.transaction() as connection:
        await ticket_queries.save_node(connection, fresh)
        await ticket_queries.void(connection, row.id)
    return fresh


def _issued(
    governed: list[Governed],
    rows: list[NodeRow],
    tickets: Tickets,
    attempts: Attempts,
    delivered: Mapping[str, dict[str, int]],
    now: datetime,
) -> dict[str, dict[str, Ticket]]:
    """The tickets to issue, by node and vMTA."""
    found: defaultdict[str, dict[str, Ticket]] = defaultdict(dict)
    for one in governed:
        vmta_id = one.row.id
        if one.row.state != "warming":
            continue
        made = {row.id: attempts.get((vmta_id, row.name), {}) for row in rows}
        holders = [
            Holder(
                node_id=row.id,
                attempts=made[row.id],
                ticket=tickets.get((row.id, vmta_id)),
                # One that has the address no more is counted with what it had, and gets nothing.
                is_online=_is_settled(row, now) and _has(one.row, row.name),
            )
            for row in rows
        ]
        for each in issue(_day(one, delivered.get(vmta_id, {}), now), holders, now):
            found[each.node_id][vmta_id] = Ticket(
                day=now.date(),
                size=each.size,
                limits=each.limits,
                counted=as_counted(made[each.node_id]),
                issued_at=now,
            )
    return found


def _day(one: Governed, delivered: dict[str, int], now: datetime) -> Day:
    progress, today = one.progress, now.date()
    # Before the governor has opened the day, nothing is allowed on it.
    stands = one.row.is_paused or progress.opened_on != today
    return Day(
        today=today,
        allowance=0 if stands else progress.allowance,
        delivered=sum(delivered.values()),
        limits={} if stands else {provider: progress.limit_at(provider) for provider in sorted(progress.limited)},
        delivered_at=delivered,
    )


def _has(vmta: VmtaRow, node: str) -> bool:
    return not vmta.nodes or node in vmta.nodes


def _is_settled(row: NodeRow, now: datetime) -> bool:
    if row.last_seen_at is None or row.online_since is None or now - row.last_seen_at > OFFLINE_AFTER:
        return False
    return now - row.online_since >= SETTLE


async def _tell(
    system: System,
    row: NodeRow,
    known: ticket_queries.NodeRow,
    governed: list[Governed],
    tickets: Tickets,
    issued: dict[str, Ticket],
    node_count: int,
) -> None:
    """Write down what the node gets, and have it know."""
    if issued:
        known = msgspec.structs.replace(known, serial=known.serial + 1)
        issued = {vmta_id: msgspec.structs.replace(ticket, serial=known.serial) for vmta_id, ticket in issued.items()}
        async with system.db.transaction() as connection:
            await ticket_queries.save_node(connection, known)
            await ticket_queries.save_tickets(connection, row.id, issued)
    here = {vmta_id: ticket for (node_id, vmta_id), ticket in tickets.items() if node_id == row.id} | issued
    content = file_content(known.serial, governed, here, node_count)
    digest = hashlib.sha256(content).hexdigest()
    if row.transport == "agent":
        await _leave_to_agent(system, row, known, content, digest)
        return
    folder = Path(row.policy_dir)
    if (digest == known.digest and not known.bump_again) or not await asyncio.to_thread(folder.is_dir):
        return
    held = {vmta_id: ticket for (node_id, vmta_id), ticket in tickets.items() if node_id == row.id}
    is_switched = digest != known.digest and (known.digest is None or _open(held) != _open(here))
    error = await _bring(system, row, folder, content)
    async with system.db.transaction() as connection:
        told = {"digest": None if error else digest, "bump_again": is_switched or error is not None, "error": error}
        await ticket_queries.note(connection, row.id, **told)


async def _leave_to_agent(
    system: System, row: NodeRow, known: ticket_queries.NodeRow, content: bytes, digest: str
) -> None:
    """The agent asks for it, writes it, and has the node read it; one that does not come goes by what it has."""
    if digest != known.digest:
        async with system.db.transaction() as connection:
            told = {"digest": digest, "content": content.decode(), "bump_again": False, "error": None}
            await ticket_queries.note(connection, row.id, **told)


def file_content(serial: int, governed: list[Governed], tickets: Mapping[str, Ticket], node_count: int = 1) -> bytes:
    """What the node's policy reads.

    Args:
        serial: Of the newest ticket.
        governed: Every vMTA that has, or had, a warm-up.
        tickets: Those of the node, by vMTA.
        node_count: Among how many nodes a day's allowance is divided, for the pace of pools that are all warming.
    """
    found: dict[str, Any] = {}
    for one in governed:
        name = f"{one.organization}.{one.row.name}"
        if one.row.state != "warming":
            # The release that a node runs may not know yet.
            found[name] = {"free": True}
        elif ticket := tickets.get(one.row.id):
            day = math.ceil(one.progress.allowance / max(1, len(one.row.nodes) or node_count))
            found[name] = {"serial": ticket.serial, "size": ticket.size, "day": day, "limits": ticket.limits}
    content = msgspec.json.encode({"serial": serial, "vmtas": found}, order="sorted")
    return msgspec.json.format(content, indent=1) + b"\n"


async def whole_day(connection: AsyncConnection, now: datetime) -> bytes:
    """What a lone node would read if it were given all at once that is left of today; for simulations."""
    governed = await queries.governed(connection)
    delivered = await count_queries.delivered_at(connection, now.date())
    tickets = {}
    for one in governed:
        opened = msgspec.structs.replace(one, progress=msgspec.structs.replace(one.progress, opened_on=now.date()))
        day = _day(opened, delivered.get(one.row.id, {}), now)
        size = max(0, day.allowance - day.delivered)
        limits = {name: max(0, limit - day.delivered_at.get(name, 0)) for name, limit in day.limits.items()}
        tickets[one.row.id] = Ticket(
            day=now.date(),
            size=size,
            limits={name: limit for name, limit in limits.items() if limit < size},
            issued_at=now,
            serial=1,
        )
    return file_content(0, governed, tickets)


def _open(tickets: Mapping[str, Ticket]) -> set[str]:
    """The vMTAs that stand in the node's pools."""
    return {vmta_id for vmta_id, ticket in tickets.items() if ticket.size}


async def _bring(system: System, row: NodeRow, folder: Path, content: bytes) -> str | None:
    """Write the file and have the node read it; what went wrong, if anything did."""
    try:
        await asyncio.to_thread(node_folder.write, folder, {FILE: content}, row.file_owner)
        await system.kumod.bump_epoch(access.address(system, row))
    except (OSError, LookupError, NodeFailed) as error:
        log.warning("the node does not know its warm-up tickets", node=row.name, error=str(error))
        return str(error)
    return None
