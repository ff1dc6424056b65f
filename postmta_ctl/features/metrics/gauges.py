"""What the database says at the moment that somebody asks."""

from __future__ import annotations

from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Gauge

from postmta_ctl.features.metrics import queries
from postmta_ctl.features.metrics.queries import Backlog, NodeState
from postmta_ctl.features.vmtas import queries as vmtas
from postmta_ctl.features.vmtas.queries import VmtaRow
from postmta_ctl.features.vmtas.warmup import daily_limit
from postmta_ctl.system import System

UP_WITHIN = timedelta(seconds=30)
"""A node not seen for longer than this counts as down; it is looked at every few seconds."""


async def measured(system: System) -> CollectorRegistry:
    """Look everything up, into a registry of its own: what is gone since the last time is not in it."""
    now = system.now()
    registry = CollectorRegistry()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    async with system.db.reading() as connection:
        _outbox(registry, *await queries.outbox_backlog(connection, now), now)
        _webhooks(registry, await queries.webhook_backlog(connection), now)
        _nodes(registry, await queries.node_states(connection), now)
        _policy(registry, await queries.newest_release(connection), await queries.pending_changes(connection))
        _credits(registry, await queries.credits_left(connection))
        used = await queries.delivered_since(connection, midnight)
        _warmup(registry, await vmtas.of_all(connection), used, now)
    return registry


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


def _credits(registry: CollectorRegistry, left: dict[str, tuple[int, int]]) -> None:
    gauge = Gauge("postmta_credits", "Credits of all organizations.", ["type", "state"], registry=registry)
    for kind, (available, reserved) in left.items():
        gauge.labels(kind, "available").set(available)
        gauge.labels(kind, "reserved").set(reserved)


def _warmup(
    registry: CollectorRegistry, all_vmtas: list[tuple[str, VmtaRow]], used: dict[tuple[str, str], int], now: datetime
) -> None:
    labels = ["organization", "vmta"]
    allowed = Gauge("postmta_warmup_allowance", "Deliveries allowed today.", labels, registry=registry)
    taken = Gauge("postmta_warmup_used", "Deliveries made today.", labels, registry=registry)
    for slug, row in all_vmtas:
        limit = daily_limit(row, now.date())
        if limit is not None:
            allowed.labels(slug, row.name).set(limit)
            taken.labels(slug, row.name).set(used.get((slug, row.name), 0))
