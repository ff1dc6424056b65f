"""When new keys may sign, how long old ones stay, and when domains are looked at again."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.core import rechecks
from postmta_ctl.core.dkim_rotation import (
    FIRST_LOOK,
    LONGEST_MEMORY,
    LONGEST_WAIT,
    Look,
    after_look,
    grace,
    new_selector,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def look(verdict: str, ttl: int | None = None) -> Look:
    return Look(verdict=verdict, ttl=ttl)


def test_both_records_must_be_there() -> None:
    assert after_look([look("ok"), look("ok")], since=NOW, not_before=None, now=NOW).may_switch(NOW)
    for other in ("missing", "wrong", "unknown"):
        assert not after_look([look("ok"), look(other)], since=NOW, not_before=None, now=NOW).may_switch(NOW)
    assert not after_look([], since=NOW, not_before=None, now=NOW).may_switch(NOW)


def test_a_negative_answer_is_waited_for_to_be_forgotten() -> None:
    first = after_look([look("missing", 900), look("ok", 3600)], since=NOW, not_before=None, now=NOW)
    assert first.not_before == NOW + timedelta(seconds=900)
    later = NOW + timedelta(minutes=5)
    second = after_look([look("ok"), look("ok")], since=NOW, not_before=first.not_before, now=later)
    assert (second.is_found, second.may_switch(later), second.due_at) == (True, False, first.not_before)
    assert second.may_switch(first.not_before)


def test_no_zone_can_hold_a_rotation_up_for_ever() -> None:
    assert after_look([look("missing", 10**9)], since=NOW, not_before=None, now=NOW).not_before == NOW + LONGEST_MEMORY


@given(st.integers(0, 10**7), st.sampled_from(["ok", "missing", "unknown"]), st.none() | st.integers(0, 10**6))
def test_the_next_look_is_neither_at_once_nor_never(age: int, verdict: str, ttl: int | None) -> None:
    now = NOW + timedelta(seconds=age)
    following = after_look([look(verdict, ttl)], since=NOW, not_before=None, now=now)
    assert now + FIRST_LOOK <= following.due_at <= now + LONGEST_WAIT


@pytest.mark.parametrize(("wanted", "queue", "expected"), [(7, 3, 7), (0, 3, 4), (7, 7, 8), (30, 1, 30)])
def test_old_records_outlive_every_queue(wanted: int, queue: int, expected: int) -> None:
    assert grace(wanted * DAY, queue * DAY) == expected * DAY


@pytest.mark.parametrize(
    ("current", "taken", "expected"),
    [
        ("pmta", set(), "pmta-20261122"),
        ("pmta-20250101", set(), "pmta-20261122"),
        ("pmta-20250101-3", {"pmta-20261122"}, "pmta-20261122-2"),
        ("pmta", {"pmta-20261122", "pmta-20261122-2"}, "pmta-20261122-3"),
        ("20250101", set(), "k-20261122"),
        ("a" * 55, set(), "a" * 43 + "-20261122"),
        ("a" * 42 + "-bcdefgh", set(), "a" * 42 + "-20261122"),
    ],
)
def test_a_selector_is_named_after_the_day_and_never_used_twice(current: str, taken: set[str], expected: str) -> None:
    found = new_selector(current, taken, date(2026, 11, 22), 55)
    assert (found, len(found) <= 55) == (expected, True)


@given(st.sampled_from(["pending", "verified", "failing"]), st.booleans(), st.integers(0, 29), st.floats(0, 1))
def test_checks_are_spread(status: str, is_doubted: bool, age: int, chance: float) -> None:
    due = rechecks.next_check(status, is_doubted=is_doubted, age=age * DAY, now=NOW, chance=chance)
    assert due is not None
    assert NOW + timedelta(minutes=7) < due < NOW + 15 * HOUR


def test_a_doubt_is_settled_soon_and_an_old_claim_never() -> None:
    doubted = rechecks.next_check("verified", is_doubted=True, age=DAY, now=NOW, chance=0.5)
    assert doubted == NOW + rechecks.CONFIRM_AFTER
    assert rechecks.next_check("pending", is_doubted=False, age=31 * DAY, now=NOW, chance=0.5) is None
    assert rechecks.next_check("failing", is_doubted=False, age=400 * DAY, now=NOW, chance=0.5) is not None
