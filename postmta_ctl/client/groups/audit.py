"""Audit."""

from __future__ import annotations

from datetime import datetime

from postmta_ctl.client.calls import Call, Group, Page, R_co, listing
from postmta_ctl.features.audit.schemas import AuditEntry


class AuditLog(Group[R_co]):
    """What stands in the document under Audit."""

    @listing
    def list(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        sort: str | None = None,
        action: str | None = None,
        actor_id: str | None = None,
        target_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Call[Page[AuditEntry]]:
        """Read the audit log."""
        return Call(
            "GET",
            "/api/v1/audit",
            Page[AuditEntry],
            query={
                "limit": limit,
                "cursor": cursor,
                "sort": sort,
                "action": action,
                "actor_id": actor_id,
                "target_id": target_id,
                "since": since,
                "until": until,
            },
        )
