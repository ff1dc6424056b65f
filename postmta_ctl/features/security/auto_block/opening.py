"""The beginning of a block: written down, announced and, where it is about a vMTA, acted on in one transaction."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.auto_block import Action, Measurement, Scope
from postmta_ctl.core.ids import new_id
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.security.auto_block import block_queries as queries
from postmta_ctl.features.security.auto_block import vmta_pauses
from postmta_ctl.features.security.auto_block.announcements import OPENED, tell
from postmta_ctl.features.security.auto_block.block_queries import BlockRow
from postmta_ctl.features.security.auto_block.ending import AUTHOR
from postmta_ctl.features.security.auto_block.queries import RuleRow
from postmta_ctl.system import System


class Excess(msgspec.Struct, frozen=True, kw_only=True):
    """A rate that is too high."""

    rule: RuleRow
    value: str
    """Of the rule's scope."""
    measured: Measurement
    since: datetime
    """Where the window began."""


async def open_block(system: System, excess: Excess) -> bool:
    """Open a block, unless there is one of the rule for this value, or another evaluation was faster."""
    rule, now = excess.rule, system.now()
    async with system.db.reading() as connection:
        vmta_id = await _vmta_id(connection, excess)
        if rule.scope is Scope.VMTA and vmta_id is None:
            return False  # a source of somebody else's policy, or deleted since
        row = _row(excess, await _recipient_domains(connection, excess), now)
    async with system.db.transaction() as connection:
        if not await queries.add(connection, row):
            return False
        if vmta_id is not None and rule.action is not Action.NOTIFY:
            await vmta_pauses.pause(connection, row, vmta_id, words_of(row), now)
        await tell(system, connection, OPENED, row, now)
        whose = row.organization_id
        await audit.record(
            connection, None, "auto_block.opened", row.id, after=row, now=now, organization_id=whose, actor=AUTHOR
        )
    return True


async def _vmta_id(connection: AsyncConnection, excess: Excess) -> str | None:
    if excess.rule.scope is not Scope.VMTA:
        return None
    return await queries.vmta_id(connection, excess.rule.organization_id, excess.value)


async def _recipient_domains(connection: AsyncConnection, excess: Excess) -> list[str]:
    if excess.rule.scope is not Scope.PROVIDER:
        return []
    return await queries.recipient_domains(connection, excess.rule.organization_id, excess.value, excess.since)


def _row(excess: Excess, recipient_domains: list[str], now: datetime) -> BlockRow:
    rule = excess.rule
    return BlockRow(
        id=new_id(now),
        organization_id=rule.organization_id,
        rule_id=rule.id,
        rule_name=rule.name,
        metric=rule.metric,
        scope=rule.scope,
        value=excess.value,
        action=rule.action,
        threshold=rule.threshold,
        count=excess.measured.count,
        volume=excess.measured.volume,
        window_start=excess.since,
        window_end=now,
        recipient_domains=recipient_domains,
        expires_at=None if rule.block_minutes is None else now + timedelta(minutes=rule.block_minutes),
        created_at=now,
    )


def words_of(row: BlockRow) -> str:
    """Why, for people: the rule and its numbers, in one line."""
    share = f"{100 * row.count / row.volume:.4g} % ({row.count} of {row.volume})"
    return f"auto-block: {row.rule_name}: {row.metric} {share} reaches {100 * row.threshold:.4g} %"
