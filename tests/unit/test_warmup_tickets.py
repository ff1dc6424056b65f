"""Tickets against nodes that use them, report late, and are restarted: never more than is allowed and in flight."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from postmta_ctl.core.warmup_tickets import PACE, STALE, Day, Holder, Ticket, issue, outstanding

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TODAY = NOW.date()
YESTERDAY = TODAY - timedelta(days=1)


def day(allowance: int, delivered: int = 0, **more: object) -> Day:
    return Day(today=TODAY, allowance=allowance, delivered=delivered, **more)  # type: ignore[arg-type]


def ticket(size: int, **more: object) -> Ticket:
    return Ticket(**({"day": TODAY, "size": size, "issued_at": NOW} | more))  # type: ignore[arg-type]


def sizes(day: Day, *holders: Holder, after: timedelta = timedelta()) -> dict[str, int]:
    return {one.node_id: one.size for one in issue(day, holders, NOW + after)}


def test_a_small_allowance_is_handed_out_whole() -> None:
    assert sizes(day(15), Holder(node_id="a", attempts={})) == {"a": 15}


def test_a_large_one_is_handed_out_in_parts() -> None:
    assert sizes(day(6000), Holder(node_id="a", attempts={})) == {"a": 1000}


def test_the_next_part_waits_until_the_first_is_used_and_some_time_has_passed() -> None:
    used = Holder(node_id="a", attempts={"gmail": 1000}, ticket=ticket(1000))
    assert sizes(day(6000, 1000), used) == {}
    assert sizes(day(6000, 1000), used, after=PACE) == {"a": 1000}
    unused = replace(used, attempts={"gmail": 999})
    assert sizes(day(6000, 999), unused, after=PACE) == {}


def test_when_the_allowance_is_used_nothing_follows() -> None:
    used = Holder(node_id="a", attempts={"gmail": 20}, ticket=ticket(20))
    assert sizes(day(20, 20), used, after=PACE) == {}


def test_what_was_put_off_is_no_delivery_and_may_be_tried_again() -> None:
    used = Holder(node_id="a", attempts={"gmail": 20}, ticket=ticket(20))
    assert sizes(day(20, 15), used, after=PACE) == {"a": 5}


def test_a_new_day_replaces_what_is_left_of_the_old_one() -> None:
    left = Holder(node_id="a", attempts={}, ticket=ticket(500, day=YESTERDAY))
    assert sizes(day(60), left) == {"a": 20}
    assert sizes(day(0), left) == {"a": 0}, "also when nothing is allowed"
    assert sizes(day(0), replace(left, ticket=None)) == {}


def test_nodes_share_and_one_that_is_away_gets_nothing() -> None:
    here = [Holder(node_id=name, attempts={}) for name in "ab"]
    away = Holder(node_id="c", attempts={}, is_online=False)
    assert sizes(day(60), *here, away) == {"a": 10, "b": 10}


def test_what_an_unreachable_node_has_counts_as_used() -> None:
    away = Holder(node_id="c", attempts={}, is_online=False, ticket=ticket(15))
    assert sizes(day(20), Holder(node_id="a", attempts={}), away) == {"a": 5}


def test_what_one_node_does_not_use_is_given_to_another() -> None:
    busy = Holder(node_id="a", attempts={"gmail": 10}, ticket=ticket(10))
    idle = Holder(node_id="b", attempts={}, ticket=ticket(10))
    assert sizes(day(20, 10), busy, idle, after=PACE) == {"b": 5}, "taken back first"
    shrunk = replace(idle, ticket=ticket(5, issued_at=NOW + PACE))
    assert sizes(day(20, 10), busy, shrunk, after=PACE) == {"a": 5}, "and then given"


def test_a_stage_that_was_stepped_back_takes_the_tickets_back() -> None:
    assert sizes(day(0, 30), Holder(node_id="a", attempts={"gmail": 30}, ticket=ticket(100))) == {"a": 0}
    holder = Holder(node_id="a", attempts={}, ticket=ticket(100))
    assert sizes(day(40), holder) == {"a": 40}


def test_attempts_that_were_never_made_are_given_again() -> None:
    lost = Holder(node_id="a", attempts={"gmail": 3}, ticket=ticket(20))
    assert sizes(day(20, 3), lost, after=PACE) == {}
    assert sizes(day(20, 3), lost, after=STALE) == {"a": 17}
    idle = Holder(node_id="a", attempts={}, ticket=ticket(20))
    assert sizes(day(20), idle, after=STALE) == {}, "one that nothing was drawn from stays"


def test_a_provider_has_its_own_part() -> None:
    limited = day(60, limits={"gmail": 12, "yahoo": 40})
    (found,) = issue(limited, [Holder(node_id="a", attempts={})], NOW)
    assert (found.size, found.limits) == (20, {"gmail": 12}), "yahoo may have all of it"


def test_a_provider_that_takes_no_more_is_closed_at_once() -> None:
    held = day(60, 15, limits={"gmail": 10}, delivered_at={"gmail": 10, "other": 5})
    holder = Holder(node_id="a", attempts={"gmail": 10, "other": 5}, ticket=ticket(20))
    (found,) = issue(held, [holder], NOW)
    assert found.limits == {"gmail": 0}
    told = replace(holder, ticket=ticket(found.size, limits=found.limits, counted={"gmail": 10, "other": 5}))
    assert issue(held, [told], NOW) == []


@pytest.mark.parametrize("seed", range(40))
def test_no_day_sees_more_than_its_allowance_and_what_was_in_flight(seed: int) -> None:
    """Three nodes that send what they may, report when they like, lose their process or the way to us."""
    chance = random.Random(seed)
    allowance = chance.choice([1, 7, 20, 130, 1000])
    names, now = "abc"[: chance.randint(1, 3)], NOW
    left = dict.fromkeys(names, 0)
    sent, reported, tickets = dict.fromkeys(names, 0), dict.fromkeys(names, 0), dict[str, Ticket]()
    in_flight = 0
    for _ in range(300):
        now += timedelta(minutes=chance.choice([0, 1, 11]))
        for name in names:
            used = chance.randint(0, left[name])
            left[name], sent[name] = left[name] - used, sent[name] + used
            reported[name] = chance.randint(reported[name], sent[name])
            if chance.random() < 0.03:
                left[name] = 0
                tickets.pop(name, None)
                in_flight += sent[name] - reported[name]
        online = {name: chance.random() > 0.1 for name in names}
        holders = [
            Holder(node_id=n, attempts={"x": reported[n]}, ticket=tickets.get(n), is_online=online[n]) for n in names
        ]
        for one in issue(day(allowance, sum(reported.values())), holders, now):
            name = one.node_id
            in_flight += sent[name] - reported[name]
            left[name] = one.size
            tickets[name] = ticket(one.size, issued_at=now, counted={"x": reported[name]})
        assert sum(sent.values()) <= allowance + in_flight
    assert sum(sent.values()) >= min(allowance, 7)
    assert all(outstanding(one, TODAY) >= 0 for one in holders)
