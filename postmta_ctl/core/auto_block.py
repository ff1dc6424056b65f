"""When mail is to be stopped because of what became of the mail before it: what is counted, and the decision. Pure.

A rule compares a rate with a threshold, for each value of its scope by itself: each sending domain, each vMTA, each
provider, or the organization as a whole. The counts are kept in slots of five minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache

import msgspec

from postmta_ctl.core.bounce_rules import BounceClass
from postmta_ctl.core.bounces import is_hard

SLOT_MINUTES = 5
SLOT = timedelta(minutes=SLOT_MINUTES)
LONGEST_WINDOW = timedelta(days=7)


class Scope(StrEnum):
    """What a rule looks at one by one, and what a block stops."""

    ORGANIZATION = "organization"
    DOMAIN = "domain"
    """A sending domain: that of the From header; of mail that we did not compose, of the envelope sender."""
    VMTA = "vmta"
    PROVIDER = "provider"
    """See :mod:`postmta_ctl.core.providers`."""


class Action(StrEnum):
    """What a block does."""

    PAUSE = "pause"
    """What no node has is kept here; a vMTA is paused. What nodes have goes on."""
    HOLD = "hold"
    """The same, and what waits on the nodes is held there."""
    NOTIFY = "notify"
    """Nothing but tell."""


class Outcome(StrEnum):
    """What became of an attempt, as far as rules ask. A bounce can be several of them at once."""

    DELIVERED = "delivered"
    BOUNCED = "bounced"
    """Not delivered for good, or returned after it had been."""
    HARD_BOUNCED = "hard_bounced"
    """A bounce whose class says that the address is at fault: see :func:`postmta_ctl.core.bounces.is_hard`."""
    DEFERRED = "deferred"
    SPAM_BLOCKED = "spam_blocked"
    """Refused, for good or for now, as spam or by the reputation of the sender."""
    COMPLAINED = "complained"


class Metric(StrEnum):
    """A rate: some outcomes of all that could have had them."""

    BOUNCE_RATE = "bounce_rate"
    HARD_BOUNCE_RATE = "hard_bounce_rate"
    COMPLAINT_RATE = "complaint_rate"
    DEFERRAL_RATE = "deferral_rate"
    SPAM_BLOCK_RATE = "spam_block_rate"


_ENDED = (Outcome.DELIVERED, Outcome.BOUNCED)
_ATTEMPTS = (*_ENDED, Outcome.DEFERRED)
_OF: dict[Metric, tuple[Outcome, tuple[Outcome, ...]]] = {
    Metric.BOUNCE_RATE: (Outcome.BOUNCED, _ENDED),
    Metric.HARD_BOUNCE_RATE: (Outcome.HARD_BOUNCED, _ENDED),
    Metric.COMPLAINT_RATE: (Outcome.COMPLAINED, (Outcome.DELIVERED,)),
    Metric.DEFERRAL_RATE: (Outcome.DEFERRED, _ATTEMPTS),
    Metric.SPAM_BLOCK_RATE: (Outcome.SPAM_BLOCKED, _ATTEMPTS),
}
_TYPES = {
    "message.delivered": Outcome.DELIVERED,
    "message.bounced": Outcome.BOUNCED,
    "message.deferred": Outcome.DEFERRED,
    "message.complained": Outcome.COMPLAINED,
}
_OURS = frozenset({BounceClass.HELD, BounceClass.INTERNAL})
"""Our own node's doing, above all that of a block: to count it would keep the block going by itself."""
_SPAM = frozenset({BounceClass.SPAM, BounceClass.BLOCKLISTED})


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule does not let pass."""

    metric: Metric
    threshold: float
    """A share, above 0 and up to 1. A rate that reaches it is too high."""
    minimum_volume: int
    """Below so many nothing is judged: two bounces of three say little."""


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """A rate that was too high."""

    count: int
    """Of the outcome that the metric is named after."""
    volume: int
    """What it is a share of."""

    @property
    def rate(self) -> float:
        """The share. Above 1 where complaints are about mail delivered before the window."""
        return self.count / self.volume


@lru_cache(maxsize=1000)
def outcomes(event_type: str, bounce_class: str) -> tuple[Outcome, ...]:
    """What an event counts as; nothing for most types.

    Args:
        event_type: Such as ``message.bounced``.
        bounce_class: Of a bounce or deferral; else empty.
    """
    outcome = _TYPES.get(event_type)
    if outcome is None or bounce_class in _OURS:
        return ()
    found = [outcome]
    if outcome is Outcome.BOUNCED and is_hard(bounce_class):
        found.append(Outcome.HARD_BOUNCED)
    if bounce_class in _SPAM:
        found.append(Outcome.SPAM_BLOCKED)
    return tuple(found)


def judge(limit: Limit, counts: Mapping[str, int]) -> Measurement | None:
    """The rate, if it is too high.

    Args:
        limit: What a rule does not let pass.
        counts: Events of the window by outcome.
    """
    counted, among = _OF[limit.metric]
    count, volume = counts.get(counted, 0), sum(counts.get(one, 0) for one in among)
    # As fractions: the nearest double of 0.07 times 100 is above 7.
    if volume < max(limit.minimum_volume, 1) or Fraction(count, volume) < Fraction(str(limit.threshold)):
        return None
    return Measurement(count=count, volume=volume)


def slot_of(moment: datetime) -> datetime:
    """The beginning of the slot that a moment (UTC) is in."""
    return moment.replace(minute=moment.minute // SLOT_MINUTES * SLOT_MINUTES, second=0, microsecond=0)


def window_start(now: datetime, length: timedelta, ended_at: datetime | None = None) -> datetime:
    """Where the window of a rule begins: on a slot, so that up to five minutes more are looked at.

    Args:
        now: Where it ends.
        length: Of the window.
        ended_at: When the last block of the rule for the same value ended. What had happened before has led to a
            block already, so counting begins anew with the first whole slot after it.
    """
    start = slot_of(now - length)
    return start if ended_at is None else max(start, slot_of(ended_at - timedelta(microseconds=1)) + SLOT)
