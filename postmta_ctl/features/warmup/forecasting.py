"""Forecasts of warm-ups for an organization."""

from __future__ import annotations

import asyncio
from datetime import date

from msgspec.structs import asdict, replace
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.errors import InputError
from postmta_ctl.core.providers import PROVIDERS
from postmta_ctl.core.warmup_course import Sender
from postmta_ctl.core.warmup_forecast import Forecast, forecast
from postmta_ctl.errors import InvalidRequest
from postmta_ctl.features.fields import Fields
from postmta_ctl.features.vmtas import queries as vmtas
from postmta_ctl.features.warmup import beginning
from postmta_ctl.features.warmup.forecast_schemas import ForecastRequest, PlannedMail, PlannedVmta, WarmupForecast
from postmta_ctl.system import System

LATEST = date(9998, 1, 1)
"""A year and a day before the calendar of Python ends."""


async def forecast_for(system: System, organization_id: str, data: ForecastRequest) -> WarmupForecast:
    """What a plan comes to for an organization.

    Raises:
        InvalidRequest: A field cannot be accepted, or there is nothing to send from.
    """
    _check_mix(data)
    async with system.db.reading() as connection:
        senders = await _senders(connection, organization_id, data)
    if not senders:
        raise InvalidRequest.of("new_vmtas", "there is no vMTA to send from", code="no_vmtas")
    volumes = [data.daily_volume[min(day, len(data.daily_volume) - 1)] for day in range(data.days)]
    first = data.first_day or system.now().date()
    if first > LATEST:
        raise InvalidRequest.of("first_day", f"must not be after {LATEST}", code="out_of_range")
    # A year of many addresses and providers takes a while, during which others are answered.
    found = await asyncio.to_thread(forecast, volumes, data.provider_mix, senders, first)
    return shown(found, senders)


def _check_mix(data: ForecastRequest) -> None:
    fields = Fields()
    for provider in data.provider_mix:
        if provider not in PROVIDERS:
            fields.refuse("provider_mix", f"{provider!r} is no mailbox provider that we tell apart")
    if sum(data.provider_mix.values()) > 1 + 1e-9:
        fields.refuse("provider_mix", "the shares add up to more than 1")
    fields.done()


async def _senders(connection: AsyncConnection, organization_id: str, data: ForecastRequest) -> list[Sender]:
    senders = await _existing(connection, organization_id, data) if data.include_existing else []
    senders += [
        Sender(name=f"established-{number}", capacity=data.established_capacity)
        for number in range(1, data.established + 1)
    ]
    fields, names = Fields(), {sender.name for sender in senders}
    for index, new in enumerate(data.new_vmtas):
        if new.name in names:
            fields.refuse(f"new_vmtas[{index}].name", "is the name of another one", code="taken")
        names.add(new.name)
        try:
            progress = await beginning.begin(
                connection,
                organization_id,
                schedule=new.schedule,
                allowances=new.daily_allowances,
                shares=new.provider_shares,
            )
            senders.append(Sender(name=new.name, progress=progress))
        except InputError as error:
            fields.refuse(f"new_vmtas[{index}].{error.field or 'schedule'}", error.message, code=error.code)
    fields.done()
    return senders


async def _existing(connection: AsyncConnection, organization_id: str, data: ForecastRequest) -> list[Sender]:
    rows = await vmtas.all_of_organization(connection, organization_id)
    return [
        Sender(name=row.name, progress=replace(row.warmup, paused=False, stopped=False))
        if row.state == "warming" and row.warmup
        else Sender(name=row.name, capacity=data.established_capacity)
        for row in rows
        if not row.is_paused
    ]


def shown(found: Forecast, senders: list[Sender]) -> WarmupForecast:
    """A forecast as the API and the command line show it."""
    days = [
        PlannedMail(
            by_vmta=one.by_sender,
            **{name: value for name, value in asdict(one).items() if name != "by_sender"},
        )
        for one in found.days
    ]
    warm = [day for day in found.warm_on.values() if day is not None]
    return WarmupForecast(
        vmtas=[
            PlannedVmta(name=one.name, is_new=one.progress is not None, warm_on=found.warm_on.get(one.name))
            for one in senders
        ],
        days=days,
        warm_on=max(warm) if warm and len(warm) == len(found.warm_on) else None,
        no_delay_from=found.no_delay_from,
        delayed_most=found.delayed_most,
    )
