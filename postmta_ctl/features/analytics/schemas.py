"""What the analytics routes give. Every answer says which period was counted: whole hours, the end excluded."""

from datetime import datetime

import msgspec

from postmta_ctl.core.rates import Counts, Rates


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Totals of a period."""

    start: datetime = msgspec.field(name="from")
    end: datetime = msgspec.field(name="to")
    counts: Counts
    rates: Rates


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One hour or day, also if nothing happened in it."""

    start: datetime
    """On the clocks of the time zone asked for."""
    end: datetime
    is_whole: bool
    """False where the period begins or ends within the hour or day; then only the part in the period is counted."""
    counts: Counts
    rates: Rates


class Timeseries(msgspec.Struct, frozen=True, kw_only=True):
    """A point for every hour or day of the period. The points add up to the summary."""

    start: datetime = msgspec.field(name="from")
    end: datetime = msgspec.field(name="to")
    interval: str
    tz: str
    points: list[Point]


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """The events of one value."""

    value: str
    counts: Counts
    rates: Rates


class Breakdown(msgspec.Struct, frozen=True, kw_only=True):
    """The values with the most events first.

    ``data`` and ``rest`` add up to all events that have the property. Events without it, as those of untagged mail
    without a tag, are in the summary only.
    """

    by: str
    start: datetime = msgspec.field(name="from")
    end: datetime = msgspec.field(name="to")
    data: list[Share]
    rest: Counts
    """Of all values that are not listed."""


class VmtaReplies(msgspec.Struct, frozen=True, kw_only=True):
    """How attempts of one vMTA were answered, by the first digit of the SMTP reply code."""

    vmta: str
    taken: int
    """2xx."""
    deferred: int
    """4xx."""
    refused: int
    """5xx."""


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """One mailbox provider (ISP).

    ``queued`` and ``accepted`` are told by the recipient's domain only; once mail was handed over, by the host that
    took it or by what the node calls it. So a company's domain hosted at a provider is there in ``delivered`` first.
    """

    provider: str
    counts: Counts
    rates: Rates
    vmtas: list[VmtaReplies]


class Providers(msgspec.Struct, frozen=True, kw_only=True):
    """The providers with the most events first."""

    start: datetime = msgspec.field(name="from")
    end: datetime = msgspec.field(name="to")
    data: list[Provider]
    rest: Counts
    """Of all providers that are not listed."""


class CountChange(msgspec.Struct, frozen=True, kw_only=True):
    """A count in both periods."""

    current: int
    previous: int
    difference: int
    relative: float | None
    """Difference by the previous count; null if that was 0."""


class RateChange(msgspec.Struct, frozen=True, kw_only=True):
    """A rate in both periods; null where there was nothing to divide by."""

    current: float | None
    previous: float | None
    difference: float | None
    """In the same unit: 0.01 is one percentage point."""


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """The period against the one of the same length that ended where it began."""

    start: datetime = msgspec.field(name="from")
    end: datetime = msgspec.field(name="to")
    previous_start: datetime = msgspec.field(name="previous_from")
    previous_end: datetime = msgspec.field(name="previous_to")
    counts: dict[str, CountChange]
    rates: dict[str, RateChange]


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """What a server said."""

    at: datetime
    type: str
    """``message.bounced`` or ``message.deferred``."""
    code: int | None
    enhanced_code: str | None
    reply: str | None
    provider: str | None
    vmta: str | None
    message_id: str | None


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One class of failures."""

    bounce_class: str
    is_hard: bool
    """Whether a bounce of the class is the address's fault for good."""
    bounced: int
    deferred: int
    share: float | None
    """Of all bounces of the period."""
    examples: list[Example]
    """The latest that differ in more than numbers and addresses."""


class BounceReasons(msgspec.Struct, frozen=True, kw_only=True):
    """Why mail was not taken, the class with the most bounces first."""

    start: datetime = msgspec.field(name="from")
    end: datetime = msgspec.field(name="to")
    bounced: int
    deferred: int
    data: list[Reason]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it in one document."""

    organization: str
    generated_at: datetime
    trend: Trend
    summary: Summary
    timeseries: Timeseries
    providers: Providers
    breakdowns: list[Breakdown]
    bounce_reasons: BounceReasons
