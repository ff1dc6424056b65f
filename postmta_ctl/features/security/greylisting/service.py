"""The configuration of greylisting, and figures of both its sides."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.compiler.model import Greylisting
from postmta_ctl.core.domain_names import parse_mail_domain
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.greylisting import Outcome
from postmta_ctl.core.periods import Period
from postmta_ctl.errors import InvalidRequest
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.fields import Fields
from postmta_ctl.features.policy import changes
from postmta_ctl.features.security.greylisting import queries
from postmta_ctl.features.security.greylisting.queries import ConfigRow, ReceiversRow
from postmta_ctl.features.security.greylisting.schemas import (
    GreylistingConfig,
    GreylistingStats,
    GreylistingUpdate,
    Inbound,
    InboundDay,
    Outbound,
    Receivers,
)
from postmta_ctl.store.locks import exclusive
from postmta_ctl.store.versions import Condition
from postmta_ctl.system import System

_NAMES = {
    "enabled": "enabled",
    "delay_seconds": "delay",
    "window_seconds": "window",
    "lifetime_seconds": "lifetime",
    "allow_after_passes": "allow_after",
    "allowed_networks": "allowed_networks",
    "allowed_sender_domains": "allowed_domains",
}
"""Field of the API → field of the model."""
_FIGURES: dict[Outcome, str] = {
    "new": "greylisted_new",
    "early": "greylisted_early",
    "passed": "passed",
    "known": "known",
    "allowed": "allowed",
    "unavailable": "unavailable",
}


def read_update(values: dict[str, Any]) -> GreylistingUpdate:
    """What is to be changed, from elsewhere than a request, held to the same limits.

    Raises:
        msgspec.ValidationError: A value is of another type or size.
    """
    return msgspec.convert(values, GreylistingUpdate)


async def get(system: System) -> GreylistingConfig:
    """What is in force, or will be with the next release."""
    async with system.db.reading() as connection:
        return _shown(system, await queries.config(connection))


async def update(
    system: System, principal: Principal, data: GreylistingUpdate, unchanged: Condition
) -> GreylistingConfig:
    """Change it; nodes get it with the next release.

    Raises:
        InvalidRequest: A network or domain is none, or the window ends before the delay.
        PreconditionFailed: Somebody else was quicker.
    """
    given = _read(data)
    # There may be no row yet that could be locked.
    async with exclusive(system.db, "greylisting"), system.db.transaction() as connection:
        row = await queries.config(connection)
        before = _shown(system, row)
        unchanged.require(before)
        config = msgspec.structs.replace(row.config if row else Greylisting(), **given)
        if config.window <= config.delay:
            raise InvalidRequest.of("window_seconds", "must be longer than delay_seconds: nothing would ever pass")
        now = system.now()
        changed = ConfigRow(config=config, updated_by=principal.name, updated_at=now)
        await queries.set_config(connection, changed)
        after = _shown(system, changed)
        summary = f"greylisting {'on' if config.enabled else 'off'}"
        await changes.record(
            connection, organization_id=None, author=principal.name, summary=summary, now=now, domains=()
        )
        await audit.record(
            connection,
            principal,
            "greylisting.updated",
            "greylisting",
            before=msgspec.to_builtins(before),
            after=msgspec.to_builtins(after),
            now=now,
        )
    return after


async def stats(system: System, principal: Principal, period: Period) -> GreylistingStats:
    """Both sides of it over a period; what comes in is told to operators only."""
    async with system.db.reading() as connection:
        hours = await queries.counts(connection, period) if principal.is_operator else None
        outbound = await _outbound(connection, principal.organization_id, period)
    return GreylistingStats(
        start=period.start,
        end=period.end,
        inbound=None if hours is None else Inbound(**_figures(hours)),
        inbound_by_day=None if hours is None else _by_day(hours, period),
        outbound=outbound,
    )


async def inbound(connection: AsyncConnection, period: Period) -> Inbound:
    """What came in over a period."""
    return Inbound(**_figures(await queries.counts(connection, period)))


async def is_enabled(connection: AsyncConnection) -> bool:
    """Whether it is on."""
    row = await queries.config(connection)
    return row is not None and row.config.enabled


def _read(data: GreylistingUpdate) -> dict[str, Any]:
    problems = Fields()
    given: dict[str, Any] = {
        ours: value for theirs, ours in _NAMES.items() if (value := getattr(data, theirs)) is not msgspec.UNSET
    }
    for name, field, parse in (
        ("allowed_networks", "allowed_networks", _network),
        ("allowed_domains", "allowed_sender_domains", parse_mail_domain),
    ):
        if name in given:
            read = [problems.read(f"{field}[{index}]", parse, one) for index, one in enumerate(given[name])]
            given[name] = tuple(dict.fromkeys(one for one in read if one is not None))
    problems.done()
    return given


def _network(text: str) -> str:
    try:
        if "%" in text:
            raise ValueError
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise InputError("network_syntax", "is no address and no network in CIDR notation without host bits") from None


def _shown(system: System, row: ConfigRow | None) -> GreylistingConfig:
    config = row.config if row else Greylisting()
    values = {theirs: getattr(config, ours) for theirs, ours in _NAMES.items()}
    values |= {name: list(value) for name, value in values.items() if isinstance(value, tuple)}
    return GreylistingConfig(
        **values,
        relay_domains=sorted(system.settings.policy.relay_domains),
        updated_at=row.updated_at if row else None,
        updated_by=row.updated_by if row else None,
    )


def _figures(hours: Iterable[tuple[datetime, Outcome, int]]) -> dict[str, int]:
    figures = dict.fromkeys(_FIGURES.values(), 0)
    for _, outcome, number in hours:
        figures[_FIGURES[outcome]] += number
    return figures


def _by_day(hours: Sequence[tuple[datetime, Outcome, int]], period: Period) -> list[InboundDay]:
    return [InboundDay(**_figures(one for one in hours if one[0].date() == day), day=day) for day in _days(period)]


def _days(period: Period) -> list[date]:
    last = (period.end - timedelta(microseconds=1)).date()
    first = period.start.date()
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


async def _outbound(connection: AsyncConnection, organization_id: str, period: Period) -> Outbound:
    whole = await queries.receivers(connection, organization_id, period, None)
    total = whole[0] if whole else ReceiversRow(name="", deferrals=0, recipients=0, delivered=0, median_wait=None)
    providers = await queries.receivers(connection, organization_id, period, "provider")
    domains = await queries.receivers(connection, organization_id, period, "domain")
    return Outbound(
        deferrals=total.deferrals,
        recipients=total.recipients,
        delivered=total.delivered,
        median_wait_seconds=_seconds(total.median_wait),
        by_provider=[_receivers(row) for row in providers],
        by_domain=[_receivers(row) for row in domains],
    )


def _receivers(row: ReceiversRow) -> Receivers:
    return Receivers(
        name=row.name,
        deferrals=row.deferrals,
        recipients=row.recipients,
        delivered=row.delivered,
        median_wait_seconds=_seconds(row.median_wait),
    )


def _seconds(micros: int | None) -> float | None:
    return None if micros is None else micros / 1_000_000
