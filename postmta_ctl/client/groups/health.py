"""Health & Metrics."""

from __future__ import annotations

from typing import Any

from postmta_ctl.client.calls import Call, Group, R_co, operation
from postmta_ctl.features.health.schemas import Health


class HealthChecks(Group[R_co]):
    """What stands in the document under Health & Metrics."""

    @operation
    def health(self) -> Call[Health]:
        """Service health check (no auth required)."""
        return Call("GET", "/health", Health)

    @operation
    def ready(self) -> Call[Health]:
        """Whether to send requests here."""
        return Call("GET", "/health/ready", Health)

    @operation
    def metrics(self) -> Call[str]:
        """Prometheus and JSON metrics."""
        return Call("GET", "/metrics", str)

    @operation
    def metrics_json(self) -> Call[dict[str, Any]]:
        """The metrics as JSON."""
        return Call("GET", "/metrics", dict[str, Any], query={"format": "json"})
