"""Where a warm-up stands, out of what was counted, allowed, handed out and decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.warmup import Progress
from postmta_ctl.core.warmup_decisions import Figures, Kind
from postmta_ctl.core.warmup_tickets import Holder, outstanding
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.nodes.queries import all_nodes
from postmta_ctl.features.vmtas.queries import VmtaRow
from postmta_ctl.features.vmtas.service import find
from postmta_ctl.features.warmup import count_queries, queries, ticket_queries
from postmta_ctl.features.warmup.queries import ALL, DecisionRow
from postmta_ctl.features.warmup.schemas import (
    Answers,
    NodeTicket,
    PlannedDay,
    State,
    WarmupDay,
    WarmupDecision,
    WarmupStatus,
)
from postmta_ctl.store.paging import Page, PageRequest
from postmta_ctl.system import System

DAYS = 30
LAST = PageRequest(limit=20)
_SLOWED = {Kind.HELD, Kind.STEPPED_BACK, Kind.PROVIDER_HELD}
_KEPT = ("reason", "from_stage", "to_stage", "from_allowance", "to_allowance", "rates", "thresholds")
"""What of a decision is shown as it is kept."""
_BETTER = {Kind.STARTED, Kind.ADVANCED, Kind.SKIPPED, Kind.COMPLETED}


async def status(system: System, principal: Principal, vmta_id: str) -> WarmupStatus:
    """The status of one vMTA.

    Raises:
        NotFound: The organization has no such vMTA.
    """
    async with system.db.reading() as connection:
        return await status_of(connection, await find(connection, principal, vmta_id), system.now())


async def all_warming(system: System) -> list[tuple[str, WarmupStatus]]:
    """Every vMTA that is warming up, of whatever organization, as ``<organization>.<vmta>``; for operators."""
    return [(name, one) for name, one in await all_known(system) if one.state != "completed"]


async def all_known(system: System) -> list[tuple[str, WarmupStatus]]:
    """The same with those whose warm-up is over."""
    now = system.now()
    async with system.db.reading() as connection:
        found = [
            (f"{one.organization}.{one.row.name}", await status_of(connection, one.row, now))
            for one in await queries.governed(connection)
        ]
    return sorted(found, key=lambda pair: pair[0])


async def decisions(system: System, principal: Principal, vmta_id: str, paging: PageRequest) -> Page[WarmupDecision]:
    """What was decided about one vMTA, newest first.

    Raises:
        NotFound: The organization has no such vMTA.
    """
    async with system.db.reading() as connection:
        row = await find(connection, principal, vmta_id)
        found = await queries.decisions(connection, row.id, paging)
    return paging.page([_shown(one) for one in found])


async def status_of(connection: AsyncConnection, row: VmtaRow, now: datetime) -> WarmupStatus:
    """The status of a vMTA, on a connection of the caller's."""
    today, first = now.date(), now.date() - timedelta(days=DAYS - 1)
    counts = await count_queries.by_day(connection, row.id, first)
    granted = await queries.granted(connection, row.id, first)
    made = await queries.decisions(connection, row.id, LAST)
    progress = row.warmup or Progress(allowances=())
    days = sorted({day for day, _ in counts} | {day for day, _ in granted}, reverse=True)
    is_warming = row.state == "warming"
    plan = _plan(progress, today) if is_warming else []
    return WarmupStatus(
        vmta_id=row.id,
        vmta=row.name,
        state=_state(row),
        schedule=progress.schedule,
        daily_allowances=list(progress.allowances),
        provider_shares=progress.shares,
        stage=progress.day if row.warmup else 0,
        today=_today(progress, counts, today) if is_warming else None,
        providers=_providers(progress, counts, today) if is_warming else [],
        nodes=await _nodes(connection, row, now) if is_warming else [],
        held=_why(made) if is_warming else None,
        full_on=plan[-1].day + timedelta(days=1) if plan and not progress.paused else None,
        plan=plan,
        days=[_day(day, counts, granted) for day in days],
        decisions=[_shown(one) for one in made[: LAST.limit]],
    )


def _state(row: VmtaRow) -> State:
    if row.warmup is None:
        return "none"
    if row.state != "warming":
        return "completed"
    if row.is_paused or row.warmup.paused:
        return "paused"
    return "stopped" if row.warmup.stopped else "warming"


def _plan(progress: Progress, today: date) -> list[PlannedDay]:
    """A stage a day, from the present one on."""
    left = range(progress.day, len(progress.allowances) + 1)
    return [
        PlannedDay(day=today + timedelta(days=number), stage=stage, allowance=progress.allowances[stage - 1])
        for number, stage in enumerate(left)
    ]


Counts = Mapping[tuple[date, str], Figures]


def _sum(counts: Counts, day: date) -> Figures:
    return sum((figures for (when, _), figures in counts.items() if when == day), Figures())


def _today(progress: Progress, counts: Counts, today: date) -> WarmupDay:
    return WarmupDay(
        day=today,
        provider=None,
        stage=progress.day,
        allowance=progress.allowance,
        **msgspec.structs.asdict(_sum(counts, today)),
    )


def _providers(progress: Progress, counts: Counts, today: date) -> list[WarmupDay]:
    names = {name for day, name in counts if day == today} | progress.limited
    found = [
        WarmupDay(
            day=today,
            provider=name,
            stage=progress.day if name in progress.limited else None,
            allowance=progress.limit_at(name) if name in progress.limited else None,
            **msgspec.structs.asdict(counts.get((today, name), Figures())),
        )
        for name in names
    ]
    return sorted(found, key=lambda one: (-one.delivered, one.provider or ""))


def _day(day: date, counts: Counts, granted: Mapping[tuple[date, str], tuple[int, int]]) -> WarmupDay:
    stage, allowance = granted.get((day, ALL), (None, None))
    figures = msgspec.structs.asdict(_sum(counts, day))
    return WarmupDay(day=day, provider=None, stage=stage, allowance=allowance, **figures)


async def _nodes(connection: AsyncConnection, row: VmtaRow, now: datetime) -> list[NodeTicket]:
    told = await ticket_queries.nodes(connection)
    tickets = await ticket_queries.tickets(connection)
    attempts = await count_queries.attempts(connection, now.date())
    found = []
    for node in await all_nodes(connection):
        ticket = tickets.get((node.id, row.id))
        if ticket is None:
            continue
        made = attempts.get((row.id, node.name), {})
        left = outstanding(Holder(node_id=node.id, attempts=made, ticket=ticket), now.date())
        error = told[node.id].error if node.id in told else None
        found.append(NodeTicket(node=node.name, size=ticket.size, left=left, issued_at=ticket.issued_at, error=error))
    return found


def _why(made: Sequence[DecisionRow]) -> WarmupDecision | None:
    """The last decision that slowed it down, unless a better day came after it."""
    for one in made:
        if one.kind in _SLOWED:
            return _shown(one)
        if one.kind in _BETTER:
            return None
    return None


def _shown(row: DecisionRow) -> WarmupDecision:
    return WarmupDecision(
        id=row.id,
        kind=row.kind,
        provider=row.provider,
        author=row.author,
        figures=Answers(**msgspec.structs.asdict(row.decision.figures)),
        created_at=row.created_at,
        **{name: getattr(row.decision, name) for name in _KEPT},
    )
