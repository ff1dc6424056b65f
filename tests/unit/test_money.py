"""Money in minor units, and shares of a period's price."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.core.money import MAX_MINOR, Money, prorate

START = datetime(2026, 2, 1, tzinfo=UTC)
END = datetime(2026, 3, 1, tzinfo=UTC)
PRICE = st.integers(0, MAX_MINOR)
WITHIN = st.timedeltas(timedelta(0), END - START)


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (123456789, "EUR", "1,234,567.89 EUR"),
        (5, "EUR", "0.05 EUR"),
        (-1900, "USD", "-19.00 USD"),
        (1900, "JPY", "1,900 JPY"),
        (0, "JPY", "0 JPY"),
        (1234, "KWD", "1.234 KWD"),
    ],
)
def test_amounts_are_written_with_the_decimals_of_their_currency(minor: int, currency: str, text: str) -> None:
    assert str(Money(minor=minor, currency=currency)) == text


@given(st.integers(-MAX_MINOR, MAX_MINOR), st.sampled_from(["EUR", "JPY", "KWD"]))
def test_no_digit_is_lost(minor: int, currency: str) -> None:
    text = str(Money(minor=minor, currency=currency)).removesuffix(f" {currency}").replace(",", "")
    assert int(text.replace(".", "")) == minor
    assert Decimal(text) * 10 ** {"EUR": 2, "JPY": 0, "KWD": 3}[currency] == minor


def test_half_a_period_costs_half() -> None:
    half = START + (END - START) / 2
    assert prorate(7900, start=START, end=END, now=half) == 3950
    assert prorate(1, start=START, end=END, now=half) == 0


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (START, 7900),
        (START - timedelta(days=1), 7900),
        (END, 0),
        (END + timedelta(days=1), 0),
        (END - timedelta(days=1), 7900 // 28),
    ],
)
def test_the_ends_of_a_period(now: datetime, expected: int) -> None:
    assert prorate(7900, start=START, end=END, now=now) == expected


@given(PRICE, WITHIN)
def test_both_parts_make_the_whole_but_for_one_rounded_unit(price: int, passed: timedelta) -> None:
    rest = prorate(price, start=START, end=END, now=START + passed)
    used = prorate(price, start=START, end=END, now=END - passed)
    assert price - 1 <= rest + used <= price


@given(PRICE, PRICE, WITHIN)
def test_a_dearer_plan_never_costs_less_for_the_rest(one: int, other: int, passed: timedelta) -> None:
    low, high = sorted((one, other))
    now = START + passed
    assert prorate(low, start=START, end=END, now=now) <= prorate(high, start=START, end=END, now=now)
