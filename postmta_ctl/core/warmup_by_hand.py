"""What people decide about a warm-up, as decisions like those that it makes itself. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from postmta_ctl.core.errors import InputError
from postmta_ctl.core.warmup import Progress
from postmta_ctl.core.warmup_decisions import Decision, Kind, Verdict


def started(progress: Progress) -> Verdict:
    """One that has just begun."""
    what = f"schedule {progress.schedule}" if progress.schedule else "daily allowances of one's own"
    decision = _by_request(progress, progress, Kind.STARTED, f"{what}, {len(progress.allowances)} stages")
    return Verdict(progress=progress, decisions=(replace(decision, from_allowance=0),))


def paused(progress: Progress) -> Verdict:
    """Nothing leaves any more, and the stage is kept.

    Raises:
        InputError: ``warmup_paused``.
    """
    if progress.paused:
        raise InputError("warmup_paused", "the warm-up is paused already")
    after = replace(progress, paused=True)
    return Verdict(progress=after, decisions=(_by_request(progress, after, Kind.PAUSED, "by request"),))


def resumed(progress: Progress) -> Verdict:
    """It goes on where it was paused, or where it was stopped for the day.

    Raises:
        InputError: ``warmup_not_paused``.
    """
    if not progress.paused and not progress.stopped:
        raise InputError("warmup_not_paused", "the warm-up is neither paused nor stopped for the day")
    after = replace(progress, paused=False, stopped=False)
    return Verdict(progress=after, decisions=(_by_request(progress, after, Kind.RESUMED, "by request"),))


def skipped(progress: Progress) -> Verdict:
    """The next stage is in force at once; after the last it is over."""
    if progress.day == len(progress.allowances):
        return completed(progress)
    after = replace(progress, day=progress.day + 1)
    return Verdict(progress=after, decisions=(_by_request(progress, after, Kind.SKIPPED, "by request"),))


def completed(progress: Progress) -> Verdict:
    """There is no limit any more."""
    after = replace(progress, paused=False, stopped=False, day=len(progress.allowances))
    decision = _by_request(progress, after, Kind.COMPLETED, "by request")
    return Verdict(progress=after, decisions=(decision,), completed=True)


def _by_request(before: Progress, after: Progress, kind: Kind, reason: str) -> Decision:
    return Decision(
        kind=kind,
        reason=reason,
        from_stage=before.day,
        to_stage=after.day,
        from_allowance=before.allowance,
        to_allowance=after.allowance,
    )
