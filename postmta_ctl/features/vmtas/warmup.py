"""Warm-up of a vMTA: begun with its creation, kept in its row, shown and compiled for a given day (UTC)."""

from __future__ import annotations

from datetime import date

from postmta_ctl.core import warmup
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.warmup import Progress
from postmta_ctl.features.fields import Fields
from postmta_ctl.features.vmtas.queries import VmtaRow
from postmta_ctl.features.vmtas.schemas import Warmup, WarmupCreate


def begin(data: WarmupCreate | None, fields: Fields) -> Progress | None:
    """Begin what was asked for; nothing when it was nothing, or cannot be accepted."""
    if data is None:
        return None
    try:
        return warmup.begin(schedule=data.schedule, allowances=data.daily_allowances)
    except InputError as error:
        fields.refuse(f"warmup.{error.field}" if error.field else "warmup", error.message, code=error.code)
        return None


def daily_limit(row: VmtaRow, today: date) -> int | None:
    """Deliveries that the policy allows today; none without a limit."""
    if row.state != "warming" or row.warmup is None:
        return None
    return warmup.allowance_on(row.warmup, today)


def shown(row: VmtaRow, today: date) -> Warmup | None:
    """The warm-up as the API shows it."""
    progress = row.warmup
    if row.state != "warming" or progress is None:
        return None
    return Warmup(
        schedule=progress.schedule,
        daily_allowances=list(progress.allowances),
        day=warmup.day_on(progress, today),
        allowance_today=warmup.allowance_on(progress, today),
    )
