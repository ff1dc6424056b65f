"""Suppressions."""

from __future__ import annotations

from types import NoneType
from typing import Literal

from postmta_ctl.client.calls import Call, Group, Page, R_co, listing, operation
from postmta_ctl.features.suppressions.schemas import (
    CheckRequest,
    CheckResult,
    Imported,
    Suppression,
    SuppressionCreate,
)


class Suppressions(Group[R_co]):
    """What stands in the document under Suppressions."""

    @listing
    def list(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        sort: str | None = None,
        reason: Literal["manual", "hard_bounce", "complaint", "unsubscribe"] | None = None,
        address: str | None = None,
        domain: str | None = None,
    ) -> Call[Page[Suppression]]:
        """List suppressed addresses."""
        return Call(
            "GET",
            "/api/v1/suppressions",
            Page[Suppression],
            query={
                "limit": limit,
                "cursor": cursor,
                "sort": sort,
                "reason": reason,
                "address": address,
                "domain": domain,
            },
        )

    @operation
    def add(self, body: SuppressionCreate) -> Call[Suppression]:
        """Suppress an address."""
        return Call("POST", "/api/v1/suppressions", Suppression, body=body)

    @operation
    def check(self, body: CheckRequest) -> Call[CheckResult]:
        """Check addresses against the list."""
        return Call("POST", "/api/v1/suppressions/check", CheckResult, body=body)

    @operation
    def import_csv(self, body: bytes) -> Call[Imported]:
        """Import addresses from CSV."""
        return Call("POST", "/api/v1/suppressions/import", Imported, body=body, headers={"Content-Type": "text/csv"})

    @operation
    def export_csv(self) -> Call[str]:
        """Export the list as CSV."""
        return Call("GET", "/api/v1/suppressions/export", str)

    @operation
    def get(self, suppression_id: str) -> Call[Suppression]:
        """Get a suppression by ID."""
        return Call(
            "GET", "/api/v1/suppressions/{suppression_id}", Suppression, parts={"suppression_id": suppression_id}
        )

    @operation
    def remove(self, suppression_id: str) -> Call[None]:
        """Remove a suppression."""
        return Call(
            "DELETE", "/api/v1/suppressions/{suppression_id}", NoneType, parts={"suppression_id": suppression_id}
        )

    @operation
    def show_unsubscribe(self, token: str) -> Call[str]:
        """Ask whether to unsubscribe."""
        return Call("GET", "/unsubscribe/{token}", str, parts={"token": token})

    @operation
    def do_unsubscribe(self, token: str) -> Call[str]:
        """Unsubscribe with one click."""
        return Call("POST", "/unsubscribe/{token}", str, parts={"token": token})
