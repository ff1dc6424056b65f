"""Forecasts: nothing is lost, nobody sends more than allowed, and the end comes when it must."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.core.warmup import begin
from postmta_ctl.core.warmup_course import Sender, by_provider, even_parts, spread
from postmta_ctl.core.warmup_forecast import forecast

MONDAY = date(2026, 11, 23)
NEW = Sender(name="new", progress=begin(allowances=[10, 20, 40]))
OLD = Sender(name="old")


def test_what_is_too_much_for_the_new_one_leaves_by_the_old_one() -> None:
    found = forecast([100] * 5, {}, [NEW, OLD], MONDAY)
    assert [day.through_new for day in found.days] == [10, 20, 40, 0, 0]
    assert [day.through_established for day in found.days] == [90, 80, 60, 100, 100]
    assert found.warm_on == {"new": MONDAY + timedelta(days=3)}
    assert found.days[3].by_sender == {"new": 50, "old": 50}
    assert (found.no_delay_from, found.delayed_most) == (MONDAY, 0)


def test_without_an_old_one_mail_waits() -> None:
    found = forecast([30] * 5, {}, [NEW], MONDAY)
    assert [(day.waiting, day.through_new, day.delayed) for day in found.days[:3]] == [
        (0, 10, 20),
        (20, 20, 30),
        (30, 40, 20),
    ]
    assert [day.through_established for day in found.days[3:]] == [50, 30]
    assert (found.no_delay_from, found.delayed_most) == (MONDAY + timedelta(days=3), 30)


def test_an_end_with_mail_waiting_is_no_end() -> None:
    found = forecast([30], {}, [NEW], MONDAY)
    assert (found.no_delay_from, found.warm_on) == (None, {"new": None})


def test_days_without_mail_are_no_sending_days() -> None:
    found = forecast([100, 0, 100], {}, [NEW, OLD], MONDAY)
    assert [day.allowances["new"] for day in found.days] == [10, 20, 20]


def test_a_provider_with_a_share_gets_no_more_of_it() -> None:
    limited = Sender(name="new", progress=begin(allowances=[100], shares={"gmail": 0.1}))
    found = forecast([1000], {"gmail": 0.9}, [limited], MONDAY)
    assert found.days[0].through_new == 100
    (day,) = forecast([1000], {"gmail": 1.0}, [limited], MONDAY).days
    assert (day.through_new, day.delayed) == (10, 990)


def test_an_established_one_sends_no_more_than_it_can() -> None:
    found = forecast([100], {}, [NEW, Sender(name="old", capacity=50)], MONDAY)
    assert (found.days[0].through_new, found.days[0].through_established, found.days[0].delayed) == (10, 50, 40)


def test_without_days_there_is_nothing_to_say() -> None:
    found = forecast([], {}, [NEW], MONDAY)
    assert (found.days, found.no_delay_from, found.delayed_most) == ([], None, 0)


rooms = st.dictionaries(st.sampled_from("abcde"), st.one_of(st.none(), st.integers(0, 500)), max_size=5)


@given(st.integers(0, 2000), rooms)
def test_parts_are_as_equal_as_the_room_allows(count: int, room: dict[str, int | None]) -> None:
    parts, rest = even_parts(count, room)
    assert sum(parts.values()) + rest == count
    assert all((limit := room[name]) is None or part <= limit for name, part in parts.items())
    full = [parts[name] for name in room if parts[name] == room[name]]
    free = [parts[name] for name in room if parts[name] != room[name]]
    assert not free or not rest
    assert not free or max(free) - min(free) <= len(room), "but for what rounding leaves"
    assert not free or all(part <= max(free) + len(room) for part in full), "the same"


@given(
    st.lists(st.integers(0, 3000), max_size=30),
    st.fixed_dictionaries({"gmail": st.floats(0, 0.5), "yahoo": st.floats(0, 0.5)}),
    st.booleans(),
)
def test_every_message_is_sent_or_waits(volumes: list[int], mix: dict[str, float], has_old: bool) -> None:
    new = Sender(name="new", progress=begin(allowances=[50, 100, 200, 400], shares={"gmail": 0.3}))
    found = forecast(volumes, mix, [new, Sender(name="old", capacity=700)] if has_old else [new], MONDAY)
    waiting = 0
    for day in found.days:
        assert day.waiting == waiting
        assert day.through_new + day.through_established + day.delayed == day.planned + day.waiting
        assert day.through_new <= sum(day.allowances.values())
        waiting = day.delayed


@given(st.integers(0, 10**6), st.dictionaries(st.sampled_from(["gmail", "yahoo"]), st.floats(0, 0.5)))
def test_a_mix_loses_nothing(count: int, mix: dict[str, float]) -> None:
    assert sum(by_provider(count, mix, "other").values()) == count


def test_nobody_is_nobody() -> None:
    assert spread({"gmail": 5}, []) == ({}, {"gmail": 5})
