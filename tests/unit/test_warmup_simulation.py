"""45 days in virtual time: what deciding by the answers is worth against following the calendar."""

from __future__ import annotations

import pytest

from postmta_ctl.core.warmup import begin
from postmta_ctl.core.warmup_decisions import Kind
from postmta_ctl.core.warmup_simulation import NEVER, Course, Receiver, simulate

VOLUME = 50_000


@pytest.fixture(scope="module", params=["standard", "aggressive"])
def courses(request: pytest.FixtureRequest) -> tuple[Course, Course]:
    """The same mail by the same schedule: as decided, and by the calendar."""
    progress = begin(schedule=request.param)
    return simulate(progress, volume=VOLUME), simulate(progress, volume=VOLUME, thresholds=NEVER)


def test_it_reaches_full_volume_and_the_calendar_does_not(courses: tuple[Course, Course]) -> None:
    adaptive, fixed = courses
    print(f"deferred: adaptive {adaptive.deferred:,}, fixed {fixed.deferred:,}")
    print(f"full volume: adaptive on day {adaptive.full_on}, fixed on day {fixed.full_on}")
    assert adaptive.full_on is not None
    assert adaptive.full_on <= 40
    assert fixed.full_on is None, "by then the receivers trust it less than at the beginning"


def test_it_is_deferred_less_and_delivers_more(courses: tuple[Course, Course]) -> None:
    adaptive, fixed = courses
    assert adaptive.deferred * 20 < fixed.deferred
    assert adaptive.delivered > fixed.delivered


@pytest.mark.parametrize("schedule", ["standard", "aggressive"])
def test_the_end_is_an_established_address_without_limits(schedule: str) -> None:
    course = simulate(begin(schedule=schedule), volume=VOLUME, days=60)
    assert [kind for day in course.days for kind in day.decisions].count(Kind.COMPLETED) == 1
    assert [day.delivered for day in course.days[-3:]] == [VOLUME] * 3


def test_receivers_that_take_all_slow_nobody_down() -> None:
    trusting = [Receiver(provider="gmail", share=1.0, tolerance=10**9, growth=1.0)]
    progress = begin(allowances=[10, 20, 40])
    adaptive = simulate(progress, volume=100, days=6, receivers=trusting)
    assert [day.delivered for day in adaptive.days] == [10, 20, 40, 100, 100, 100]
    assert adaptive == simulate(progress, volume=100, days=6, receivers=trusting, thresholds=NEVER)


def test_the_conservative_schedule_is_slow_enough_for_these_receivers_by_itself() -> None:
    course = simulate(begin(schedule="conservative"), volume=VOLUME)
    assert (course.deferred, course.full_on) == (0, 39)
