from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from postmta_ctl.core.ids import is_id, new_id, new_ids

NOW = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


def test_an_id_is_a_version_7_uuid_holding_the_time_it_was_made() -> None:
    made = uuid.UUID(new_id(NOW))

    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == int(NOW.timestamp() * 1000)


def test_ids_of_one_moment_are_distinct_and_ascending_even_past_the_counter() -> None:
    made = [new_id(NOW) for _ in range(10_000)]

    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_many_ids_at_once_are_like_those_made_one_by_one() -> None:
    moment = NOW + timedelta(minutes=2)
    made = [new_id(moment), *new_ids(moment, 10_000), new_id(moment)]

    assert made == sorted(set(made))
    assert all(is_id(one) for one in made)
    assert {uuid.UUID(one).variant for one in made} == {uuid.RFC_4122}
    assert len({one[20:] for one in made}) == len(made)
    assert new_ids(moment, 0) == []


def test_a_later_id_sorts_after_an_earlier_one() -> None:
    moment = NOW + timedelta(minutes=1)
    earlier = new_id(moment)

    assert earlier < new_id(moment + timedelta(milliseconds=1))


def test_a_clock_set_back_is_believed() -> None:
    new_id(NOW)
    made = uuid.UUID(new_id(NOW - timedelta(days=1)))

    assert made.int >> 80 == int((NOW - timedelta(days=1)).timestamp() * 1000)


def test_an_id_of_ours_is_recognised() -> None:
    assert is_id(new_id(NOW))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s00001",
        "00000000-0000-0000-0000-000000000001",
        "8ad4d40f-11a3-4e69-aa3b-09694798da1d",
        "01A20320-A27B-7000-A838-207F7769570C",
        "{01a20320-a27b-7001-af6e-c42a4a15f7c2}",
        "01a20320-a27b-7002-89a3-ae9f93f134f4\n",
        "01a20320a27b7003b05e6b2da9159e2d",
    ],
)
def test_other_text_is_not_an_id(text: str) -> None:
    assert not is_id(text)
