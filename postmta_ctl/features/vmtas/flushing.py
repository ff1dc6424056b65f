"""After a pause: what waited for this vMTA alone is tried at once, else it would wait for attempts put off for hours.

Tried before a node runs the release that has the vMTA back, it would only be put off once more.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import msgspec
import structlog

from postmta_ctl.clients.kumod import NodeAddress
from postmta_ctl.core.queue_requests import QueueScope, flush
from postmta_ctl.errors import NodeFailed
from postmta_ctl.features.nodes import access
from postmta_ctl.features.nodes.queries import NodeRow, all_nodes
from postmta_ctl.features.nodes.service import OFFLINE_AFTER
from postmta_ctl.features.policy import queries as policy
from postmta_ctl.features.pools import queries as pools
from postmta_ctl.features.pools.queries import PoolRow
from postmta_ctl.features.pools.ways import ways_out
from postmta_ctl.features.queues.names import tenant_queue
from postmta_ctl.features.vmtas import queries
from postmta_ctl.features.vmtas.queries import VmtaRow
from postmta_ctl.features.vmtas.suspensions import read_metrics
from postmta_ctl.system import System

log = structlog.get_logger(__name__)

GIVES_UP_AFTER = timedelta(days=1)
"""By then KumoMTA has tried everything by itself, as it does every few hours."""


class Resumed(msgspec.Struct, frozen=True, kw_only=True):
    """A vMTA whose mail has yet to be tried, and the tenants whose mail had no other way out."""

    row: VmtaRow
    tenants: frozenset[str]


async def flush_resumed(system: System) -> None:
    """Flush on the nodes that run what the resumption came to, once all that are here do."""
    async with system.db.reading() as connection:
        rows = await queries.of_all(connection)
        if not any(row.resumed_at for _, row in rows):
            return
        resumed = _resumed(rows, await pools.of_all(connection))
        waiting = {change.organization_id: change.created_at for change in reversed(await policy.pending(connection))}
        latest = await policy.latest(connection)
        nodes = _here(await all_nodes(connection), system.now())
    if any(node.running_release != (latest and latest.number) for node in nodes):
        return
    for one in resumed:
        oldest = waiting.get(one.row.organization_id)
        is_late = one.row.resumed_at is not None and system.now() - one.row.resumed_at > GIVES_UP_AFTER
        is_released = oldest is None or (one.row.resumed_at is not None and oldest > one.row.resumed_at)
        if is_late or (is_released and await _flush(system, one, nodes)):
            async with system.db.transaction() as connection:
                await queries.flushed(connection, one.row)


def _resumed(rows: list[tuple[str, VmtaRow]], all_pools: list[tuple[str, PoolRow]]) -> list[Resumed]:
    found = []
    for slug, row in rows:
        if row.resumed_at is None or row.is_paused:
            continue
        paused = {other.name: other.is_paused for owner, other in rows if owner == slug}
        ways = ways_out(slug, paused, [pool for owner, pool in all_pools if owner == slug])
        # Mail that may leave from others as well was put off by receivers, who do not want it sooner.
        alone = {
            tenant
            for tenant, names in ways.items()
            if row.name in names and all(paused[name] for name in names - {row.name})
        }
        found.append(Resumed(row=row, tenants=frozenset(alone)))
    return found


def _here(nodes: list[NodeRow], now: datetime) -> list[NodeRow]:
    return [node for node in nodes if node.last_seen_at is not None and now - node.last_seen_at <= OFFLINE_AFTER]


async def _flush(system: System, one: Resumed, nodes: list[NodeRow]) -> bool:
    return all(await asyncio.gather(*(_flush_on(system, access.address(system, node), one) for node in nodes)))


async def _flush_on(system: System, node: NodeAddress, one: Resumed) -> bool:
    try:
        metrics = await read_metrics(system, node)
        queues = [queue for name, size in metrics.scheduled.items() if size and (queue := tenant_queue(name))]
        # A queue without a campaign cannot be told from those with one, so all campaigns go together.
        wanted = {(queue.tenant, queue.domain) for queue in queues if queue.tenant in one.tenants}
        for tenant, domain in sorted(wanted):
            body = flush(QueueScope(tenant=tenant, domain=domain), f"vMTA {one.row.name} resumed")
            await system.kumod.admin(node, "POST", "/api/admin/rebind/v1", body)
    except NodeFailed as error:
        log.warning("not flushed yet", vmta=one.row.id, node=node.name, detail=error.detail)
        return False
    return True
