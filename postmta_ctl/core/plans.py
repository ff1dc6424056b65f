"""The catalogue of plans and packages, and the periods that plans run by. Pure: the text of the file is an argument."""

from __future__ import annotations

import calendar
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time
from typing import Annotated

import msgspec
from msgspec import Meta

from postmta_ctl.core.ledger import CREDIT_TYPES, CreditType
from postmta_ctl.core.money import MAX_MINOR, Money, prorate
from postmta_ctl.core.periods import Period

Slug = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,63}$")]
Minor = Annotated[int, Meta(ge=0, le=MAX_MINOR)]
Count = Annotated[int, Meta(ge=0, le=10**12)]
Rate = Annotated[int, Meta(ge=1, le=10**9)]


class CatalogueError(ValueError):
    """The catalogue contradicts itself or cannot be read; the text says where."""


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many of each thing an organization may have; None: any number."""

    users: Count | None = None
    domains: Count | None = None
    vmtas: Count | None = None
    webhooks: Count | None = None
    api_keys: Count | None = None

    def exceeded(self, counts: Mapping[str, int]) -> Iterator[tuple[str, int, int]]:
        """What there is too much of: its name, how many there are, and how many may be."""
        for name in self.__struct_fields__:
            limit = getattr(self, name)
            if limit is not None and counts.get(name, 0) > limit:
                yield name, counts[name], limit


class RequestLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requests a minute that the API takes; None: as many as the installation's settings say."""

    key: Rate | None = None
    user: Rate | None = None
    organization: Rate | None = None
    """Of all its keys and users together."""


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an organization gets, and what it pays for it each month."""

    id: Slug
    name: str
    price: Minor = 0
    """Of a month, in minor units of the catalogue's currency."""
    unmetered: bool = False
    """Usage is recorded and never refused."""
    offered: bool = True
    """Whether customers can choose it. A plan that is out of sale stays in the file while anybody has it."""
    credits: dict[CreditType, Count] = {}
    """Allowance of each month; what is unused lapses."""
    limits: Limits = Limits()
    requests_per_minute: RequestLimits = RequestLimits()


class Package(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Credits to buy beside a plan; they do not lapse."""

    id: Slug
    name: str
    type: CreditType
    amount: Annotated[int, Meta(ge=1, le=10**12)]
    price: Minor


class Catalogue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All plans, from the smallest to the largest, and all packages."""

    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]
    plans: tuple[Plan, ...]
    packages: tuple[Package, ...] = ()

    def plan(self, plan_id: str) -> Plan:
        """The plan of this id.

        Raises:
            KeyError: There is none.
        """
        return {one.id: one for one in self.plans}[plan_id]

    def rank(self, plan: Plan) -> int:
        """Place in the order of plans: an upgrade goes up, a downgrade down."""
        return self.plans.index(plan)

    def package(self, package_id: str) -> Package | None:
        """The package of this id."""
        return {one.id: one for one in self.packages}.get(package_id)

    def money(self, minor: int) -> Money:
        """An amount in the catalogue's currency."""
        return Money(minor=minor, currency=self.currency)


def parse_catalogue(text: str) -> Catalogue:
    """Read a catalogue.

    Raises:
        CatalogueError: It is not TOML, has unknown or wrong fields, or an id twice.
    """
    try:
        catalogue = msgspec.convert(tomllib.loads(text), Catalogue)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise CatalogueError(str(error)) from None
    for kind in (catalogue.plans, catalogue.packages):
        ids = [one.id for one in kind]
        if len(ids) != len(set(ids)):
            raise CatalogueError(f"an id stands twice among {', '.join(ids)}")
    return catalogue


def allowances(plan: Plan) -> dict[CreditType, int]:
    """What the plan grants for a month, without zeros."""
    return {kind: plan.credits[kind] for kind in CREDIT_TYPES if plan.credits.get(kind)}


def added_allowances(old: Plan, new: Plan, period: Period, now: datetime) -> dict[CreditType, int]:
    """What an upgrade within a period adds: the difference, for the part of the period that is left."""
    share = {"start": period.start, "end": period.end, "now": now}
    more = {kind: amount - old.credits.get(kind, 0) for kind, amount in allowances(new).items()}
    parts = {kind: prorate(amount, **share) for kind, amount in more.items() if amount > 0}
    return {kind: amount for kind, amount in parts.items() if amount}


def month(anchor: datetime, number: int) -> Period:
    """The month of this number, from 0, in a series that begins at the anchor.

    Each begins on the anchor's day of the month, or on the last day of a month that is too short for it, so a series
    from January 31 goes over February 28 back to March 31.
    """
    return Period(_plus_months(anchor, number), _plus_months(anchor, number + 1))


def month_at(anchor: datetime, moment: datetime) -> int:
    """The number of the month of the series that the moment is in; negative before the anchor."""
    number = (moment.year - anchor.year) * 12 + moment.month - anchor.month
    return number if _plus_months(anchor, number) <= moment else number - 1


def day_of(moment: datetime) -> datetime:
    """Midnight UTC of the moment's day: where periods begin, so that they consist of whole days."""
    return datetime.combine(moment.astimezone(UTC).date(), time(), UTC)


def _plus_months(anchor: datetime, months: int) -> datetime:
    year, index = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    last = calendar.monthrange(year, index + 1)[1]
    return anchor.replace(year=year, month=index + 1, day=min(anchor.day, last))
