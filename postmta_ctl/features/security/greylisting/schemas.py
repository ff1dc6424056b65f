"""What the greylisting routes take and give."""

from datetime import date, datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

DAY = 86400
Delay = Annotated[int, Meta(ge=1, le=DAY, examples=[300])]
Window = Annotated[int, Meta(ge=60, le=30 * DAY, examples=[2 * DAY])]
Lifetime = Annotated[int, Meta(ge=3600, le=400 * DAY, examples=[35 * DAY])]
Passes = Annotated[int, Meta(ge=0, le=1_000_000, examples=[5])]
Networks = Annotated[list[Annotated[str, Meta(max_length=50, examples=["198.51.100.0/24"])]], Meta(max_length=1000)]
Domains = Annotated[list[Annotated[str, Meta(max_length=253, examples=["example.org"])]], Meta(max_length=1000)]


class GreylistingUpdate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change; what is absent stays as it is."""

    enabled: bool | UnsetType = UNSET
    delay_seconds: Delay | UnsetType = UNSET
    window_seconds: Window | UnsetType = UNSET
    lifetime_seconds: Lifetime | UnsetType = UNSET
    allow_after_passes: Passes | UnsetType = UNSET
    allowed_networks: Networks | UnsetType = UNSET
    allowed_sender_domains: Domains | UnsetType = UNSET


class GreylistingConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How mail is put off that strangers send to the relay domains (RFC 6647). One for the installation."""

    enabled: bool
    delay_seconds: int
    """A client that tries again earlier is put off again."""
    window_seconds: int
    """A client that tries again later is a new one."""
    lifetime_seconds: int
    """How long a client, sender and recipient that passed are known after they were last seen."""
    allow_after_passes: int
    """Pairs of sender and recipient of one network (/24, /64) that have to pass before it is trusted; 0: never."""
    allowed_networks: list[str]
    allowed_sender_domains: list[str]
    """Of envelope senders, with their subdomains."""
    relay_domains: list[str]
    """The domains that it is about, from the setting ``policy.relay_domains``; none: it has nothing to do."""
    updated_at: datetime | None
    updated_by: str | None


class Inbound(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the recipients that strangers named; from the nodes' log records."""

    greylisted_new: int
    """Put off, since they were never seen."""
    greylisted_early: int
    """Put off again, since they came back too early."""
    passed: int
    """Came back in time."""
    known: int
    """Had passed before."""
    allowed: int
    """By a list, or of a network that is trusted."""
    unavailable: int
    """Taken in since a node could not use its store."""


class InboundDay(Inbound, frozen=True, kw_only=True):
    """The same of one day (UTC)."""

    day: date


class Receivers(msgspec.Struct, frozen=True, kw_only=True):
    """How receivers put off mail of ours."""

    name: str
    deferrals: int
    recipients: int
    """Each a message to one address."""
    delivered: int
    """Those of them that have been delivered since."""
    median_wait_seconds: float | None
    """From the first deferral to the delivery; None: nothing was delivered."""


class Outbound(msgspec.Struct, frozen=True, kw_only=True):
    """The organization's own mail that was deferred with words of greylisting."""

    deferrals: int
    recipients: int
    delivered: int
    median_wait_seconds: float | None
    by_provider: list[Receivers]
    by_domain: list[Receivers]
    """The hundred with the most deferrals."""


class GreylistingStats(msgspec.Struct, frozen=True, kw_only=True):
    """Both sides of greylisting over a period."""

    start: datetime
    end: datetime
    inbound: Inbound | None
    """For operators: mail for the relay domains is nobody's among the customers."""
    inbound_by_day: list[InboundDay] | None
    outbound: Outbound
