"""From single events to counts: what the roll-ups count, and by what.

A roll-up is a count of events that share a time slot, a type and at most one more property. One wide count by all
properties at once would have as many rows as there are events; several narrow ones have few, and each sums up to the
same events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

import msgspec

from postmta_ctl.core import auto_block
from postmta_ctl.core.auto_block import Scope

SLOT_MINUTES = 15
"""Width of the slots in which events are counted by type alone. Days and hours of all time zones in use begin on one
(those of Asia/Kolkata at half, of Asia/Kathmandu at a quarter to); all other counts are by whole hour."""

ATTEMPTS = frozenset({"Delivery", "TransientFailure", "Bounce"})
"""Types of log record that, if a vMTA is named, tell of an attempt at delivery."""


class Dimension(StrEnum):
    """A property by which events are counted."""

    SENDING_DOMAIN = "sending_domain"
    """Domain of the From header; of mail that we did not compose, of the envelope sender."""
    RECIPIENT_DOMAIN = "recipient_domain"
    VMTA = "vmta"
    """Of attempts the one that made them; of what comes after a delivery the one that delivered."""
    PROVIDER = "provider"
    """See :mod:`postmta_ctl.core.providers`."""
    TAG = "tag"
    """An event counts once for each tag of its message."""
    BATCH = "batch"
    BOUNCE_CLASS = "bounce_class"
    """Of bounces and deferrals; see :mod:`postmta_ctl.core.bounces`."""


# Reading an enumeration's value takes longer than all else that is done with it.
_SENDING_DOMAIN, _RECIPIENT_DOMAIN, _VMTA, _PROVIDER, _TAG, _BATCH, _BOUNCE_CLASS = (one.value for one in Dimension)


class Fact(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What of an event is counted. Empty: it has no such property, and is not counted by it."""

    organization_id: str
    type: str
    at: datetime
    """In UTC."""
    sending_domain: str = ""
    recipient_domain: str = ""
    vmta: str = ""
    provider: str = ""
    tags: tuple[str, ...] = ()
    batch: str = ""
    bounce_class: str = ""
    is_attempt: bool = False
    code: int = 0
    """The SMTP reply code of an attempt."""
    is_first: bool = False
    """Whether it is the recipient's first event of this type, for types that are also counted by recipient."""


class Tally(msgspec.Struct, frozen=True):
    """Counts to add, by the keys of the three tables in the order of their columns."""

    types: Counter[tuple[str, datetime, str]]
    """Organization, slot, type."""
    dimensions: Counter[tuple[str, str, datetime, str, str]]
    """Organization, dimension, hour, value, type."""
    attempts: Counter[tuple[str, str, datetime, str, int]]
    """Organization, vMTA, hour, provider, class of the reply code (2, 4, 5)."""
    outcomes: Counter[tuple[str, str, datetime, str, str]]
    """Organization, scope, slot of five minutes, value, outcome: see :mod:`postmta_ctl.core.auto_block`."""


def first_of(event_type: str) -> str:
    """The type under which the first event of each recipient is counted once more, beside all of them."""
    return f"{event_type}_first"


def tally(facts: Iterable[Fact] | Mapping[Fact, int]) -> Tally:
    """Count facts, each given as often as it is there or with that number.

    For any order and any way of cutting them into batches the sums are the same.
    """
    counts = Tally(Counter(), Counter(), Counter(), Counter())
    # Most events of a busy hour differ in nothing that is counted, once their time is that of a slot.
    for fact, number in Counter(facts).items():
        slot, hour = _slot_and_hour(fact.at)
        properties = _properties(fact)
        for kind in (fact.type, first_of(fact.type)) if fact.is_first else (fact.type,):
            counts.types[fact.organization_id, slot, kind] += number
            for dimension, value in properties:
                counts.dimensions[fact.organization_id, dimension, hour, value, kind] += number
        if fact.is_attempt:
            counts.attempts[fact.organization_id, fact.vmta, hour, fact.provider, fact.code // 100] += number
        _add_outcomes(counts, fact, number)
    return counts


@lru_cache(maxsize=1000)
def _slot_and_hour(at: datetime) -> tuple[datetime, datetime]:
    slot = at.replace(minute=at.minute // SLOT_MINUTES * SLOT_MINUTES, second=0, microsecond=0)
    return slot, slot.replace(minute=0)


def _add_outcomes(counts: Tally, fact: Fact, number: int) -> None:
    found = auto_block.outcomes(fact.type, fact.bounce_class)
    if not found:
        return
    slot, owner = auto_block.slot_of(fact.at), fact.organization_id
    scopes = ((Scope.DOMAIN, fact.sending_domain), (Scope.VMTA, fact.vmta), (Scope.PROVIDER, fact.provider))
    for outcome in found:
        counts.outcomes[owner, Scope.ORGANIZATION, slot, "", outcome] += number
        for scope, value in scopes:
            if value:
                counts.outcomes[owner, scope, slot, value, outcome] += number


def _properties(fact: Fact) -> list[tuple[str, str]]:
    found = (
        (_SENDING_DOMAIN, fact.sending_domain),
        (_RECIPIENT_DOMAIN, fact.recipient_domain),
        (_VMTA, fact.vmta),
        (_PROVIDER, fact.provider),
        (_BATCH, fact.batch),
        (_BOUNCE_CLASS, fact.bounce_class),
        *((_TAG, tag) for tag in dict.fromkeys(fact.tags)),
    )
    return [one for one in found if one[1]]
