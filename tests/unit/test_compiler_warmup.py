"""The warm-up throttle against a model of KumoMTA's bucket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.compiler.formats import is_rate
from postmta_ctl.compiler.warmup import allowance, together

DAY = 86400


def leaving_times(throttle: str, days: int) -> list[float]:
    """When messages leave if there are always more: the generic cell rate algorithm, in its usual form."""
    rate, burst = throttle.split(",max_burst=")
    limit = int(rate.removesuffix("/d"))
    interval, tolerance = DAY / limit, min(int(burst), limit - 1)
    times: list[float] = []
    arrival = 0.0
    while (now := max(0.0, arrival - tolerance * interval)) < days * DAY:
        times.append(now)
        arrival = max(arrival, now) + interval
    return times


@given(st.integers(1, 3000))
def test_no_day_sees_more_than_the_allowance(limit: int) -> None:
    times = leaving_times(str(allowance(limit)), days=2)
    windows = [
        sum(start <= time < start + DAY - 1e-3 for time in times) for start in {times[0], times[-1] - DAY, DAY / 3}
    ]
    assert max(windows) <= limit


@given(st.integers(1, 3000))
def test_the_first_day_sees_the_whole_allowance(limit: int) -> None:
    assert sum(time < DAY - 1e-3 for time in leaving_times(str(allowance(limit)), days=1)) == limit


@given(st.integers(2, 3000))
def test_half_of_it_may_leave_at_once(limit: int) -> None:
    times = leaving_times(str(allowance(limit)), days=1)
    assert sum(time < 1.0 for time in times) == limit // 2


@given(st.integers(1, 10**9))
def test_it_is_a_throttle_to_kumomta(limit: int) -> None:
    assert is_rate(str(allowance(limit)))


@pytest.mark.parametrize(("limit", "text"), [(1, "1/d,max_burst=0"), (50, "26/d,max_burst=24")])
def test_examples(limit: int, text: str) -> None:
    assert str(allowance(limit)) == text


def test_buckets_side_by_side_give_as_much_as_one() -> None:
    assert together([allowance(50), allowance(20)]) == (35, 37)
