"""What a forecast takes and gives."""

from datetime import date
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from postmta_ctl.features.warmup.schemas import Allowances, Shares

Volume = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Count = Annotated[int, Meta(ge=0, le=50)]


class ForecastFormat(StrEnum):
    """How a forecast is written."""

    JSON = "json"
    CSV = "csv"
    SVG = "svg"
    HTML = "html"


class NewVmta(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An address that would be warmed up: by a schedule, or by daily allowances. Exactly one is given."""

    name: Annotated[str, Meta(max_length=63, pattern=r"^[a-z0-9-]{1,63}\Z", examples=["mx2"])]
    schedule: Annotated[str, Meta(max_length=63, examples=["standard"])] | None = None
    daily_allowances: Allowances | None = None
    provider_shares: Shares = {}


class ForecastRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A plan: what is to be sent, and from where."""

    daily_volume: Annotated[list[Volume], Meta(min_length=1, max_length=366, examples=[[20000]])]
    """Messages of the first day, the second, and so on; the last number holds for all days after."""
    days: Annotated[int, Meta(ge=1, le=366)] = 45
    provider_mix: Annotated[
        dict[Annotated[str, Meta(max_length=100)], Annotated[float, Meta(ge=0, le=1)]],
        Meta(max_length=50, examples=[{"gmail": 0.4, "outlook": 0.25}]),
    ] = {}
    """Provider → its share of the mail; what is left of 1 goes to others."""
    new_vmtas: Annotated[list[NewVmta], Meta(max_length=50)] = []
    include_existing: bool = True
    """With the organization's own: those that are warming from their present stage on, and the established ones."""
    established: Count = 0
    """Established addresses that come on top."""
    established_capacity: Volume | None = None
    """Messages a day that each established one can send; null: any number."""
    first_day: date | None = None
    """Null: today (UTC)."""


class PlannedVmta(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan means for one address."""

    name: str
    is_new: bool
    warm_on: date | None
    """The first day without a limit; null: not among these days, or established from the first."""


class PlannedMail(msgspec.Struct, frozen=True, kw_only=True):
    """A day of the plan."""

    day: date
    planned: int
    """Messages that are to be sent on it."""
    waiting: int
    """Those left from the days before."""
    through_new: int
    through_established: int
    """Through addresses that were established on it, those among them that have become so."""
    delayed: int
    """Left for the days after."""
    by_vmta: dict[str, int]
    allowances: dict[str, int]
    """Of the addresses that are warming on it."""


class WarmupForecast(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan comes to if receivers take it well."""

    vmtas: list[PlannedVmta]
    days: list[PlannedMail]
    warm_on: date | None
    """The first day on which no address has a limit any more; null: later than the last day here."""
    no_delay_from: date | None
    """The first day from which on nothing waits; null: something still waits at the end."""
    delayed_most: int
    """Messages that waited at the end of the worst day."""
