"""What a node's metrics say of its queues, read line by line from the Prometheus text of ``/metrics``.

KumoMTA writes label values without escaping (a domain may hold a quote), which an ordinary parser of the format trips
over. Here only the few gauges that tell of queues are looked at, and a value ends at the last quote that can end it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import msgspec

_SCHEDULED = re.compile(r'scheduled_count\{queue="(.*)"\} ([0-9.e+]+)\Z')
_READY = re.compile(r'ready_count\{service="smtp_client:(.*?)->(.*)@smtp_client"\} ([0-9.e+]+)\Z')
_CONNECTIONS = re.compile(r'connection_count\{service="smtp_client:(.*?)->(.*)@smtp_client"\} ([0-9.e+]+)\Z')
_QUEUED = re.compile(r'queued_count_by_provider_and_pool\{provider="(.*)", ?pool="(.*)"\} ([0-9.e+]+)\Z')
_QUEUED_TURNED = re.compile(r'queued_count_by_provider_and_pool\{pool="(.*)", ?provider="(.*)"\} ([0-9.e+]+)\Z')


class QueueMetrics(msgspec.Struct, frozen=True):
    """Messages of one node, or of several added up."""

    scheduled: Counter[str]
    """By name of the scheduled queue."""
    ready: Counter[tuple[str, str]]
    """By egress source and site."""
    queued: Counter[tuple[str, str]]
    """By provider and pool, scheduled and ready together."""
    connections: Counter[tuple[str, str]]
    """Open ones, by egress source and site."""


def empty() -> QueueMetrics:
    """Metrics of no node."""
    return QueueMetrics(Counter(), Counter(), Counter(), Counter())


def add_line(metrics: QueueMetrics, line: str) -> None:
    """Take in one line; lines about anything else are passed over."""
    if found := _SCHEDULED.match(line):
        metrics.scheduled[found[1]] += int(float(found[2]))
    elif found := _READY.match(line):
        metrics.ready[found[1], found[2]] += int(float(found[3]))
    elif found := _CONNECTIONS.match(line):
        metrics.connections[found[1], found[2]] += int(float(found[3]))
    elif found := _QUEUED.match(line):
        metrics.queued[found[1], found[2]] += int(float(found[3]))
    elif found := _QUEUED_TURNED.match(line):
        metrics.queued[found[2], found[1]] += int(float(found[3]))


def total(several: Iterable[QueueMetrics]) -> QueueMetrics:
    """The sum over nodes."""
    found = empty()
    for one in several:
        found.scheduled.update(one.scheduled)
        found.ready.update(one.ready)
        found.queued.update(one.queued)
        found.connections.update(one.connections)
    return found
