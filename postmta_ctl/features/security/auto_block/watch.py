"""The job: end blocks whose time is over, judge every rule, and hold what blocks are about."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.auto_block import LONGEST_WINDOW, SLOT, Limit, Scope, judge, window_start
from postmta_ctl.core.providers import OTHER
from postmta_ctl.features.security.auto_block import block_queries, ending, queries
from postmta_ctl.features.security.auto_block.holding import hold_queues
from postmta_ctl.features.security.auto_block.opening import Excess, open_block
from postmta_ctl.features.security.auto_block.queries import RuleRow
from postmta_ctl.system import System

RULES = 500
"""Judged by one reading of the database."""
BATCH = 100
Rules = Sequence[tuple[RuleRow, str]]
"""Each with the slug of its organization."""


async def watch_rules(system: System) -> None:
    """One turn."""
    await _expire(system)
    async for excess in _excesses(system):
        await open_block(system, excess)
    await hold_queues(system)


async def forget_outcomes(system: System) -> None:
    """Drop the counts that no rule can look at any more; a job."""
    async with system.db.transaction() as connection:
        await queries.forget_counts(connection, system.now() - LONGEST_WINDOW - SLOT)


async def _expire(system: System) -> None:
    ended = BATCH
    while ended == BATCH:
        async with system.db.transaction() as connection:
            rows = await block_queries.expired(connection, system.now(), BATCH)
            for row in rows:
                await ending.end(system, connection, row, "expired")
        ended = len(rows)
        if rows:
            await ending.tell_nodes(system)


async def _excesses(system: System) -> AsyncIterator[Excess]:
    after, more = "", True
    while more:
        async with system.db.reading() as connection:
            rules = await queries.enabled_rules(connection, after, RULES)
            found = await _judged(connection, rules, system.now())
        for one in found:
            yield one
        more = len(rows := rules) == RULES
        after = rows[-1][0].id if rows else after


async def _judged(connection: AsyncConnection, rules: Rules, now: datetime) -> list[Excess]:
    ends = await block_queries.ends(connection, [rule.id for rule, _ in rules], now - LONGEST_WINDOW - SLOT)

    def alike(one: tuple[RuleRow, str]) -> tuple[str, int]:
        return one[0].scope, one[0].window_minutes

    found: list[Excess] = []
    # Rules that look at the same are judged by the same counts: most are those that every organization begins with.
    for (scope, minutes), members in groupby(sorted(rules, key=alike), alike):
        group = list(members)
        since = window_start(now, timedelta(minutes=minutes))
        counts = await queries.counts(connection, {rule.organization_id for rule, _ in group}, scope, since, now)
        for rule, slug in group:
            for value, by_outcome in counts.get(rule.organization_id, {}).items():
                excess = await _excess(connection, rule, slug, value, by_outcome, since, now, ends)
                found += [excess] if excess else []
    return found


async def _excess(
    connection: AsyncConnection,
    rule: RuleRow,
    slug: str,
    value: str,
    counts: dict[str, int],
    since: datetime,
    now: datetime,
    ends: dict[tuple[str, str], datetime | None],
) -> Excess | None:
    """The rate of one value, if it is too high and has not led to the block that is active."""
    named = slug if rule.scope is Scope.ORGANIZATION else value
    ended_at = ends.get((rule.id, named))
    if ((rule.id, named) in ends and ended_at is None) or (rule.scope is Scope.PROVIDER and value == OTHER):
        return None
    start = window_start(now, timedelta(minutes=rule.window_minutes), ended_at)
    if start > since:
        mine = await queries.counts(connection, [rule.organization_id], rule.scope, start, now, value)
        counts = mine.get(rule.organization_id, {}).get(value, {})
    limit = Limit(metric=rule.metric, threshold=rule.threshold, minimum_volume=rule.minimum_volume)
    measured = judge(limit, counts)
    return None if measured is None else Excess(rule=rule, value=named, measured=measured, since=start)
