"""What the database says at the moment that somebody asks."""

from __future__ import annotations

from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Gauge

from postmta_ctl.core.auto_block import Action
from postmta_ctl.core.ledger import CREDIT_TYPES
from postmta_ctl.features.metrics import queries
from postmta_ctl.features.metrics.queries import Backlog, NodeState
from postmta_ctl.features.queues.service import Depth, depths
from postmta_ctl.features.security.auto_block import block_queries as auto_block
from postmta_ctl.features.warmup import count_queries as warmup_counts
from postmta_ctl.features.warmup import queries as warmup
from postmta_ctl.features.warmup.queries import Governed
from postmta_ctl.system import System

SCRAPE_SECONDS = 2.0
"""What a node has to tell its own metrics in; Prometheus gives up after ten by default."""
UP_WITHIN = timedelta(seconds=30)
"""A node not seen for longer than this counts as down; it is looked at every few seconds."""


async def measured(system: System) -> CollectorRegistry:
    """Look everything up, into a registry of its own: what is gone since the last time is not in it."""
    now = system.now()
    registry = CollectorRegistry()
    async with system.db.reading() as connection:
        _outbox(registry, *await queries.outbox_backlog(connection, now), now)
        _webhooks(registry, await queries.webhook_backlog(connection), now)
        _nodes(registry, await queries.node_states(connection), now)
        _policy(registry, await queries.newest_release(connection), await queries.pending_changes(connection))
        _credits(registry, await queries.credits_left(connection), await queries.organizations_low(connection))
        _blocks(registry, await auto_block.count_active(connection))
        used = await warmup_counts.delivered_on(connection, now.date())
        _warmup(registry, await warmup.governed(connection), used)
    _queues(registry, await depths(system, SCRAPE_SECONDS))
    return registry


def _queues(registry: CollectorRegistry, found: dict[str, Depth]) -> None:
    """A node that gave no answer has no sample, which a zero would hide."""
    gauge = Gauge("postmta_node_messages", "Messages that wait on a node.", ["node", "queue"], registry=registry)
    for node, depth in found.items():
        gauge.labels(node, "scheduled").set(depth.scheduled)
        gauge.labels(node, "ready").set(depth.ready)


def _outbox(registry: CollectorRegistry, depth: int, due: Backlog, now: datetime) -> None:
    Gauge("postmta_outbox_recipients", "Recipients that no node has taken yet.", registry=registry).set(depth)
    Gauge("postmta_outbox_due_recipients", "Those whose time has come.", registry=registry).set(due.waiting)
    Gauge("postmta_relay_lag_seconds", "How long the first of them has waited.", registry=registry).set(_age(due, now))


def _webhooks(registry: CollectorRegistry, backlog: Backlog, now: datetime) -> None:
    Gauge("postmta_webhook_backlog", "Deliveries to customers that wait.", registry=registry).set(backlog.waiting)
    age = Gauge("postmta_webhook_lag_seconds", "How long the first of them is overdue.", registry=registry)
    age.set(_age(backlog, now))


def _age(backlog: Backlog, now: datetime) -> float:
    return 0.0 if backlog.oldest is None else max(0.0, (now - backlog.oldest).total_seconds())


def _nodes(registry: CollectorRegistry, states: list[NodeState], now: datetime) -> None:
    up = Gauge("postmta_node_up", "1 if the node was seen within half a minute.", ["node"], registry=registry)
    release = Gauge("postmta_node_release", "Release that the node says it runs.", ["node"], registry=registry)
    for state in states:
        up.labels(state.name).set(state.last_seen_at is not None and now - state.last_seen_at < UP_WITHIN)
        release.labels(state.name).set(state.running_release or 0)


def _policy(registry: CollectorRegistry, newest: int, pending: int) -> None:
    Gauge("postmta_release", "The newest release of the policy.", registry=registry).set(newest)
    Gauge("postmta_policy_pending_changes", "Changes that no release has.", registry=registry).set(pending)


def _credits(registry: CollectorRegistry, left: dict[str, tuple[int, int]], low: dict[str, int]) -> None:
    gauge = Gauge("postmta_credits", "Credits of all organizations.", ["type", "state"], registry=registry)
    for kind, (available, reserved) in left.items():
        gauge.labels(kind, "available").set(available)
        gauge.labels(kind, "reserved").set(reserved)
    words = "Organizations at or below a threshold that they set."
    alerted = Gauge("postmta_credits_low_organizations", words, ["type"], registry=registry)
    for kind in CREDIT_TYPES:
        alerted.labels(kind).set(low.get(kind, 0))


def _blocks(registry: CollectorRegistry, active: dict[str, int]) -> None:
    gauge = Gauge("postmta_auto_blocks", "Blocks that are active, by what they do.", ["action"], registry=registry)
    for action in Action:
        gauge.labels(action.value).set(active.get(action, 0))


def _warmup(registry: CollectorRegistry, governed: list[Governed], used: dict[str, int]) -> None:
    labels = ["organization", "vmta"]
    allowed = Gauge("postmta_warmup_allowance", "Deliveries allowed today.", labels, registry=registry)
    taken = Gauge("postmta_warmup_used", "Deliveries made today.", labels, registry=registry)
    stage = Gauge("postmta_warmup_stage", "Which allowance is in force, from 1.", labels, registry=registry)
    for one in governed:
        if one.row.state == "warming":
            allowed.labels(one.organization, one.row.name).set(one.progress.allowance)
            taken.labels(one.organization, one.row.name).set(used.get(one.row.id, 0))
            stage.labels(one.organization, one.row.name).set(one.progress.day)
