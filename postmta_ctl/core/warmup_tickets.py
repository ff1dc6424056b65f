"""How a day's allowance is handed out to nodes: as tickets, each good for so many attempts. Pure.

A node cannot count across restarts, and knows nothing of its neighbours. So it never holds the day's allowance, but a
ticket for a part of it, which its policy turns into a bucket that is not refilled. A ticket replaces the one before
it; after a restart the node takes none that it was given before. What was handed out and may still be used counts as
used, wherever it is. Thus deliveries exceed the allowance by no more than what a node had sent and not yet reported
at the moment when its ticket was replaced.

The parts also spread the day: receivers mind a new address that sends all at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

import msgspec

PARTS = 6
"""A day's allowance is handed out in so many tickets at least, unless that makes them smaller than ``MIN_TICKET``."""
MIN_TICKET = 20
PACE = timedelta(minutes=10)
"""A node that has used its ticket waits for the next one until it is so old."""
STALE = timedelta(minutes=30)
"""Attempts that a ticket was drawn upon for and that nobody has heard of by then were never made: the message was
put back, or taken out of its queue.
"""


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """What one node may send from one vMTA."""

    day: date
    size: int
    """Attempts; 0: none."""
    limits: dict[str, int] = {}
    """Attempts at single providers, each below the size; others may use all of it."""
    counted: dict[str, int] = {}
    """Attempts of the day that the node had reported by provider when the ticket was issued."""
    issued_at: datetime
    serial: int = 0


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """A node, as far as one vMTA is concerned."""

    node_id: str
    attempts: dict[str, int]
    """Reported of today, by provider."""
    ticket: Ticket | None = None
    is_online: bool = True
    """It can be told."""


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """What may leave today, and what has left."""

    today: date
    allowance: int
    delivered: int
    limits: dict[str, int] = {}
    """Deliveries allowed at single providers."""
    delivered_at: dict[str, int] = {}


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket to hand out in the place of the present one."""

    node_id: str
    size: int
    limits: dict[str, int]


def outstanding(holder: Holder, today: date) -> int:
    """Attempts that the node may still make, as far as we know."""
    ticket = holder.ticket
    if ticket is None or ticket.day != today:
        return 0
    return max(0, ticket.size - (sum(holder.attempts.values()) - sum(ticket.counted.values())))


def outstanding_at(holder: Holder, today: date, provider: str) -> int:
    """The same at one provider."""
    left, ticket = outstanding(holder, today), holder.ticket
    if ticket is None or provider not in ticket.limits:
        return left
    made = holder.attempts.get(provider, 0) - ticket.counted.get(provider, 0)
    return min(left, max(0, ticket.limits[provider] - made))


def issue(day: Day, holders: Sequence[Holder], now: datetime) -> list[Issue]:
    """The tickets to hand out now. What is taken back in one call can be handed out in the next.

    Args:
        day: Allowance and use of the vMTA.
        holders: Every node.
        now: When.
    """
    ordered = sorted(holders, key=lambda one: (-sum(one.attempts.values()), one.node_id))
    due = [one for one in ordered if one.is_online and _is_due(day, one, now)]
    kept = [one for one in holders if one not in due]
    if back := _taken_back(day, kept, now, wants_more=bool(due) and day.allowance > day.delivered):
        return back
    rest = _Rest(day, kept)
    share = math.ceil(max(MIN_TICKET, math.ceil(day.allowance / PARTS)) / max(1, sum(one.is_online for one in holders)))
    found = [rest.ticket(one.node_id, share) for one in due]
    return [one for one, holder in zip(found, due, strict=True) if one.size or _may_send(day, holder)]


class _Rest:
    """What has not been handed out."""

    def __init__(self, day: Day, kept: Sequence[Holder]) -> None:
        self._total = day.allowance - day.delivered - sum(outstanding(one, day.today) for one in kept)
        self._at = {
            provider: limit
            - day.delivered_at.get(provider, 0)
            - sum(outstanding_at(one, day.today, provider) for one in kept)
            for provider, limit in day.limits.items()
        }

    def ticket(self, node_id: str, share: int) -> Issue:
        size = max(0, min(share, self._total))
        limits = {provider: max(0, left) for provider, left in self._at.items() if left < size}
        self._total -= size
        for provider in self._at:
            self._at[provider] -= limits.get(provider, size)
        return Issue(node_id=node_id, size=size, limits=limits)


def _is_due(day: Day, holder: Holder, now: datetime) -> bool:
    ticket = holder.ticket
    if ticket is None or ticket.day != day.today:
        return True
    if _overdrawn(day, holder):
        return True
    left, age = outstanding(holder, day.today), now - ticket.issued_at
    if left == 0:
        return age >= PACE and day.allowance > day.delivered
    return left < ticket.size and age >= STALE


def _overdrawn(day: Day, holder: Holder) -> bool:
    """Whether the node may do what is not allowed any more: at all, or at a provider that takes no more."""
    if day.allowance <= day.delivered:
        return outstanding(holder, day.today) > 0
    return any(
        limit <= day.delivered_at.get(provider, 0) and outstanding_at(holder, day.today, provider) > 0
        for provider, limit in day.limits.items()
    )


def _may_send(day: Day, holder: Holder) -> bool:
    """Whether a node that gets nothing has to be told so: it has a ticket, maybe of the day before."""
    if holder.ticket is None or not holder.ticket.size:
        return False
    return holder.ticket.day != day.today or outstanding(holder, day.today) > 0


def _taken_back(day: Day, kept: Sequence[Holder], now: datetime, *, wants_more: bool) -> list[Issue]:
    """What has to be taken from nodes that do not use it, so that others can have it."""
    held = {one.node_id: outstanding(one, day.today) for one in kept if outstanding(one, day.today)}
    left = day.allowance - day.delivered - sum(held.values())
    idle = [
        one
        for one in kept
        if one.is_online and one.ticket and held.get(one.node_id) and now - one.ticket.issued_at >= PACE
    ]
    if left > 0 or (left == 0 and not wants_more):
        return []
    if left < 0:
        idle = [one for one in kept if one.is_online and held.get(one.node_id)]
    rest = _Rest(day, [one for one in kept if one not in idle])
    return [
        rest.ticket(one.node_id, min(held[one.node_id] // 2, max(0, day.allowance - day.delivered) // len(idle)))
        for one in idle
    ]


def as_counted(attempts: Mapping[str, int]) -> dict[str, int]:
    """What to note with a ticket that is issued now."""
    return {provider: count for provider, count in sorted(attempts.items()) if count}
