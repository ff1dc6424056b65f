"""What the warm-up routes take and give."""

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

Allowances = Annotated[
    list[Annotated[int, Meta(ge=1, le=1_000_000_000)]], Meta(min_length=1, max_length=366, examples=[[50, 100, 200]])
]
Shares = Annotated[
    dict[Annotated[str, Meta(max_length=100)], Annotated[float, Meta(gt=0, le=1)]],
    Meta(max_length=50, examples=[{"gmail": 0.4, "outlook": 0.25}]),
]
Name = Annotated[str, Meta(max_length=63, pattern=r"^[a-z0-9-]{1,63}\Z", examples=["newsletter"])]
State = Literal["none", "warming", "stopped", "paused", "completed"]


class WarmupStart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to warm up: by a schedule, ours or the organization's, or by allowances given here. Exactly one is given."""

    schedule: Annotated[str, Meta(max_length=63, examples=["standard"])] | None = None
    daily_allowances: Allowances | None = None
    """Deliveries allowed on the first sending day, the second, and so on; after the last there is no limit."""
    provider_shares: Shares = {}
    """Provider → the most of a day's allowance that may go there, from 0 to 1; absent: the schedule's own."""


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What receivers answered."""

    delivered: int
    deferred: int
    """Attempts that were put off."""
    bounced: int
    complained: int


class WarmupDay(Answers, frozen=True, kw_only=True):
    """A day (UTC) of a warm-up, or one provider's part of it."""

    day: date
    provider: str | None
    """Null: all together."""
    stage: int | None
    """Which of the allowances was in force, from 1; null for a provider without a limit of its own."""
    allowance: int | None
    """Deliveries that were allowed; null: no limit of its own."""


class WarmupDecision(msgspec.Struct, frozen=True, kw_only=True):
    """A decision with the numbers that it was made on."""

    id: str
    kind: str
    """``started``, ``advanced``, ``held``, ``stepped_back``, ``resumed``, ``completed``, ``provider_held``,
    ``provider_eased``, ``paused`` or ``skipped``.
    """
    provider: str | None
    """Null: it is about the vMTA as a whole."""
    author: str
    """``postmta``: nobody had to ask for it."""
    reason: str
    from_stage: int
    to_stage: int
    from_allowance: int
    to_allowance: int
    figures: Answers
    rates: dict[str, float]
    thresholds: dict[str, float]
    created_at: datetime


class NodeTicket(msgspec.Struct, frozen=True, kw_only=True):
    """What one node may still send today."""

    node: str
    size: int
    """Attempts that it was given last."""
    left: int
    """Those that it has not reported."""
    issued_at: datetime
    error: str | None
    """Why it does not know, if it does not."""


class PlannedDay(msgspec.Struct, frozen=True, kw_only=True):
    """A day to come."""

    day: date
    stage: int
    allowance: int


class WarmupStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Where the warm-up of a vMTA stands."""

    vmta_id: str
    vmta: str
    state: State
    """``stopped``: for today, since it was stepped back; ``none``: the vMTA was never warmed up."""
    schedule: str | None
    """Null for daily allowances of one's own."""
    daily_allowances: list[int]
    provider_shares: dict[str, float]
    stage: int
    """Which of the allowances is in force, from 1."""
    today: WarmupDay | None
    providers: list[WarmupDay]
    """Today by provider, most deliveries first."""
    nodes: list[NodeTicket]
    held: WarmupDecision | None
    """Why it does not advance as planned: the last decision that held or stepped back and was not followed by a better
    day."""
    full_on: date | None
    """The first day without a limit if it goes well and something is sent every day."""
    plan: list[PlannedDay]
    """The days until then."""
    days: list[WarmupDay]
    """Allowance and use of the last 30 days, newest first."""
    decisions: list[WarmupDecision]
    """The last 20, newest first; all of them are at ``/warmup/decisions``."""


class ScheduleCreate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A schedule to keep."""

    name: Name
    daily_allowances: Allowances
    provider_shares: Shares = {}


class ScheduleUpdate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes; warm-ups that have begun stay as they are."""

    name: Name | UnsetType = UNSET
    daily_allowances: Allowances | UnsetType = UNSET
    provider_shares: Shares | UnsetType = UNSET


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """How many deliveries each of the first sending days allows."""

    id: str | None
    """Null for one of ours, which cannot be changed."""
    name: str
    daily_allowances: list[int]
    provider_shares: dict[str, float]
    updated_at: datetime | None
    created_at: datetime | None


class Schedules(msgspec.Struct, frozen=True, kw_only=True):
    """Ours first, then the organization's by name."""

    data: list[Schedule]
