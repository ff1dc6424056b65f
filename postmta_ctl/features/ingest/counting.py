"""What the roll-ups count of an event, read from its row, so that they can never say anything else. Pure."""

from __future__ import annotations

from postmta_ctl.core.auto_block import slot_of
from postmta_ctl.core.log_events import domain_of
from postmta_ctl.core.providers import OTHER
from postmta_ctl.core.rollups import ATTEMPTS, Fact
from postmta_ctl.features.ingest.known import MessageFacts
from postmta_ctl.features.ingest.rows import EventRow

MAX_DOMAIN = 255


def fact(row: EventRow, message: MessageFacts | None) -> Fact | None:
    """The fact of an event; none if it is nobody's. Its time is that of the narrowest slot that anything is counted by.

    Args:
        row: As ``event_row`` made it.
        message: The message it is about, when it is one of ours.
    """
    if row.organization_id is None:
        return None
    recipient = (row.recipient or "").partition(", ")[0]
    sending, tags, batch = _sent_as(row, message)
    return Fact(
        organization_id=row.organization_id,
        type=row.type,
        at=slot_of(row.occurred_at),
        sending_domain=sending[:MAX_DOMAIN],
        recipient_domain=domain_of(recipient)[:MAX_DOMAIN],
        vmta=row.vmta or "",
        provider=row.provider or OTHER,
        tags=tags,
        batch=batch,
        bounce_class=row.bounce_class or "",
        is_attempt=row.record_type in ATTEMPTS and row.vmta is not None,
        code=row.code or 0,
    )


def _sent_as(row: EventRow, message: MessageFacts | None) -> tuple[str, tuple[str, ...], str]:
    """Sending domain, tags and batch."""
    if message is not None:
        return message.domain, message.tags, message.batch_id or ""
    return domain_of(row.details.sender), (row.campaign,) if row.campaign else (), ""
