"""The first event of a message's recipients. It is told to webhooks; the time line makes it from the message itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from postmta_ctl.features.messages.queries import Stored


def queued_events(stored: Stored) -> Iterator[dict[str, Any]]:
    """An event for each recipient that it will be sent to, by the column names of ``events``."""
    message = stored.message
    for recipient in message.waiting:
        yield {
            "organization_id": stored.organization_id,
            "message_id": message.id,
            "recipient_id": recipient.id,
            "recipient": recipient.address,
            "type": "message.queued",
            "occurred_at": message.created_at,
            "campaign": message.campaign,
        }
