"""The catalogue, and the months that plans run by."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.core.day_range import DayRange, day_range
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.periods import Period
from postmta_ctl.core.plans import (
    CatalogueError,
    Limits,
    Plan,
    added_allowances,
    day_of,
    month,
    month_at,
    parse_catalogue,
)
from postmta_ctl.errors import ConfigurationError
from postmta_ctl.features.billing import catalogue
from postmta_ctl.settings import Settings

ANCHOR = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)).map(day_of)  # noqa: DTZ001 - the strategy wants it so
SMALL = Plan(id="small", name="Small", price=1000, credits={"email": 1000, "av_scan": 50})
LARGE = Plan(id="large", name="Large", price=5000, credits={"email": 9000, "spam_check": 100, "av_scan": 10})


def test_months_begin_on_the_day_of_the_anchor_or_the_last_there_is() -> None:
    anchor = datetime(2028, 1, 31, tzinfo=UTC)
    starts = [month(anchor, number).start.date().isoformat() for number in range(4)]
    assert starts == ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"]


@given(ANCHOR, st.integers(0, 500))
def test_each_month_begins_where_the_last_one_ends(anchor: datetime, number: int) -> None:
    assert month(anchor, number).end == month(anchor, number + 1).start
    assert timedelta(days=28) <= month(anchor, number).length <= timedelta(days=31)


@given(ANCHOR, st.timedeltas(timedelta(0), timedelta(days=9000)))
def test_a_moment_lies_in_the_month_of_its_number(anchor: datetime, passed: timedelta) -> None:
    found = month(anchor, month_at(anchor, anchor + passed))
    assert found.start <= anchor + passed < found.end


def test_an_upgrade_adds_the_difference_for_the_rest_of_the_period() -> None:
    period = Period(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
    middle = datetime(2026, 11, 16, tzinfo=UTC)
    assert added_allowances(SMALL, LARGE, period, middle) == {"email": 4000, "spam_check": 50}
    assert added_allowances(SMALL, LARGE, period, period.end) == {}


def test_limits_name_what_there_is_too_much_of() -> None:
    limits = Limits(users=2, domains=5)
    assert list(limits.exceeded({"users": 3, "domains": 5, "vmtas": 99})) == [("users", 3, 2)]


@pytest.mark.parametrize(
    "text",
    [
        "not toml",
        "plans = []",
        'currency = "euro"\nplans = []',
        'currency = "EUR"\nplans = [{id = "a", name = "A", prise = 1}]',
        'currency = "EUR"\nplans = [{id = "a", name = "A", price = -1}]',
        'currency = "EUR"\nplans = [{id = "a", name = "A", price = 1.5}]',
        'currency = "EUR"\nplans = [{id = "a", name = "A", credits = {fax = 1}}]',
        'currency = "EUR"\nplans = [{id = "a", name = "A"}, {id = "a", name = "B"}]',
    ],
)
def test_a_catalogue_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(CatalogueError):
        parse_catalogue(text)


def test_the_default_plan_of_a_fresh_installation_refuses_nothing() -> None:
    settings = Settings()
    plan = catalogue.load(settings).plan(settings.default_plan)
    assert plan.unmetered
    assert plan.price == 0
    assert plan.limits == Limits()


def test_an_unknown_default_plan_stops_the_start() -> None:
    with pytest.raises(ConfigurationError, match="no plan gold"):
        catalogue.load(Settings(default_plan="gold"))
    with pytest.raises(ConfigurationError, match="plans_file"):
        catalogue.load(Settings(plans_file="/nonexistent/plans.toml"))


TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("asked", "days"),
    [
        ((None, None, None), 30),
        (("7d", None, None), 7),
        (("366d", None, None), 366),
        ((None, date(2026, 11, 1), None), 22),
        ((None, date(2026, 11, 1), date(2026, 11, 1)), 1),
    ],
)
def test_ranges_of_days(asked: tuple[str | None, date | None, date | None], days: int) -> None:
    found = day_range(*asked, today=TODAY)
    assert len(list(found)) == days
    assert found.end - found.start == timedelta(days=days)


def test_today_is_the_last_day_of_a_period() -> None:
    assert day_range("2d", None, None, today=TODAY) == DayRange(date(2026, 11, 21), TODAY)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (("7", None, None), "period"),
        (("0d", None, None), "period"),
        (("367d", None, None), "period"),
        (("9999999999d", None, None), "period"),
        (("7d", TODAY, None), "period"),
        ((None, None, TODAY), "from"),
        ((None, date(2026, 11, 23), None), "from"),
        ((None, date(2020, 1, 1), None), "from"),
    ],
)
def test_what_is_no_range(asked: tuple[str | None, date | None, date | None], field: str) -> None:
    with pytest.raises(InputError) as error:
        day_range(*asked, today=TODAY)
    assert error.value.field == field
