"""Metrics in KumoMTA's two forms: Prometheus text and JSON. A choice of its metrics, by their own names.

As in KumoMTA, label values are written without escaping, and ``service`` counts each delivery twice: for the protocol
(``smtp_client``) and for the ready queue (``smtp_client:SOURCE->SITE@smtp_client``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

Kind = Literal["counter", "gauge"]
Labels = tuple[str, ...]


class Metric(msgspec.Struct, frozen=True):
    """A metric's name, kind, meaning and label names."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


_BY_SERVICE = ("service",)
_BY_SOURCE = ("provider", "source", "pool")
RECEIVED = Metric("total_messages_received", "counter", "messages received, by service", _BY_SERVICE)
CONNECTIONS = Metric("total_connection_count", "counter", "connections opened, by service", _BY_SERVICE)
DELIVERED = Metric("total_messages_delivered", "counter", "messages delivered", _BY_SERVICE)
DEFERRED = Metric("total_messages_transfail", "counter", "attempts that failed for now", _BY_SERVICE)
FAILED = Metric("total_messages_fail", "counter", "attempts that failed for good", _BY_SERVICE)
LUA_LOADS = Metric("lua_load_count", "counter", "times the policy was loaded into a Lua context")
OUTCOMES = {metric.name: metric for metric in (DELIVERED, DEFERRED, FAILED)}
_GAUGES = (
    Metric("scheduled_count", "gauge", "messages in a scheduled queue", ("queue",)),
    Metric("scheduled_by_domain", "gauge", "messages in scheduled queues of a domain", ("domain",)),
    Metric("scheduled_by_tenant", "gauge", "messages in scheduled queues of a tenant", ("tenant",)),
    Metric("scheduled_by_tenant_campaign", "gauge", "the same by tenant and campaign", ("tenant", "campaign")),
    Metric("scheduled_count_total", "gauge", "messages in all scheduled queues"),
    Metric("scheduled_queue_count", "gauge", "scheduled queues"),
    Metric("ready_count", "gauge", "messages in ready queues", _BY_SERVICE),
    Metric("connection_count", "gauge", "open connections", _BY_SERVICE),
    Metric("queued_count_by_provider", "gauge", "messages queued for a provider", ("provider",)),
    Metric("queued_count_by_provider_and_pool", "gauge", "the same by pool", ("provider", "pool")),
    Metric("message_count", "gauge", "messages in the node's keeping"),
    Metric("memory_usage", "gauge", "bytes of memory in use"),
    Metric("disk_free_bytes", "gauge", "bytes free where spool and logs lie", ("name",)),
    Metric("disk_free_percent", "gauge", "per cent free where spool and logs lie", ("name",)),
)
GAUGES = {metric.name: metric for metric in _GAUGES}
Series = dict[Labels, float]


class Counters:
    """Everything that only goes up."""

    def __init__(self) -> None:
        self._values: dict[Metric, Series] = {}

    def add(self, metric: Metric, *labels: str, amount: int = 1) -> None:
        """Count."""
        series = self._values.setdefault(metric, {})
        series[labels] = series.get(labels, 0) + amount

    def add_outcome(self, metric: Metric, service: str, provider: str, source: str, pool: str) -> None:
        """Count the outcome of an attempt under all the labels that KumoMTA counts it under."""
        self.add(metric, service)
        self.add(metric, service.partition(":")[0])
        self.add(_by_provider(metric), provider)
        self.add(_by_source(metric), provider, source, pool)

    def snapshot(self) -> dict[Metric, Series]:
        """All series as they are now."""
        return {metric: dict(series) for metric, series in self._values.items()}


def _by_provider(metric: Metric) -> Metric:
    return Metric(f"{metric.name}_by_provider", metric.kind, f"{metric.help}, by provider", ("provider",))


def _by_source(metric: Metric) -> Metric:
    return Metric(f"{metric.name}_by_provider_and_source", metric.kind, f"{metric.help}, by source", _BY_SOURCE)


def sums(pairs: Iterable[tuple[Labels, int]]) -> Series:
    """Numbers with the same labels added up."""
    series: Series = {}
    for labels, number in pairs:
        series[labels] = series.get(labels, 0) + number
    return series


def as_text(metrics: Mapping[Metric, Series], prefix: str = "") -> str:
    """Prometheus text; ``prefix`` goes before every name."""
    lines: list[str] = []
    for metric, series in sorted(metrics.items(), key=lambda item: item[0].name):
        name = prefix + metric.name
        lines += [f"# HELP {name} {metric.help}", f"# TYPE {name} {metric.kind}"]
        lines += [f"{name}{_labels(metric, labels)} {_number(value)}" for labels, value in series.items()]
    return "\n".join(lines) + "\n"


def as_json(metrics: Mapping[Metric, Series], prefix: str = "") -> dict[str, Any]:
    """The JSON form: a number, a map from the only label, or a list of label sets with the number under ``@``."""
    return {
        prefix + metric.name: {"help": metric.help, "type": metric.kind, "value": _json_value(metric, series)}
        for metric, series in sorted(metrics.items(), key=lambda item: item[0].name)
    }


def _labels(metric: Metric, labels: Labels) -> str:
    pairs = ", ".join(f'{name}="{value}"' for name, value in zip(metric.labels, labels, strict=True))
    return f"{{{pairs}}}" if pairs else ""


def _json_value(metric: Metric, series: Series) -> Any:
    if not series:
        return None
    if not metric.labels:
        return _number(series[()])
    if len(metric.labels) == 1:
        name = metric.labels[0]
        return {name: {labels[0]: _number(value) for labels, value in series.items()}}
    return [{**dict(zip(metric.labels, labels, strict=True)), "@": _number(value)} for labels, value in series.items()]


def _number(value: float) -> float:
    return int(value) if value == int(value) else value
