"""Warm-up of a vMTA as its own routes take and show it: begun with its creation, kept in its row."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.errors import InputError
from postmta_ctl.core.warmup import Progress
from postmta_ctl.features.fields import Fields
from postmta_ctl.features.vmtas.queries import VmtaRow
from postmta_ctl.features.vmtas.schemas import Warmup, WarmupCreate
from postmta_ctl.features.warmup import beginning


async def begin(
    connection: AsyncConnection, organization_id: str, data: WarmupCreate | None, fields: Fields
) -> Progress | None:
    """Begin what was asked for; nothing when it was nothing, or cannot be accepted."""
    if data is None:
        return None
    try:
        return await beginning.begin(
            connection,
            organization_id,
            schedule=data.schedule,
            allowances=data.daily_allowances,
            shares=data.provider_shares,
        )
    except InputError as error:
        fields.refuse(f"warmup.{error.field}" if error.field else "warmup", error.message, code=error.code)
        return None


def shown(row: VmtaRow) -> Warmup | None:
    """The warm-up as the vMTA shows it."""
    progress = row.warmup
    if row.state != "warming" or progress is None:
        return None
    return Warmup(
        schedule=progress.schedule,
        daily_allowances=list(progress.allowances),
        provider_shares=progress.shares,
        day=progress.day,
        allowance_today=progress.allowance,
        is_paused=progress.paused,
    )
