"""Paused vMTAs on the nodes: every ready queue of their sources is suspended there.

Leaving the pools is what a pause comes to with the next release. A suspension acts at once, also on what has its
source already: KumoMTA puts it back to choose another. It is known by its reason, and a node tells those it has; so
what it has is compared with what the database wants, and nothing is to be remembered of restarts or lost answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.clients.kumod import NodeAddress, ReadySuspension
from postmta_ctl.compiler.names import parse_source
from postmta_ctl.core.node_metrics import QueueMetrics, add_line, empty
from postmta_ctl.core.queue_requests import suspend_ready
from postmta_ctl.errors import NodeFailed
from postmta_ctl.features.nodes import access
from postmta_ctl.features.nodes.queries import NodeRow, all_nodes
from postmta_ctl.features.vmtas import queries
from postmta_ctl.features.vmtas.schemas import NodeState
from postmta_ctl.system import System

LOCK = "change of paused vMTAs"
PATIENCE_SECONDS = 10.0
LASTS = timedelta(days=7)
"""A suspension needs an end. A lasting one is renewed at half of it; that of a deleted vMTA just ends."""
_MARK = "vMTA paused"

Vmta = tuple[str, str]
"""Slug of the organization and name."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the database says."""

    paused: dict[Vmta, str]
    """With the reason."""
    sending: frozenset[Vmta]


async def reconcile(system: System) -> list[NodeState]:
    """Bring the nodes to what is wanted; how that went at each. The caller has the lock."""
    async with system.db.reading() as connection:
        asked = await wanted(connection)
        nodes = _seen(await all_nodes(connection))
    return list(await asyncio.gather(*(_bring(system, node, asked) for node in nodes)))


async def wanted(connection: AsyncConnection) -> Wanted:
    """What the database says now."""
    rows = [((slug, row.name), row) for slug, row in await queries.of_all(connection)]
    return Wanted(
        paused={key: f"{_MARK}: {row.paused_reason}" for key, row in rows if row.is_paused},
        sending=frozenset(key for key, row in rows if not row.is_paused),
    )


async def node_names(system: System) -> list[str]:
    """The nodes that have to know."""
    async with system.db.reading() as connection:
        return [node.name for node in _seen(await all_nodes(connection))]


def _seen(nodes: Iterable[NodeRow]) -> list[NodeRow]:
    # A node that was never seen has nothing to suspend.
    return [node for node in nodes if node.online_since is not None]


async def _bring(system: System, node: NodeRow, wanted: Wanted) -> NodeState:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await _change(system, access.address(system, node), wanted)
    except NodeFailed as error:
        return NodeState(node=node.name, ok=False, detail=error.detail)
    except TimeoutError:
        return NodeState(node=node.name, ok=False, detail=f"node {node.name}: no end within {PATIENCE_SECONDS:g} s")
    return NodeState(node=node.name, ok=True)


async def _change(system: System, node: NodeAddress, wanted: Wanted) -> None:
    found = await system.kumod.ready_suspensions(node)
    for rule in found:
        if rule.reason.startswith(_MARK) and vmta_of(rule.name) in wanted.sending:
            await system.kumod.end_ready_suspension(node, rule.id)
    if wanted.paused:
        metrics = await read_metrics(system, node)
        for name, reason in missing(wanted, found, metrics, system.now()).items():
            await system.kumod.suspend_ready(node, suspend_ready(name, reason, system.now() + LASTS))


def missing(wanted: Wanted, found: Iterable[ReadySuspension], metrics: QueueMetrics, now: datetime) -> dict[str, str]:
    """Ready queues that have to be suspended yet, or again before their suspension ends, with the reason.

    A suspension by somebody else is left alone while it lasts: another would take its place.
    """
    lasting = {rule.name for rule in found if not is_ours(rule) or rule.expires - now > LASTS / 2}
    known = ready_queues(metrics) | {rule.name for rule in found if is_ours(rule)}
    names = {name: vmta_of(name) for name in known - lasting}
    return {name: wanted.paused[vmta] for name, vmta in sorted(names.items()) if vmta in wanted.paused}


def ready_queues(metrics: QueueMetrics) -> set[str]:
    """Names of the ready queues that a node knows, empty ones too."""
    return {f"{source}->{site}@smtp_client" for source, site in (*metrics.ready, *metrics.connections)}


def vmta_of(ready_queue: str) -> Vmta | None:
    """The vMTA that a ready queue leaves from, in whatever version."""
    source = parse_source(ready_queue.partition("->")[0])
    return None if source is None else (source.organization, source.vmta)


async def read_metrics(system: System, node: NodeAddress) -> QueueMetrics:
    """What a node says of its queues.

    Raises:
        NodeFailed: It does not answer.
    """
    metrics = empty()
    async for line in system.kumod.metric_lines(node):
        add_line(metrics, line)
    return metrics


def is_ours(rule: ReadySuspension) -> bool:
    """Whether it is that of a paused vMTA."""
    return rule.reason.startswith(_MARK)
