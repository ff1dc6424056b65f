"""Periods cut by the clocks of time zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from postmta_ctl.core.periods import HOUR, Bucket, Interval, Period, buckets, latest, zone


def period(start: str, end: str) -> Period:
    return Period(datetime.fromisoformat(start).astimezone(UTC), datetime.fromisoformat(end).astimezone(UTC))


def hours(bucket: Bucket) -> float:
    # Two times of one zone subtract by their clocks; in UTC they subtract by what passed.
    return (bucket.end.astimezone(UTC) - bucket.start.astimezone(UTC)) / HOUR


@pytest.mark.parametrize(
    ("day", "after", "expected"),
    [
        ("2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00", 23),
        ("2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00", 25),
        ("2026-11-22T00:00+01:00", "2026-11-23T00:00+01:00", 24),
    ],
)
def test_a_day_of_a_clock_change_has_23_or_25_hours(day: str, after: str, expected: int) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    (only,) = buckets(period(day, after), Interval.DAY, berlin)
    assert (hours(only), only.is_whole) == (expected, True)
    cut = buckets(period(day, after), Interval.HOUR, berlin)
    assert [hours(one) for one in cut] == [1] * expected
    assert len({one.start.isoformat() for one in cut}) == expected


@pytest.mark.parametrize(
    "name",
    [
        "UTC",
        "Europe/Berlin",
        "Asia/Kolkata",
        "Asia/Kathmandu",
        "Africa/Cairo",  # puts its clocks forward at midnight: that day has none
        "America/Havana",  # puts them back at one: midnight comes twice
        "Australia/Lord_Howe",  # by half an hour
        "Pacific/Apia",
    ],
)
@pytest.mark.parametrize("interval", Interval)
def test_buckets_follow_each_other_and_cover_the_period(name: str, interval: Interval) -> None:
    tz, whole = ZoneInfo(name), period("2026-01-01T05:00Z", "2026-12-30T17:00Z")
    cut = buckets(whole, interval, tz)
    edges = [one.start.astimezone(UTC) for one in cut] + [cut[-1].end.astimezone(UTC)]
    assert (edges[0], edges[-1]) == (whole.start, whole.end)
    assert edges == sorted(set(edges))
    assert all(one.end == after.start for one, after in pairwise(cut))
    assert all(one.is_whole for one in cut[1:-1])
    inner = [one.start for one in cut[1:]]
    dates = {one.date() for one in inner}
    if interval is Interval.DAY:
        assert len(dates) == len(inner)
        assert {(one.hour, one.minute) for one in inner} <= {(0, 0), (1, 0)}
    else:
        assert {one.minute for one in inner} <= {0, 30}
    assert all(edge.minute % 15 == 0 for edge in edges)


def test_the_day_that_samoa_skipped() -> None:
    cut = buckets(period("2011-12-28T10:00Z", "2012-01-01T10:00Z"), Interval.DAY, ZoneInfo("Pacific/Apia"))
    assert [one.start.day for one in cut] == [28, 29, 31, 1]


def test_what_the_period_cuts_is_marked() -> None:
    cut = buckets(period("2026-11-20T06:00Z", "2026-11-22T06:00Z"), Interval.DAY, ZoneInfo("UTC"))
    assert [one.is_whole for one in cut] == [False, True, False]


def test_the_latest_hours_end_with_the_present_one() -> None:
    now = datetime(2026, 11, 22, 12, 34, 56, tzinfo=UTC)
    assert latest(timedelta(days=1), now) == period("2026-11-21T13:00Z", "2026-11-22T13:00Z")


def test_a_period_is_widened_to_the_hours_it_touches() -> None:
    assert period("2026-11-22T12:00Z", "2026-11-22T13:00Z").widened() == period(
        "2026-11-22T12:00Z", "2026-11-22T13:00Z"
    )
    assert period("2026-11-22T12:59Z", "2026-11-22T13:01Z").widened() == period(
        "2026-11-22T12:00Z", "2026-11-22T14:00Z"
    )


def test_the_period_before_ends_where_this_one_starts() -> None:
    assert period("2026-11-22T12:00Z", "2026-11-22T14:00Z").before == period("2026-11-22T10:00Z", "2026-11-22T12:00Z")


@pytest.mark.parametrize(
    "name", ["", "Berlin", "../etc/passwd", "/etc/passwd", "Europe", "right/UTC", "a" * 1000, "\0", "ü"]
)
def test_what_is_no_time_zone(name: str) -> None:
    assert zone(name) is None
