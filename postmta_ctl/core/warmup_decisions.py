"""What moves a warm-up on, holds it, or takes it back: what receivers answered. Pure, and the same in production, in
the simulation and in tests.

Twice a day at least the same question is asked. While a day lasts: is this so bad that it must stop now? When it is
over: how did receivers take it, and what may the next one see? The figures that decide are kept with each answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, timedelta
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from postmta_ctl.core.rates import quotient
from postmta_ctl.core.warmup import Progress

COMPLAINT_DAYS = 7
"""Complaints come days after the mail that they are about, so they are held against the deliveries of a week."""
EASE = 1.25
"""What a provider's cap grows by after a day that it took well."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What receivers answered in some time."""

    delivered: int = 0
    deferred: int = 0
    """Attempts that were put off."""
    bounced: int = 0
    complained: int = 0

    @property
    def attempts(self) -> int:
        """Attempts that were answered."""
        return self.delivered + self.deferred + self.bounced

    def __add__(self, other: Figures) -> Figures:
        """Both together."""
        return Figures(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """From where on figures are bad. Rates are from 0 to 1; below the volumes nothing is decided, however bad."""

    deferral_rate: float = 0.10
    """deferred / attempts, at which a stage is held."""
    stop_deferral_rate: float = 0.30
    """The same, at which a provider gets no more that very day."""
    bounce_rate: float = 0.03
    """bounced / (delivered + bounced), at which the warm-up is stepped back."""
    complaint_rate: float = 0.001
    """complained / delivered within a week, at which it is stepped back. Google and Yahoo ask bulk senders to stay
    below it (Google "Email sender guidelines", Yahoo "Sender best practices").
    """
    min_attempts: int = 30
    min_settled: int = 40
    min_delivered: int = 100
    min_cases: int = 4
    """Deferrals, bounces or complaints."""
    sending_share: float = 0.1
    """Of a day's allowance, what has to be delivered for the day to count as one on which was sent."""


THRESHOLDS = Thresholds()


class Kind(StrEnum):
    """What was decided."""

    STARTED = "started"
    ADVANCED = "advanced"
    HELD = "held"
    STEPPED_BACK = "stepped_back"
    RESUMED = "resumed"
    COMPLETED = "completed"
    PROVIDER_HELD = "provider_held"
    PROVIDER_EASED = "provider_eased"
    PAUSED = "paused"
    SKIPPED = "skipped"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """A decision with all that it rests on."""

    kind: Kind
    reason: str
    provider: str | None = None
    """None: it is about the whole address."""
    from_stage: int
    to_stage: int
    from_allowance: int
    """Deliveries a day, before and after; of a decision about a provider, those there."""
    to_allowance: int
    figures: Figures = Figures()
    rates: dict[str, float] = {}
    """The rates that were looked at."""
    thresholds: dict[str, float] = {}
    """What they were held against, and the volumes that were asked for."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Where the warm-up stands now, and what brought it there."""

    progress: Progress
    decisions: tuple[Decision, ...] = ()
    completed: bool = False
    """The last stage is over: there is no limit any more."""


def decide(
    progress: Progress,
    day: Mapping[str, Figures],
    recent: Figures,
    today: date,
    limits: Thresholds = THRESHOLDS,
) -> Verdict:
    """Judge the day in force; when another has begun, open that one.

    Args:
        progress: Where the warm-up stands.
        day: The figures of the day in force, by provider.
        recent: Those of the days since :func:`judged_since`.
        today: The present day (UTC).
        limits: What to hold the figures against.
    """
    if progress.opened_on is None:
        return Verdict(progress=replace(progress, opened_on=today))
    if progress.paused or today < progress.opened_on:
        return Verdict(progress=replace(progress, opened_on=max(today, progress.opened_on)))
    is_over = today > progress.opened_on
    total = sum(day.values(), Figures())
    progress, decisions = _providers(progress, day, limits, is_over=is_over)
    if not progress.stopped and (step := _step_back(progress, total, recent, limits)):
        back = replace(progress, day=step.to_stage, stopped=True, judged_from=_day_after(today, is_over=is_over))
        return Verdict(progress=_opened(back, today), decisions=(*decisions, step))
    if not is_over:
        return Verdict(progress=progress, decisions=tuple(decisions))
    verdict = _next_stage(progress, total, limits)
    opened = _opened(verdict.progress, today)
    return replace(verdict, progress=opened, decisions=(*decisions, *verdict.decisions))


def judged_since(progress: Progress, today: date) -> date:
    """The first day whose complaints count today."""
    first = (progress.opened_on or today) - timedelta(days=COMPLAINT_DAYS - 1)
    return max(first, progress.judged_from or first)


def _opened(progress: Progress, today: date) -> Progress:
    """With today in force, if it is another day."""
    if today == progress.opened_on:
        return progress
    return replace(progress, opened_on=today, stopped=False, held=())


def _day_after(today: date, *, is_over: bool) -> date:
    # The day that has just begun has a clean slate; one that was stopped does not.
    return today if is_over else today + timedelta(days=1)


def _step_back(progress: Progress, total: Figures, recent: Figures, limits: Thresholds) -> Decision | None:
    """Back to half of the allowance, if too much bounced or was complained about."""
    settled = total.delivered + total.bounced
    bounces, complaints = quotient(total.bounced, settled), quotient(recent.complained, recent.delivered)
    if _is_bad(bounces, limits.bounce_rate, settled, limits.min_settled, total.bounced, limits.min_cases):
        reason = f"{total.bounced} of {settled} bounced: {bounces:.2%}"
        thresholds = {"bounce_rate": limits.bounce_rate, "min_settled": limits.min_settled}
        rates = {"bounce_rate": bounces or 0.0}
    elif _is_bad(
        complaints, limits.complaint_rate, recent.delivered, limits.min_delivered, recent.complained, limits.min_cases
    ):
        reason = f"{recent.complained} complaints on {recent.delivered} deliveries: {complaints:.2%}"
        thresholds = {"complaint_rate": limits.complaint_rate, "min_delivered": limits.min_delivered}
        rates = {"complaint_rate": complaints or 0.0}
    else:
        return None
    return Decision(
        kind=Kind.STEPPED_BACK,
        reason=reason,
        from_stage=progress.day,
        to_stage=(stage := stage_below(progress, progress.allowances[progress.day - 1] // 2)),
        from_allowance=progress.allowances[progress.day - 1],
        to_allowance=progress.allowances[stage - 1],
        figures=total if "bounce_rate" in rates else recent,
        rates=rates,
        thresholds=thresholds | {"min_cases": limits.min_cases},
    )


def stage_below(progress: Progress, allowance: int) -> int:
    """The last stage up to the present one that allows no more than this; the first if none does."""
    stages = [stage for stage in range(1, progress.day) if progress.allowances[stage - 1] <= allowance]
    return stages[-1] if stages else 1


def _is_bad(rate: float | None, threshold: float, volume: int, min_volume: int, cases: int, min_cases: int) -> bool:
    return rate is not None and rate >= threshold and volume >= min_volume and cases >= min_cases


def _deferral(figures: Figures, threshold: float, limits: Thresholds) -> bool:
    rate = quotient(figures.deferred, figures.attempts)
    return _is_bad(rate, threshold, figures.attempts, limits.min_attempts, figures.deferred, limits.min_cases)


def _providers(
    progress: Progress, day: Mapping[str, Figures], limits: Thresholds, *, is_over: bool
) -> tuple[Progress, list[Decision]]:
    """Cap the providers that put off too much, and when the day is over give those more that took it well."""
    threshold = limits.deferral_rate if is_over else limits.stop_deferral_rate
    decisions = []
    for provider in sorted(day.keys() | (progress.caps.keys() if is_over else set())):
        figures = day.get(provider, Figures())
        if provider in progress.held:
            continue
        if _deferral(figures, threshold, limits):
            progress, decision = _hold_provider(progress, provider, figures, threshold, limits)
        elif is_over and provider in progress.caps and figures.delivered:
            progress, decision = _ease_provider(progress, provider, figures)
        else:
            continue
        decisions.append(decision)
    return progress, decisions


def _hold_provider(
    progress: Progress, provider: str, figures: Figures, threshold: float, limits: Thresholds
) -> tuple[Progress, Decision]:
    """No more a day than what it took."""
    cap = max(1, min(figures.delivered, progress.limit_at(provider) or figures.delivered))
    held = replace(progress, caps=progress.caps | {provider: cap}, held=(*progress.held, provider))
    rate = quotient(figures.deferred, figures.attempts) or 0.0
    reason = f"{provider} put off {figures.deferred} of {figures.attempts} attempts: {rate:.2%}"
    return held, Decision(
        kind=Kind.PROVIDER_HELD,
        reason=reason,
        provider=provider,
        from_stage=progress.day,
        to_stage=progress.day,
        from_allowance=progress.limit_at(provider),
        to_allowance=cap,
        figures=figures,
        rates={"deferral_rate": rate},
        thresholds={
            "deferral_rate": threshold,
            "min_attempts": limits.min_attempts,
            "min_cases": limits.min_cases,
        },
    )


def _ease_provider(progress: Progress, provider: str, figures: Figures) -> tuple[Progress, Decision]:
    """More than the day before; without a cap once that would no longer limit anything."""
    before = progress.caps[provider]
    cap = math.ceil(before * EASE)
    caps = {name: limit for name, limit in progress.caps.items() if name != provider}
    without = replace(progress, caps=caps, stopped=False)
    eased = replace(progress, caps=progress.caps | {provider: cap}) if cap < without.limit_at(provider) else None
    after = eased or replace(progress, caps=caps)
    rate = quotient(figures.deferred, figures.attempts) or 0.0
    return after, Decision(
        kind=Kind.PROVIDER_EASED,
        reason=f"{provider} took {figures.delivered} of {figures.attempts} attempts",
        provider=provider,
        from_stage=progress.day,
        to_stage=progress.day,
        from_allowance=before,
        to_allowance=cap if eased else without.limit_at(provider),
        figures=figures,
        rates={"deferral_rate": rate},
    )


def _next_stage(progress: Progress, total: Figures, limits: Thresholds) -> Verdict:
    """The stage of the day after one that is over."""
    if progress.stopped:
        decision = _moved(progress, Kind.RESUMED, progress.day, "a new day", total)
        return Verdict(progress=progress, decisions=(decision,))
    allowance = progress.allowances[progress.day - 1]
    wanted = max(1, math.ceil(allowance * limits.sending_share))
    if _deferral(total, limits.deferral_rate, limits):
        rate = quotient(total.deferred, total.attempts) or 0.0
        reason = f"{total.deferred} of {total.attempts} attempts were put off: {rate:.2%}"
        held = replace(
            _moved(progress, Kind.HELD, progress.day, reason, total),
            rates={"deferral_rate": rate},
            thresholds={
                "deferral_rate": limits.deferral_rate,
                "min_attempts": limits.min_attempts,
                "min_cases": limits.min_cases,
            },
        )
        return Verdict(progress=progress, decisions=(held,))
    if total.delivered < wanted:
        # Not a day on which was sent: nobody knows the address any better.
        return Verdict(progress=progress)
    reason = f"{total.delivered} of {allowance} delivered, {total.deferred} put off, {total.bounced} bounced"
    if progress.day == len(progress.allowances):
        if progress.caps:
            # Somebody takes less than is allowed: without a limit it would get all of it at once.
            return Verdict(progress=progress)
        decision = _moved(progress, Kind.COMPLETED, progress.day, reason, total)
        return Verdict(progress=progress, decisions=(decision,), completed=True)
    decision = _moved(progress, Kind.ADVANCED, progress.day + 1, reason, total)
    return Verdict(progress=replace(progress, day=progress.day + 1), decisions=(decision,))


def _moved(progress: Progress, kind: Kind, stage: int, reason: str, figures: Figures) -> Decision:
    return Decision(
        kind=kind,
        reason=reason,
        from_stage=progress.day,
        to_stage=stage,
        from_allowance=0 if kind is Kind.RESUMED else progress.allowances[progress.day - 1],
        to_allowance=progress.allowances[stage - 1],
        figures=figures,
    )
