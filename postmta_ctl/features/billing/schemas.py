"""What the billing routes take and give. Amounts are in minor units; currencies are ISO 4217 codes."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from postmta_ctl.core.ledger import CreditType

PlanId = Annotated[str, Meta(min_length=1, max_length=63, examples=["growth"])]


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """How many of a thing there may be, and how many there are."""

    name: str
    used: int
    limit: int | None
    """Null: any number."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan as it is offered."""

    id: str
    name: str
    price: int
    """Of a month."""
    currency: str
    unmetered: bool
    credits: dict[CreditType, int]
    """Allowance of a month."""
    limits: dict[str, int | None]
    requests_per_minute: dict[str, int | None]
    """By ``key``, ``user`` and ``organization``; null: what the installation allows."""


class CurrentPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The plan that the organization has, and those it can choose."""

    plan: Plan
    period_start: datetime
    period_end: datetime
    next_plan: str | None
    """A downgrade that waits for the end of the period."""
    limits: list[Limit]
    offered: list[Plan]
    """From the smallest to the largest."""


class PlanChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which plan is wanted."""

    plan: PlanId


class InvoiceLine(msgspec.Struct, frozen=True, kw_only=True):
    """One position; what is set off is negative."""

    description: str
    amount: int


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """Seller or buyer, as they were when the invoice was issued."""

    legal_name: str = ""
    address: str = ""
    country: str = ""
    tax_id: str = ""


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice. It never changes; whether it is paid is kept beside it."""

    id: str
    number: str
    """From a series without gaps."""
    status: Literal["open", "overdue", "paid"]
    issued_at: datetime
    due_at: datetime
    paid_at: datetime | None
    currency: str
    total: int
    lines: list[InvoiceLine]
    seller: Party
    buyer: Party
    payment_instructions: str
    """Empty once it is paid."""


class Upgraded(msgspec.Struct, frozen=True, kw_only=True):
    """The new plan, and what it costs for the rest of the period."""

    current: CurrentPlan
    invoice: Invoice | None
    """None when there is nothing to pay."""


class CheckoutCreate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be paid: a package of credits, or an open invoice."""

    package: Annotated[str, Meta(min_length=1, max_length=63, examples=["email-10k"])] | None = None
    invoice_id: Annotated[str, Meta(max_length=36)] | None = None
    provider: Literal["manual", "stripe"] | None = None
    """Absent: Stripe if it is configured."""
    return_url: Annotated[str, Meta(pattern=r"^https?://[^\s]+$", max_length=1000)] | None = None
    """Where Stripe sends the customer afterwards; absent: the address of this installation."""


class Checkout(msgspec.Struct, frozen=True, kw_only=True):
    """How to pay."""

    provider: str
    amount: int
    currency: str
    url: str | None = None
    """Stripe: the page to pay on."""
    checkout_id: str | None = None
    invoice: Invoice | None = None
    """Manual: what to pay, with instructions. What was bought is added once the operator has the money."""


class Payment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Money that came in."""

    reference: Annotated[str, Meta(min_length=1, max_length=255, examples=["bank statement 2026-05-03"])]


class BillingDetails(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the organization's invoices say of it."""

    legal_name: Annotated[str, Meta(max_length=200)] = ""
    """Empty: the organization's name."""
    address: Annotated[str, Meta(max_length=500)] = ""
    country: Annotated[str, Meta(pattern=r"^([A-Z]{2})?$", examples=["DE"])] = ""
    """ISO 3166-1 alpha-2."""
    tax_id: Annotated[str, Meta(max_length=50, examples=["DE123456789"])] = ""


class PeriodUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What was used in one period of the subscription."""

    start: datetime
    end: datetime
    used: dict[CreditType, int]
    """Recipients or checks, less what was given back."""
    granted: dict[CreditType, int]
    """Allowance, packages and gifts."""


class UsageRollup(msgspec.Struct, frozen=True):
    """The periods, the present one first."""

    data: list[PeriodUsage]
