"""What the roll-ups count of events, read from their rows, so that they can never say anything else. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from postmta_ctl.core.auto_block import SLOT_MINUTES
from postmta_ctl.core.log_events import domain_of
from postmta_ctl.core.providers import OTHER
from postmta_ctl.core.rollups import ATTEMPTS, Fact
from postmta_ctl.features.ingest.known import Known, MessageFacts
from postmta_ctl.features.ingest.rows import EventRow
from postmta_ctl.store.types import from_micros

MAX_DOMAIN = 255
_SLOT = SLOT_MINUTES * 60_000_000


def facts(rows: Iterable[EventRow], known: Mapping[str, Known]) -> Counter[Fact]:
    """The facts of events, and how many events each stands for; those that are nobody's are left out.

    The time of a fact is that of the narrowest slot that anything is counted by.

    Args:
        rows: As ``event_row`` made them.
        known: The recipients that are ours, by id.
    """
    # Most events of a minute differ in nothing that is counted: what is counted is made once for each kind of them.
    alike = Counter(
        (
            row.organization_id,
            row.type,
            row.occurred_at // _SLOT,
            one.message if (one := known.get(row.recipient_id or "")) else _message_of(row),
            domain_of((row.recipient or "").partition(", ")[0]),
            row.vmta,
            row.provider,
            row.bounce_class,
            row.record_type,
            row.code,
        )
        for row in rows
        if row.organization_id is not None
    )
    found: Counter[Fact] = Counter()
    for key, number in alike.items():
        found[_fact(*key)] += number
    return found


def _message_of(row: EventRow) -> MessageFacts:
    """Of mail that we did not compose."""
    sender = msgspec.json.decode(row.details, type=_Sender).sender
    return MessageFacts(domain_of(sender), (row.campaign,) if row.campaign else (), None)


class _Sender(msgspec.Struct, frozen=True):
    sender: str = ""


def _fact(
    organization_id: str,
    kind: str,
    slot: int,
    message: MessageFacts,
    recipient_domain: str,
    vmta: str | None,
    provider: str | None,
    bounce_class: str | None,
    record_type: str,
    code: int | None,
) -> Fact:
    return Fact(
        organization_id=organization_id,
        type=kind,
        at=from_micros(slot * _SLOT),
        sending_domain=message.domain[:MAX_DOMAIN],
        recipient_domain=recipient_domain[:MAX_DOMAIN],
        vmta=vmta or "",
        provider=provider or OTHER,
        tags=message.tags,
        batch=message.batch_id or "",
        bounce_class=bounce_class or "",
        is_attempt=record_type in ATTEMPTS and vmta is not None,
        code=code or 0,
    )
