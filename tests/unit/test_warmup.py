from __future__ import annotations

from itertools import pairwise

import pytest
from msgspec.structs import replace

from postmta_ctl.core.errors import InputError
from postmta_ctl.core.warmup import SCHEDULES, Progress, begin


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_begins_low_and_rises_every_day(name: str) -> None:
    allowances = begin(schedule=name).allowances

    assert allowances[0] <= 200
    assert allowances[-1] >= 100_000
    assert all(1 < later / earlier < 1.6 for earlier, later in pairwise(allowances))


def test_the_schedules_differ_in_haste() -> None:
    days = {name: len(allowances) for name, allowances in SCHEDULES.items()}

    assert days["conservative"] > days["standard"] > days["aggressive"] > 14


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({}, "warmup_schedule"),
        ({"schedule": "standard", "allowances": [1]}, "warmup_schedule"),
        ({"schedule": "hasty"}, "warmup_schedule"),
        ({"allowances": []}, "warmup_allowances"),
        ({"allowances": [1, 0]}, "warmup_allowances"),
        ({"allowances": [1] * 367}, "warmup_allowances"),
        ({"allowances": [1], "shares": {"gmail": 0.0}}, "warmup_shares"),
        ({"allowances": [1], "shares": {"gmail": 1.01}}, "warmup_shares"),
        ({"allowances": [1], "shares": {"gmail": float("nan")}}, "warmup_shares"),
        ({"allowances": [1], "shares": {"gmial": 0.5}}, "warmup_shares"),
    ],
)
def test_what_is_no_schedule_is_refused(arguments: dict[str, object], code: str) -> None:
    with pytest.raises(InputError) as refusal:
        begin(**arguments)  # type: ignore[arg-type]

    assert refusal.value.code == code


def test_a_list_of_ones_own_is_taken_as_it_is() -> None:
    assert begin(allowances=[5, 5, 4]) == Progress(allowances=(5, 5, 4))


def test_a_provider_has_its_share_or_its_cap_whichever_is_less() -> None:
    progress = begin(allowances=[10, 100], shares={"gmail": 0.25})

    assert (progress.limit_at("gmail"), progress.limit_at("other")) == (3, 10)
    capped = replace(progress, day=2, caps={"gmail": 40, "yahoo": 7})
    assert [capped.limit_at(name) for name in ("gmail", "yahoo", "other")] == [25, 7, 100]
    assert capped.limited == {"gmail", "yahoo"}


def test_nothing_is_allowed_while_it_stands() -> None:
    progress = begin(allowances=[10])

    assert [one.allowance for one in (progress, replace(progress, paused=True), replace(progress, stopped=True))] == [
        10,
        0,
        0,
    ]
