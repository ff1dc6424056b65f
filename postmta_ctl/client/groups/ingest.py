"""Ingestion."""

from __future__ import annotations

from postmta_ctl.client.calls import Call, Group, R_co, operation
from postmta_ctl.features.ingest.schemas import Ingested


class Ingestion(Group[R_co]):
    """What stands in the document under Ingestion."""

    @operation
    def logs(self, body: bytes) -> Call[Ingested]:
        """Take log records of a KumoMTA node."""
        return Call("POST", "/ingest/v1/logs", Ingested, body=body, headers={"Content-Type": "application/x-ndjson"})
