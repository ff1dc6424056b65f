"""Messages."""

from __future__ import annotations

from datetime import datetime

from postmta_ctl.client.calls import Call, Group, Page, R_co, listing, operation
from postmta_ctl.features.explain.schemas import PastExplanation
from postmta_ctl.features.messages.schemas import (
    Accepted,
    BatchAccepted,
    BatchRequest,
    Cancelled,
    Message,
    Scheduled,
    ScheduleRequest,
    SendRequest,
    Summary,
)
from postmta_ctl.features.messages.simulation_schemas import Simulation


class Messages(Group[R_co]):
    """What stands in the document under Messages."""

    @operation
    def send(self, body: SendRequest, *, idempotency_key: str | None = None) -> Call[Accepted]:
        """Send a single email message."""
        return Call("POST", "/api/v1/messages/send", Accepted, body=body, headers={"Idempotency-Key": idempotency_key})

    @operation
    def send_batch(self, body: BatchRequest, *, idempotency_key: str | None = None) -> Call[BatchAccepted]:
        """Send up to 100 messages in one request."""
        return Call(
            "POST", "/api/v1/messages/batch", BatchAccepted, body=body, headers={"Idempotency-Key": idempotency_key}
        )

    @listing
    def list(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        sort: str | None = None,
        status: str | None = None,
        from_: str | None = None,
        to: str | None = None,
        domain: str | None = None,
        tag: str | None = None,
        batch_id: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> Call[Page[Summary]]:
        """List messages with pagination and filters."""
        return Call(
            "GET",
            "/api/v1/messages",
            Page[Summary],
            query={
                "limit": limit,
                "cursor": cursor,
                "sort": sort,
                "status": status,
                "from": from_,
                "to": to,
                "domain": domain,
                "tag": tag,
                "batch_id": batch_id,
                "created_after": created_after,
                "created_before": created_before,
            },
        )

    @operation
    def get(self, message_id: str) -> Call[Message]:
        """Get message by ID."""
        return Call("GET", "/api/v1/messages/{message_id}", Message, parts={"message_id": message_id})

    @operation
    def simulate_delivery(self, body: SendRequest) -> Call[Simulation]:
        """Simulate delivery for testing."""
        return Call("POST", "/api/v1/messages/simulate-delivery", Simulation, body=body)

    @operation
    def cancel(self, message_id: str) -> Call[Cancelled]:
        """Cancel a queued message."""
        return Call("POST", "/api/v1/messages/{message_id}/cancel", Cancelled, parts={"message_id": message_id})

    @operation
    def reschedule(self, message_id: str, body: ScheduleRequest) -> Call[Scheduled]:
        """Reschedule a message."""
        return Call(
            "PUT", "/api/v1/messages/{message_id}/schedule", Scheduled, parts={"message_id": message_id}, body=body
        )

    @operation
    def explain(
        self, message_id: str, *, recipient: str | None = None, organization: str | None = None
    ) -> Call[PastExplanation]:
        """Explain why a message went where it went."""
        return Call(
            "GET",
            "/api/v1/messages/{message_id}/explain",
            PastExplanation,
            parts={"message_id": message_id},
            query={"recipient": recipient, "organization": organization},
        )
