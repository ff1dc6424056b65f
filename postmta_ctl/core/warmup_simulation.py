"""A warm-up in virtual time, against receivers that put off a sender who is in a hurry. Pure, and without chance.

It shows what the decisions are worth: the same mail, by the same schedule, once with :func:`decide` as it is and once
with thresholds that nothing reaches, which is a schedule by the calendar.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import msgspec
from msgspec.structs import replace

from postmta_ctl.core.warmup import Progress
from postmta_ctl.core.warmup_course import Mail, Sender, spread
from postmta_ctl.core.warmup_decisions import THRESHOLDS, Figures, Kind, Thresholds, decide

NEVER = Thresholds(deferral_rate=2.0, stop_deferral_rate=2.0, bounce_rate=2.0, complaint_rate=2.0)
"""For a schedule that is followed whatever receivers say."""
FIRST_DAY = date(2026, 1, 1)


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """A mailbox provider, and what it thinks of the new address."""

    provider: str
    share: float
    """Of the mail."""
    tolerance: float
    """Messages a day that it takes from the address without a word."""
    growth: float
    """What the tolerance grows by after a day on which the address all but kept within it, and used half of it."""
    patience: float = 1.25
    """Up to so many times its tolerance it puts off what is too much; beyond, it trusts the address less as well."""
    distrust: float = 0.8

    def answer(self, attempts: int) -> tuple[Figures, Receiver]:
        """What it answers to a day's attempts, and what it thinks afterwards."""
        taken = min(attempts, int(self.tolerance))
        figures = Figures(delivered=taken, deferred=attempts - taken)
        if attempts > self.tolerance * self.patience:
            return figures, replace(self, tolerance=max(1.0, self.tolerance * self.distrust))
        if taken * 2 >= self.tolerance and figures.deferred * 10 <= attempts:
            return figures, replace(self, tolerance=self.tolerance * self.growth)
        return figures, self


RECEIVERS = (
    Receiver(provider="gmail", share=0.40, tolerance=150, growth=1.32),
    Receiver(provider="outlook", share=0.25, tolerance=60, growth=1.22),
    Receiver(provider="yahoo", share=0.15, tolerance=60, growth=1.28),
    Receiver(provider="other", share=0.20, tolerance=200, growth=1.5),
)
"""Providers that differ in how fast they come to trust: figures made up for the purpose, no measurement."""


class SimulatedDay(msgspec.Struct, frozen=True, kw_only=True):
    """A day of the new address."""

    day: int
    stage: int
    allowance: int
    delivered: int
    deferred: int
    decisions: tuple[Kind, ...]


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """How a warm-up went."""

    days: tuple[SimulatedDay, ...]
    volume: int
    """Messages a day that were there to be sent by the new address."""

    @property
    def deferred(self) -> int:
        """Attempts that were put off, in all."""
        return sum(one.deferred for one in self.days)

    @property
    def delivered(self) -> int:
        """Messages that were delivered, in all."""
        return sum(one.delivered for one in self.days)

    @property
    def full_on(self) -> int | None:
        """The first day, from 1, on which it delivered all that was there; None: there was none."""
        return next((one.day for one in self.days if one.delivered >= self.volume), None)


def simulate(
    progress: Progress,
    *,
    volume: int,
    days: int = 45,
    receivers: Sequence[Receiver] = RECEIVERS,
    thresholds: Thresholds = THRESHOLDS,
) -> Course:
    """Warm up an address beside an established one that takes what is too much for it.

    Args:
        progress: Its beginning.
        volume: Messages a day that would be its part.
        days: How long.
        receivers: Who gets the mail.
        thresholds: By which the days are judged.
    """
    state: Progress | None = decide(progress, {}, Figures(), FIRST_DAY).progress
    known = {one.provider: one for one in receivers}
    found = []
    for number in range(days):
        sender = Sender(name="new", progress=state, capacity=volume)
        attempts = _attempts(sender, volume, known)
        figures = {}
        for provider, count in attempts.items():
            figures[provider], known[provider] = known[provider].answer(count)
        total, kinds, before = sum(figures.values(), Figures()), tuple[Kind, ...](), state
        if before is not None:
            verdict = decide(before, figures, total, FIRST_DAY + timedelta(days=number + 1), thresholds)
            kinds = tuple(one.kind for one in verdict.decisions)
            state = None if verdict.completed else verdict.progress
        found.append(
            SimulatedDay(
                day=number + 1,
                stage=before.day if before else len(progress.allowances),
                allowance=before.allowance if before else volume,
                delivered=total.delivered,
                deferred=total.deferred,
                decisions=kinds,
            )
        )
    return Course(days=tuple(found), volume=volume)


def _attempts(sender: Sender, volume: int, receivers: Mapping[str, Receiver]) -> Mail:
    """What the new address tries: its allowance in the mix of the mail, less where a provider has a limit."""
    limit = min(volume, volume if sender.limit() is None else sender.limit() or 0)
    mail = {one.provider: math.floor(limit * one.share + 0.5) for one in receivers.values()}
    taken, _ = spread(mail, [sender])
    return taken["new"]
