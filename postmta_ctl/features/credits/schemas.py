"""What the credit routes take and give."""

from datetime import date, datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from postmta_ctl.core.ledger import CreditType

Amount = Annotated[int, Meta(ge=1, le=10**12)]


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """The credits of one type."""

    type: CreditType
    unmetered: bool
    """The plan refuses nothing of this type; ``available`` is null then."""
    available: int | None
    """What can be spent."""
    reserved: int
    """Held for mail that is under way; settled or given back when it ends."""
    included: int
    """The plan's allowance of a period."""
    used: int
    """In the present period, less what was given back."""


class Balances(msgspec.Struct, frozen=True, kw_only=True):
    """All balances, and the period that the plan's allowance is for."""

    plan: str
    period_start: datetime
    period_end: datetime
    data: list[Balance]


class Consume(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Spend credits. Email is taken by sending as well; take it here for mail that is not sent through this API."""

    type: CreditType
    amount: Annotated[int, Meta(ge=1, le=10**9)] = 1
    reference: Annotated[str, Meta(min_length=1, max_length=255, examples=["scan-4711"])] | None = None
    """Your own name for it. The same reference again spends nothing more, so a request can be repeated safely."""


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the ledger; the sums of ``available`` and ``reserved`` over all of them are the balance."""

    id: str
    type: CreditType
    entry: str
    """``grant``, ``reserve``, ``settle``, ``refund``, ``consume`` or ``adjust``."""
    quantity: int
    """Recipients or checks."""
    available: int
    """Change of what can be spent; 0 under a plan that is not metered."""
    reserved: int
    """Change of what is held."""
    cause: str
    reference: str | None
    note: str | None
    created_at: datetime


class Consumed(msgspec.Struct, frozen=True, kw_only=True):
    """What was spent, and what is left."""

    entry: LedgerEntry
    balance: Balance


class Grant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A gift of the operator to an organization."""

    organization_id: str
    type: CreditType
    amount: Amount
    reason: Annotated[str, Meta(min_length=1, max_length=500, examples=["compensation for the outage of May 3"])]


class DayUsage(msgspec.Struct, frozen=True, kw_only=True):
    """One day (UTC) of one type."""

    day: date
    type: CreditType
    used: int
    """Recipients accepted, or checks made, less what was given back on this day."""
    refunded: int
    """Given back, whatever day it was taken on."""
    granted: int


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Every day and type of the range, with zeros where nothing happened."""

    start: date
    end: date
    """The last day."""
    totals: dict[CreditType, int]
    """Used in the whole range."""
    data: list[DayUsage]


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """An amount of money."""

    amount: int
    """In minor units, such as cents."""
    currency: str
    """ISO 4217."""


class CreditPackage(msgspec.Struct, frozen=True, kw_only=True):
    """Credits that can be bought by ``POST /api/v1/billing/checkout``; they do not lapse."""

    id: str
    name: str
    type: CreditType
    amount: int
    price: Price


class Packages(msgspec.Struct, frozen=True):
    """What can be bought."""

    data: list[CreditPackage]


class AlertCreate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A threshold to be told of."""

    type: CreditType
    threshold: Annotated[int, Meta(ge=0, le=10**12)]
    emails: Annotated[list[str], Meta(max_length=10)] = []
    """Who is told by mail, beside the event ``credits.low``."""


class AlertUpdate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change; what is absent stays. Another threshold fires anew."""

    threshold: Annotated[int, Meta(ge=0, le=10**12)] | UnsetType = UNSET
    emails: Annotated[list[str], Meta(max_length=10)] | UnsetType = UNSET


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Fires once when the available credits fall to the threshold; once more only after they rose above it."""

    id: str
    type: CreditType
    threshold: int
    emails: list[str]
    fired_at: datetime | None
    """When it fired for the present shortage; null while there is enough."""
    created_at: datetime


class Alerts(msgspec.Struct, frozen=True):
    """The organization's thresholds, by type and then the highest first."""

    data: list[Alert]
