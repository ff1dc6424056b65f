"""What is counted, and every rate, defined once."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from postmta_ctl.core.rollups import first_of

_DECIMALS = 6


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Events of a period, each counted when it happened and not when its message was sent."""

    queued: int = 0
    """Recipients that the API, or by SMTP a node, accepted."""
    accepted: int = 0
    """Recipients whose message a node took: from us, or by SMTP."""
    delivered: int = 0
    """Recipients whose server took the message."""
    deferred: int = 0
    """Attempts that failed for now and were tried again; one recipient may have many."""
    bounced: int = 0
    """Recipients given up, at once, after too long a time, or by a report that came after a delivery."""
    cancelled: int = 0
    rejected: int = 0
    """SMTP submissions that a node refused, and of the queued those that the policy of a node refused."""
    suppressed: int = 0
    """Recipients to whom nothing is sent since they are on the suppression list: of the queued, and refused by SMTP."""
    complained: int = 0
    """Complaints through feedback loops (RFC 5965)."""
    unsubscribed: int = 0
    opened: int = 0
    """Fetches of the pixel, those of programs that open mail ahead of its reader included."""
    unique_opened: int = 0
    """Recipients who opened for the first time, as far as that is told from such programs."""
    clicked: int = 0
    unique_clicked: int = 0
    """Recipients who followed a link for the first time."""


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Quotients of counts, from 0 to 1 with six decimals; null where there is nothing to divide by.

    Both counts are of the same period. What comes long after a delivery, as complaints do, may belong to mail of an
    earlier one, so a rate of a short period may exceed 1.
    """

    delivery_rate: float | None
    """delivered / (delivered + bounced): of the recipients whose fate was told. Adds up to 1 with ``bounce_rate``."""
    bounce_rate: float | None
    """bounced / (delivered + bounced)."""
    deferral_rate: float | None
    """deferred / (delivered + bounced + deferred): of the attempts, those that have to be repeated."""
    complaint_rate: float | None
    """complained / delivered. Mailbox providers look at the same quotient; few of them report complaints."""
    unsubscribe_rate: float | None
    """unsubscribed / delivered."""
    unique_open_rate: float | None
    """unique_opened / delivered: recipients who opened, each once. Mail without tracking is in the divisor."""
    total_open_rate: float | None
    """opened / delivered: how often a delivered message was opened; above 1 if often again."""
    unique_click_rate: float | None
    """unique_clicked / delivered."""
    total_click_rate: float | None
    """clicked / delivered."""


FIELDS = Counts.__struct_fields__
"""Names of the counts, in the order in which they are shown."""

TYPES = {f"message.{name}": name for name in FIELDS if not name.startswith("unique_")} | {
    first_of("message.opened"): "unique_opened",
    first_of("message.clicked"): "unique_clicked",
}
"""Type of the roll-ups → name of the count. Types that are none say nothing of a recipient's fate."""


def counts_of(by_type: Mapping[str, int]) -> Counts:
    """The counts, from those by type."""
    return Counts(**{name: by_type.get(kind, 0) for kind, name in TYPES.items()})


def minus(whole: Counts, part: Counts) -> Counts:
    """What of the whole is not in the part."""
    return Counts(**{name: getattr(whole, name) - getattr(part, name) for name in FIELDS})


def rates_of(counts: Counts) -> Rates:
    """The rates of these counts."""
    settled = counts.delivered + counts.bounced
    return Rates(
        delivery_rate=quotient(counts.delivered, settled),
        bounce_rate=quotient(counts.bounced, settled),
        deferral_rate=quotient(counts.deferred, settled + counts.deferred),
        complaint_rate=quotient(counts.complained, counts.delivered),
        unsubscribe_rate=quotient(counts.unsubscribed, counts.delivered),
        unique_open_rate=quotient(counts.unique_opened, counts.delivered),
        total_open_rate=quotient(counts.opened, counts.delivered),
        unique_click_rate=quotient(counts.unique_clicked, counts.delivered),
        total_click_rate=quotient(counts.clicked, counts.delivered),
    )


def quotient(part: int, whole: int) -> float | None:
    """Part of the whole, or nothing when there is no whole."""
    return round(part / whole, _DECIMALS) if whole else None
