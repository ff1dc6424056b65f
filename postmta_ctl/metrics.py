"""What this process counts as it goes; Prometheus names, base units."""

from __future__ import annotations

from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Histogram

LATENCY = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LAG = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)


class Metrics:
    """Counters of one process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = self._counter("postmta_http_requests", "Requests answered.", "method", "route", "status")
        self.latency = self._histogram("postmta_http_request_seconds", "Time to answer.", LATENCY, "method", "route")
        self.accepted = self._counter("postmta_accepted_recipients", "Recipients of accepted messages.")
        self.relayed = self._counter("postmta_relayed_recipients", "Recipients given to a node.", "result")
        self.ingested = self._counter("postmta_ingested_records", "Log records taken from a node.", "node", "result")
        self.ingest_lag = self._histogram(
            "postmta_ingest_lag_seconds", "From the oldest event of a batch to its ingestion.", LAG
        )

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(name, help_text, labels, registry=self.registry)

    def _histogram(self, name: str, help_text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, help_text, labels, buckets=buckets, registry=self.registry)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. ``route`` is the template and not the path, so that there are few of them."""
        self.requests.labels(method, route, str(status)).inc()
        self.latency.labels(method, route).observe(seconds)

    def relay_turn(self, *, injected: int, refused: int, later: int) -> None:
        """Count what became of the recipients of one turn of the relay."""
        for result, number in (("injected", injected), ("refused", refused), ("later", later)):
            self.relayed.labels(result).inc(number)

    def batch(
        self, node: str, *, added: int, duplicates: int, unreadable: int, oldest: datetime | None, now: datetime
    ) -> None:
        """Count a batch of log records."""
        for result, number in (("added", added), ("duplicate", duplicates), ("unreadable", unreadable)):
            self.ingested.labels(node, result).inc(number)
        if oldest is not None and added:
            self.ingest_lag.observe(max(0.0, (now - oldest).total_seconds()))
