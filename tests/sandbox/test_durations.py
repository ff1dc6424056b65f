"""Spans and moments in KumoMTA's spelling; the samples are from a real node's answers."""

from __future__ import annotations

import pytest

from postmta_ctl.luavm import ManualClock
from postmta_ctl.sandbox.durations import parse_moment, show_moment, show_span, span
from postmta_ctl.sandbox.mail import SpoolIds, created_at
from tests.sandbox.engine import START


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0s"),
        (3_599_996_534_838, "59m 59s 996ms 534us 838ns"),
        (600_000_000_000, "10m"),
        (7 * 86_400 * 10**9, "7days"),
        (86_400 * 10**9 + 90 * 10**9, "1day 1m 30s"),
        (-5, "0s"),
    ],
)
def test_spans(value: int, text: str) -> None:
    assert show_span(value) == text
    if value > 0:
        assert span(text) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1_795_346_869_727_185_306, "2026-11-22T11:27:49.727185306Z"),
        (1_795_346_869_726_921_200, "2026-11-22T11:27:49.726921200Z"),
        (1_795_349_102_466_546_000, "2026-11-22T12:05:02.466546Z"),
        (1_795_341_601_000_000_000, "2026-11-22T10:00:01Z"),
    ],
)
def test_moments(value: int, text: str) -> None:
    assert show_moment(value) == text
    assert parse_moment(text) == value // 1000 * 1000, "Python's parser knows microseconds"


def test_a_moment_needs_an_offset() -> None:
    with pytest.raises(ValueError, match="offset"):
        parse_moment("2026-11-22T10:00:01")


def test_spool_ids_tell_when_they_were_made() -> None:
    ids = SpoolIds(ManualClock(START), "11111111-2222-3333-4444-555555555555")
    first, second = ids.next(), ids.next()
    assert created_at(first) == int(START.timestamp()) * 10**9
    assert created_at(second) == created_at(first) + 100
    # The time of a real node's id is the created_time of its records.
    assert show_moment(created_at("bfb113dce66711f194bbb2f72af2b5cf")) == "2026-11-22T11:27:49.726921200Z"
