"""Where things stand in a plot."""

from __future__ import annotations

import pytest

from postmta_ctl.features.analytics.charts import (
    HEIGHT,
    LEFT,
    MAX_COLUMN,
    RIGHT,
    TOP,
    WIDTH,
    Column,
    line,
    percent_ticks,
    stacked,
    whole_ticks,
)


@pytest.mark.parametrize("highest", [0, 1, 2, 3, 5, 7, 10, 11, 49, 50, 51, 99, 1147, 123_456, 10**9 + 1])
def test_ticks_are_few_and_round_and_reach_the_highest_value(highest: int) -> None:
    ticks = whole_ticks(highest)
    assert 2 <= len(ticks) <= 6
    assert ticks[0] == 0
    assert ticks[-1] >= highest
    assert str(ticks[1]).rstrip("0") in ("1", "2", "5")


def test_a_small_rate_has_small_ticks() -> None:
    assert percent_ticks(0.0) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert percent_ticks(0.0123)[-1] == 1.5
    assert percent_ticks(0.07)[-1] == 8
    assert percent_ticks(1.0)[-1] == 100


def test_the_parts_of_a_column_stand_on_each_other() -> None:
    plot = stacked([Column("a", {"delivered": 3, "bounced": 0, "deferred": 1})])
    lower, upper = plot.segments
    assert (lower.series, upper.series) == ("delivered", "deferred")
    assert upper.y + upper.height == pytest.approx(lower.y)
    assert lower.height == pytest.approx(3 * upper.height, abs=0.02)
    assert lower.width == MAX_COLUMN


@pytest.mark.parametrize("count", [1, 2, 7, 24, 91, 366, 744])
def test_everything_stays_inside(count: int) -> None:
    plot = stacked([Column(f"label {n}", {"delivered": n + 1}) for n in range(count)])
    assert all(one.x >= LEFT and one.x + one.width <= WIDTH - RIGHT for one in plot.segments)
    assert all(one.y >= TOP and one.y + one.height <= HEIGHT for one in plot.segments)
    assert 1 <= len(plot.columns) <= 12


def test_a_line_is_broken_where_there_is_no_value() -> None:
    plot = line(["a", "b", "c", "d", "e"], [0.1, 0.2, None, 0.1, None])
    assert [len(one) for one in plot.lines] == [2]
    assert len(plot.dots) == 3
    assert plot.dots[0].title == "a: 10.00%"
