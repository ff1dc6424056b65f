"""What waits on the nodes, by their own metrics."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from postmta_ctl.compiler.names import parse_source, parse_tenant
from postmta_ctl.core.node_metrics import QueueMetrics, add_line, empty, total
from postmta_ctl.errors import InvalidRequest, NodeFailed, PermissionDenied
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.nodes import access
from postmta_ctl.features.nodes.queries import NodeRow, all_nodes
from postmta_ctl.features.queues import queries
from postmta_ctl.features.queues.holds import is_held
from postmta_ctl.features.queues.names import TenantQueue, tenant_queue
from postmta_ctl.features.queues.order import Order
from postmta_ctl.features.queues.queries import HeldOn, HoldRow, Trouble
from postmta_ctl.features.queues.schemas import Hold, NodeState, Queue, QueuePage, QueueStatus, Waiting
from postmta_ctl.system import System

PATIENCE_SECONDS = 10.0
MAX_LIMIT = 500
LOOKING_BACK = timedelta(days=8)
"""How far back events are asked for trouble: a day more than KumoMTA keeps a message by default."""


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Which queues to show; what is None does not matter."""

    domain: str | None = None
    campaign: str | None = None
    held: bool | None = None
    everybody: bool = False
    """Those of all organizations; for operators."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """The metrics of one node, or why there are none."""

    node: str
    metrics: QueueMetrics
    problem: str | None = None

    @property
    def state(self) -> NodeState:
        """For the answer."""
        return NodeState(node=self.node, ok=self.problem is None, detail=self.problem)


async def status(system: System, principal: Principal, *, everybody: bool = False) -> QueueStatus:
    """The organization's queues in a few numbers.

    Raises:
        PermissionDenied: ``everybody`` is for operators.
    """
    _require_operator(principal, everybody)
    mine = None if everybody else principal.organization
    async with system.db.reading() as connection:
        organization_id = None if everybody else principal.organization_id
        here = await queries.waiting_here(connection, organization_id)
        holds = await queries.holds(connection, organization_id)
        nodes = await all_nodes(connection)
    readings = await _read(system, nodes)
    metrics = total(one.metrics for one in readings)
    queues = {name: size for name, size in metrics.scheduled.items() if size and _is_of(tenant_queue(name), mine)}
    providers: Counter[str] = Counter()
    for (provider, pool), count in metrics.queued.items():
        tenant = parse_tenant(pool)
        if tenant is not None and mine in (None, tenant.organization):
            providers[provider] += count
    vmtas = _by_vmta(metrics, mine)
    now = system.now()
    return QueueStatus(
        here=here,
        scheduled=sum(queues.values()),
        ready=sum(vmtas.values()),
        queues=len(queues),
        held=sum(is_held(row, now) for row in holds),
        by_provider=_largest_first(providers),
        by_vmta=_largest_first(vmtas),
        nodes=[one.state for one in readings],
    )


def _by_vmta(metrics: QueueMetrics, organization: str | None) -> Counter[str]:
    found: Counter[str] = Counter()
    for (source, _), count in metrics.ready.items():
        parsed = parse_source(source)
        if parsed is not None and organization in (None, parsed.organization):
            found[parsed.vmta if organization else f"{parsed.organization}.{parsed.vmta}"] += count
    return found


def _largest_first(counts: Counter[str]) -> list[Waiting]:
    return [Waiting(name=name, messages=count) for name, count in counts.most_common() if count]


async def list_queues(
    system: System, principal: Principal, filters: Filters, *, limit: int, cursor: str | None, order: Order
) -> QueuePage:
    """The queues that hold mail or are held.

    Raises:
        InvalidRequest: The limit is out of range, or the cursor is none of a list in this order.
        PermissionDenied: Showing everybody's is for operators.
    """
    _require_operator(principal, filters.everybody)
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidRequest.of("limit", f"must be between 1 and {MAX_LIMIT}", code="out_of_range")
    async with system.db.reading() as connection:
        rows = await queries.holds(connection, None if filters.everybody else principal.organization_id)
        held = await queries.held_on(connection, [row.id for row in rows])
        nodes = await all_nodes(connection)
    readings = await _read(system, nodes)
    holds = {row.queue: row for row in rows}
    mine = None if filters.everybody else principal.organization
    names = {name for one in readings for name, size in one.metrics.scheduled.items() if size} | set(holds)
    chosen = _chosen(names, mine, filters, holds, system.now())
    sizes = total(one.metrics for one in readings).scheduled
    after = order.after(chosen, sizes, cursor)
    shown = after[:limit]
    async with system.db.reading() as connection:
        troubles = await queries.troubles(connection, [one.name for one in shown], system.now() - LOOKING_BACK)
    return QueuePage(
        data=[_queue(one, readings, holds.get(one.name), held, troubles.get(one.name, Trouble())) for one in shown],
        next_cursor=order.cursor(shown[-1], sizes) if len(after) > limit else None,
        nodes=[one.state for one in readings],
    )


def _chosen(
    names: Iterable[str], organization: str | None, filters: Filters, holds: dict[str, HoldRow], now: datetime
) -> list[TenantQueue]:
    found = []
    for name in sorted(names):
        queue = tenant_queue(name)
        if queue is None or not _is_of(queue, organization):
            continue
        held = name in holds and is_held(holds[name], now)
        wanted = (
            filters.domain in (None, queue.domain)
            and filters.campaign in (None, queue.campaign)
            and filters.held in (None, held)
        )
        if wanted:
            found.append(queue)
    return found


def _queue(
    queue: TenantQueue, readings: list[Reading], hold: HoldRow | None, held: list[HeldOn], trouble: Trouble
) -> Queue:
    by_node = {one.node: size for one in readings if (size := one.metrics.scheduled[queue.name])}
    return Queue(
        id=queue.name,
        domain=queue.domain,
        tenant=queue.tenant,
        campaign=queue.campaign,
        organization=queue.organization,
        vmta=queue.vmta,
        pool=queue.pool,
        size=sum(by_node.values()),
        by_node=by_node,
        hold=None if hold is None else shown_hold(hold, held),
        oldest_waiting_since=trouble.oldest,
        last_error=trouble.last_error,
        last_error_at=trouble.last_error_at,
    )


def shown_hold(row: HoldRow, held: Iterable[HeldOn]) -> Hold:
    """A hold as the API shows it."""
    states = [
        NodeState(node=one.node, ok=one.suspension_id is not None, detail=one.error)
        for one in held
        if one.hold_id == row.id
    ]
    return Hold(
        reason=row.reason,
        author=row.author,
        created_at=row.created_at,
        expires_at=row.expires_at,
        releasing=row.released_at is not None,
        nodes=states,
    )


def _is_of(queue: TenantQueue | None, organization: str | None) -> bool:
    return queue is not None and organization in (None, queue.organization)


def _require_operator(principal: Principal, everybody: bool) -> None:
    if everybody and not principal.is_operator:
        raise PermissionDenied("Only operators see the queues of all organizations.", code="not_operator")


async def present(system: System) -> list[TenantQueue]:
    """The queues of tenants that the nodes which answer know of, by name. Some may be empty."""
    async with system.db.reading() as connection:
        nodes = await all_nodes(connection)
    names = {name for one in await _read(system, nodes) for name in one.metrics.scheduled}
    return [queue for name in sorted(names) if (queue := tenant_queue(name)) is not None]


class Depth(msgspec.Struct, frozen=True):
    """Messages that wait on a node: for their next attempt, and for a connection."""

    scheduled: int
    ready: int


async def depths(system: System, seconds: float) -> dict[str, Depth]:
    """How much waits on each node that tells it within so many seconds."""
    async with system.db.reading() as connection:
        nodes = await all_nodes(connection)
    return {
        one.node: Depth(sum(one.metrics.scheduled.values()), sum(one.metrics.ready.values()))
        for one in await _read(system, nodes, seconds)
        if one.problem is None
    }


async def _read(system: System, nodes: Iterable[NodeRow], seconds: float = PATIENCE_SECONDS) -> list[Reading]:
    """Ask all nodes that have ever been seen."""
    return await asyncio.gather(*(_read_one(system, node, seconds) for node in nodes if node.online_since is not None))


async def _read_one(system: System, node: NodeRow, seconds: float) -> Reading:
    metrics, problem = empty(), None
    try:
        async with asyncio.timeout(seconds):
            async for line in system.kumod.metric_lines(access.address(system, node)):
                add_line(metrics, line)
    except NodeFailed as error:
        metrics, problem = empty(), error.detail
    except TimeoutError:
        metrics, problem = empty(), f"node {node.name}: no metrics within {seconds:g} s"
    return Reading(node=node.name, metrics=metrics, problem=problem)
