"""What a plan comes to, day by day, if receivers take it well: what new addresses send, what established ones, what
waits, and when all are warm. Pure; stages move by the same decision as in production.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import msgspec
from msgspec.structs import replace

from postmta_ctl.core.providers import OTHER
from postmta_ctl.core.warmup import Progress
from postmta_ctl.core.warmup_course import Mail, Sender, by_provider, spread
from postmta_ctl.core.warmup_decisions import Figures, decide


class ForecastDay(msgspec.Struct, frozen=True, kw_only=True):
    """A day of the plan."""

    day: date
    planned: int
    """Messages that are to be sent on it."""
    waiting: int
    """Those left from the days before."""
    through_new: int
    """Sent by addresses that are warming on it."""
    through_established: int
    """Sent by addresses that are established on it, those among them that have become so."""
    delayed: int
    """Left for the days after."""
    by_sender: dict[str, int]
    allowances: dict[str, int]
    """Of the addresses that are warming."""


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan comes to."""

    days: list[ForecastDay]
    warm_on: dict[str, date | None]
    """The first day on which a new address has no limit; null: later than the last day here."""
    no_delay_from: date | None
    """The first day from which on nothing waits any more; null: something still waits at the end."""
    delayed_most: int
    """Messages that waited at the end of the worst day."""


def forecast(volumes: Sequence[int], mix: Mapping[str, float], senders: Sequence[Sender], first: date) -> Forecast:
    """Go through a plan.

    Args:
        volumes: Messages planned for each day.
        mix: Share of each provider; what is left of 1 is everybody else's.
        senders: Every address, new and established.
        first: The first day.
    """
    found: list[ForecastDay] = []
    warm_on: dict[str, date | None] = {sender.name: None for sender in senders if sender.progress is not None}
    backlog: Mail = {}
    current = list(senders)
    for number, planned in enumerate(volumes):
        day = first + timedelta(days=number)
        opened, became_warm = zip(*(_opened(sender, day) for sender in current), strict=True)
        warm_on |= {sender.name: day for sender, is_new in zip(opened, became_warm, strict=True) if is_new}
        waiting = sum(backlog.values())
        mail = _together(backlog, by_provider(planned, mix, OTHER))
        taken, backlog = spread(mail, opened)
        found.append(_day(day, planned, waiting, opened, taken, backlog))
        current = [replace(sender, progress=_judged(sender, taken[sender.name], day)) for sender in opened]
    return Forecast(
        days=found,
        warm_on=warm_on,
        no_delay_from=_no_delay_from(found),
        delayed_most=max((one.delayed for one in found), default=0),
    )


def _opened(sender: Sender, day: date) -> tuple[Sender, bool]:
    """The sender on a new day; and whether its warm-up has ended with the day before."""
    if sender.progress is None:
        return sender, False
    if sender.progress.day > len(sender.progress.allowances):
        return replace(sender, progress=None), True
    return replace(sender, progress=replace(sender.progress, opened_on=day, stopped=False, held=())), False


def _judged(sender: Sender, mail: Mail, day: date) -> Progress | None:
    """The stage of the day after; beyond the last one when the warm-up is over."""
    if sender.progress is None:
        return None
    figures = {provider: Figures(delivered=count) for provider, count in mail.items()}
    verdict = decide(sender.progress, figures, sum(figures.values(), Figures()), day + timedelta(days=1))
    return replace(verdict.progress, day=verdict.progress.day + 1) if verdict.completed else verdict.progress


def _day(
    day: date, planned: int, waiting: int, senders: Sequence[Sender], taken: Mapping[str, Mail], left: Mail
) -> ForecastDay:
    sent = {name: sum(mail.values()) for name, mail in taken.items()}
    new = {sender.name: sender.progress.allowance for sender in senders if sender.progress is not None}
    return ForecastDay(
        day=day,
        planned=planned,
        waiting=waiting,
        through_new=sum(count for name, count in sent.items() if name in new),
        through_established=sum(count for name, count in sent.items() if name not in new),
        delayed=sum(left.values()),
        by_sender=sent,
        allowances=new,
    )


def _together(one: Mail, other: Mail) -> Mail:
    return {provider: one.get(provider, 0) + other.get(provider, 0) for provider in one.keys() | other.keys()}


def _no_delay_from(days: Sequence[ForecastDay]) -> date | None:
    """The day after the last one at whose end something waited."""
    if not days or days[-1].delayed:
        return None
    late = [one.day for one in days if one.delayed]
    return late[-1] + timedelta(days=1) if late else days[0].day
