from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.core.errors import InputError
from postmta_ctl.core.warmup import SCHEDULES, Progress, allowance_on, begin, day_on, sent

MONDAY = date(2026, 11, 23)
TUESDAY, WEDNESDAY = MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_begins_low_and_rises_every_day(name: str) -> None:
    allowances = begin(schedule=name).allowances

    assert allowances[0] <= 200
    assert allowances[-1] >= 100_000
    assert all(1 < later / earlier < 1.6 for earlier, later in pairwise(allowances))


def test_the_schedules_differ_in_haste() -> None:
    days = {name: len(allowances) for name, allowances in SCHEDULES.items()}

    assert days["conservative"] > days["standard"] > days["aggressive"] > 14


def test_the_first_day_lasts_until_something_was_sent_on_it() -> None:
    progress = begin(allowances=[10, 20, 30])

    assert [allowance_on(progress, day) for day in (MONDAY, WEDNESDAY)] == [10, 10]
    assert day_on(progress, WEDNESDAY) == 1


def test_each_day_on_which_something_is_sent_is_a_step() -> None:
    progress = sent(begin(allowances=[10, 20, 30]), MONDAY)

    assert [allowance_on(progress, day) for day in (MONDAY, TUESDAY, WEDNESDAY)] == [10, 20, 20]
    progress = sent(progress, WEDNESDAY)
    assert (progress.day, progress.sent_on, allowance_on(progress, WEDNESDAY)) == (2, WEDNESDAY, 20)


def test_more_of_the_same_day_and_late_news_of_earlier_days_change_nothing() -> None:
    progress = sent(sent(begin(allowances=[10, 20, 30]), MONDAY), TUESDAY)

    assert sent(progress, TUESDAY) == sent(progress, MONDAY) == progress
    assert allowance_on(progress, MONDAY) == 20


def test_after_the_last_day_there_is_no_limit() -> None:
    progress = sent(begin(allowances=[10]), MONDAY)

    assert allowance_on(progress, MONDAY) == 10
    assert allowance_on(progress, TUESDAY) is None


@given(st.lists(st.integers(0, 60), max_size=60).map(lambda days: [MONDAY + timedelta(days=d) for d in sorted(days)]))
def test_the_sending_day_is_the_number_of_different_days(days: list[date]) -> None:
    progress = begin(schedule="conservative")
    for day in days:
        progress = sent(progress, day)

    assert progress.day == max(1, len(set(days)))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({}, "warmup_schedule"),
        ({"schedule": "standard", "allowances": [1]}, "warmup_schedule"),
        ({"schedule": "hasty"}, "warmup_schedule"),
        ({"allowances": []}, "warmup_allowances"),
        ({"allowances": [1, 0]}, "warmup_allowances"),
        ({"allowances": [1] * 367}, "warmup_allowances"),
    ],
)
def test_what_is_no_schedule_is_refused(arguments: dict[str, object], code: str) -> None:
    with pytest.raises(InputError) as refusal:
        begin(**arguments)  # type: ignore[arg-type]

    assert refusal.value.code == code


def test_a_list_of_ones_own_is_taken_as_it_is() -> None:
    assert begin(allowances=[5, 5, 4]) == Progress(allowances=(5, 5, 4))
