"""What waits for one vMTA: by the nodes' own numbers, what the database still has, and what receivers said last."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

import msgspec

from postmta_ctl.clients.kumod import ReadySuspension
from postmta_ctl.compiler.names import tenant_name
from postmta_ctl.core.node_metrics import QueueMetrics, empty, total
from postmta_ctl.core.providers import well_known
from postmta_ctl.errors import NodeFailed
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.nodes import access
from postmta_ctl.features.nodes.queries import NodeRow, all_nodes
from postmta_ctl.features.pools import queries as pool_queries
from postmta_ctl.features.pools.ways import ways_out
from postmta_ctl.features.queues.names import tenant_queue
from postmta_ctl.features.vmtas import queries
from postmta_ctl.features.vmtas.queries import Attempt
from postmta_ctl.features.vmtas.queue_schemas import SiteQueue, Suspension, VmtaQueue
from postmta_ctl.features.vmtas.schemas import NodeState
from postmta_ctl.features.vmtas.service import find, shown_vmta
from postmta_ctl.features.vmtas.suspensions import PATIENCE_SECONDS, Vmta, read_metrics, vmta_of
from postmta_ctl.system import System

MAX_SITES = 200
LOOKING_BACK = timedelta(days=8)
"""A day more than KumoMTA keeps a message by default."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What one node said, or why it said nothing."""

    node: str
    metrics: QueueMetrics
    suspensions: list[ReadySuspension] = []
    problem: str | None = None


async def queue_of(system: System, principal: Principal, vmta_id: str) -> VmtaQueue:
    """The queue status of a vMTA, summed over the nodes that could be asked.

    Raises:
        NotFound: The organization has no such vMTA.
    """
    now = system.now()
    async with system.db.reading() as connection:
        row = await find(connection, principal, vmta_id)
        here = await queries.waiting_count(connection, row)
        trouble = await queries.last_deferral(connection, row, now - LOOKING_BACK)
        names = await queries.names_of(connection, row.organization_id)
        pools = [pool for _, pool in await pool_queries.of_all(connection, row.organization_id)]
        nodes = [node for node in await all_nodes(connection) if node.online_since is not None]
    readings = await asyncio.gather(*(_read(system, node) for node in nodes))
    metrics = total(one.metrics for one in readings)
    sites = _sites((principal.organization, row.name), readings)
    scheduled, pinned = _by_tenant(metrics), tenant_name(principal.organization, row.name)
    ways = ways_out(principal.organization, names, pools)
    shared = {tenant for tenant, vmtas in ways.items() if row.name in vmtas} - {pinned}
    shown = shown_vmta(row)
    trouble = trouble or Attempt()
    return VmtaQueue(
        id=row.id,
        name=row.name,
        state=shown.state,
        pause=shown.pause,
        here=here,
        scheduled_for_it=scheduled[pinned],
        scheduled_for_any=sum(scheduled[tenant] for tenant in shared),
        ready=sum(one.ready for one in sites),
        connections=sum(one.connections for one in sites),
        sites=sites[:MAX_SITES],
        sites_left_off=max(0, len(sites) - MAX_SITES),
        last_error=trouble.reply,
        last_error_at=trouble.occurred_at,
        last_error_provider=trouble.provider,
        nodes=[NodeState(node=one.node, ok=one.problem is None, detail=one.problem) for one in readings],
    )


async def _read(system: System, node: NodeRow) -> Reading:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            address = access.address(system, node)
            metrics = await read_metrics(system, address)
            return Reading(node=node.name, metrics=metrics, suspensions=await system.kumod.ready_suspensions(address))
    except NodeFailed as error:
        problem = error.detail
    except TimeoutError:
        problem = f"node {node.name}: no answer within {PATIENCE_SECONDS:g} s"
    return Reading(node=node.name, metrics=empty(), problem=problem)


def _by_tenant(metrics: QueueMetrics) -> Counter[str]:
    found: Counter[str] = Counter()
    for name, size in metrics.scheduled.items():
        if queue := tenant_queue(name):
            found[queue.tenant] += size
    return found


def _sites(vmta: Vmta, readings: Iterable[Reading]) -> list[SiteQueue]:
    """Those that any node knows or has suspended, largest first."""
    ready = {one.node: _of(vmta, one.metrics.ready) for one in readings}
    connections = sum((_of(vmta, one.metrics.connections) for one in readings), Counter[str]())
    suspended = [
        (rule.name.partition("->")[2].removesuffix("@smtp_client"), one.node, rule)
        for one in readings
        for rule in one.suspensions
        if vmta_of(rule.name) == vmta
    ]
    known = {site for counts in ready.values() for site in counts} | set(connections) | {site for site, *_ in suspended}
    found = [
        SiteQueue(
            site=site,
            provider=provider_of(site),
            ready=sum(counts[site] for counts in ready.values()),
            connections=connections[site],
            by_node={node: counts[site] for node, counts in ready.items() if counts[site]},
            suspended=[
                Suspension(node=node, reason=rule.reason, expires_at=rule.expires)
                for where, node, rule in suspended
                if where == site
            ],
        )
        for site in known
    ]
    return sorted(found, key=lambda one: (-one.ready, -one.connections, one.site))


def _of(vmta: Vmta, counts: Counter[tuple[str, str]]) -> Counter[str]:
    """By site, whatever the version of the source."""
    found: Counter[str] = Counter()
    for (source, site), count in counts.items():
        if vmta_of(source) == vmta:
            found[site] += count
    return found


def provider_of(site: str) -> str | None:
    """The mailbox provider behind a site's name, which is the MX hosts rolled up: ``(mx1|mx2).example.com``."""
    return well_known("", site.rpartition(")")[2].removeprefix("."))
