"""Queues."""

from __future__ import annotations

from postmta_ctl.client.calls import Call, Group, Page, R_co, listing, operation
from postmta_ctl.features.queues.schemas import ActionResult, HoldRequest, Queue, QueuePage, QueueStatus


class Queues(Group[R_co]):
    """What stands in the document under Queues."""

    @operation
    def status(self, *, everybody: bool | None = None) -> Call[QueueStatus]:
        """Queue status overview."""
        return Call("GET", "/api/v1/queues/status", QueueStatus, query={"everybody": everybody})

    @operation
    def page(
        self,
        *,
        domain: str | None = None,
        campaign: str | None = None,
        held: bool | None = None,
        everybody: bool | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        sort: str | None = None,
    ) -> Call[QueuePage]:
        """One page of them, and the nodes that could not be asked."""
        return Call(
            "GET",
            "/api/v1/queues",
            QueuePage,
            query={
                "domain": domain,
                "campaign": campaign,
                "held": held,
                "everybody": everybody,
                "limit": limit,
                "cursor": cursor,
                "sort": sort,
            },
        )

    @listing
    def list(
        self,
        *,
        domain: str | None = None,
        campaign: str | None = None,
        held: bool | None = None,
        everybody: bool | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        sort: str | None = None,
    ) -> Call[Page[Queue]]:
        """List all queues."""
        return Call(
            "GET",
            "/api/v1/queues",
            Page[Queue],
            query={
                "domain": domain,
                "campaign": campaign,
                "held": held,
                "everybody": everybody,
                "limit": limit,
                "cursor": cursor,
                "sort": sort,
            },
        )

    @operation
    def act(self, queue: str, action: str, body: HoldRequest | None = None) -> Call[ActionResult]:
        """Queue action (flush, hold, release)."""
        return Call(
            "POST", "/api/v1/queues/{queue}/{action}", ActionResult, parts={"queue": queue, "action": action}, body=body
        )
