"""Webhooks & Tracking."""

from __future__ import annotations

from types import NoneType
from typing import Literal

from postmta_ctl.client.calls import Call, Group, Page, R_co, listing, operation
from postmta_ctl.features.webhooks.schemas import (
    Delivery,
    RotateSecret,
    Webhook,
    WebhookCreate,
    WebhookSecret,
    WebhookUpdate,
)


class Webhooks(Group[R_co]):
    """What stands in the document under Webhooks & Tracking."""

    @listing
    def list(
        self, *, limit: int | None = None, cursor: str | None = None, sort: str | None = None
    ) -> Call[Page[Webhook]]:
        """List all webhooks."""
        return Call("GET", "/api/v1/webhooks", Page[Webhook], query={"limit": limit, "cursor": cursor, "sort": sort})

    @operation
    def create(self, body: WebhookCreate) -> Call[WebhookSecret]:
        """Create a webhook endpoint."""
        return Call("POST", "/api/v1/webhooks", WebhookSecret, body=body)

    @operation
    def get(self, webhook_id: str) -> Call[Webhook]:
        """Get webhook details."""
        return Call("GET", "/api/v1/webhooks/{webhook_id}", Webhook, parts={"webhook_id": webhook_id})

    @operation
    def update(self, webhook_id: str, body: WebhookUpdate, *, if_match: str | None = None) -> Call[Webhook]:
        """Update webhook configuration."""
        return Call(
            "PUT",
            "/api/v1/webhooks/{webhook_id}",
            Webhook,
            parts={"webhook_id": webhook_id},
            body=body,
            headers={"If-Match": if_match},
        )

    @operation
    def delete(self, webhook_id: str, *, if_match: str | None = None) -> Call[None]:
        """Delete a webhook."""
        return Call(
            "DELETE",
            "/api/v1/webhooks/{webhook_id}",
            NoneType,
            parts={"webhook_id": webhook_id},
            headers={"If-Match": if_match},
        )

    @operation
    def rotate_secret(self, webhook_id: str, body: RotateSecret) -> Call[WebhookSecret]:
        """Rotate the secret."""
        return Call(
            "POST",
            "/api/v1/webhooks/{webhook_id}/rotate-secret",
            WebhookSecret,
            parts={"webhook_id": webhook_id},
            body=body,
        )

    @operation
    def test(self, webhook_id: str) -> Call[Delivery]:
        """Send test event to webhook."""
        return Call("POST", "/api/v1/webhooks/{webhook_id}/test", Delivery, parts={"webhook_id": webhook_id})

    @listing
    def list_deliveries(
        self,
        webhook_id: str,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        sort: str | None = None,
        status: Literal["pending", "succeeded", "failed"] | None = None,
        type_: str | None = None,
    ) -> Call[Page[Delivery]]:
        """Get webhook delivery logs."""
        return Call(
            "GET",
            "/api/v1/webhooks/{webhook_id}/deliveries",
            Page[Delivery],
            parts={"webhook_id": webhook_id},
            query={"limit": limit, "cursor": cursor, "sort": sort, "status": status, "type": type_},
        )

    @operation
    def replay_delivery(self, webhook_id: str, delivery_id: str) -> Call[Delivery]:
        """Send a delivery once more."""
        return Call(
            "POST",
            "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay",
            Delivery,
            parts={"webhook_id": webhook_id, "delivery_id": delivery_id},
        )
