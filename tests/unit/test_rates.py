"""Definitions of counts and rates."""

from __future__ import annotations

from postmta_ctl.core.rates import FIELDS, TYPES, Counts, counts_of, minus, rates_of


def test_the_rates() -> None:
    rates = rates_of(
        Counts(delivered=900, bounced=100, deferred=250, complained=9, unsubscribed=18, opened=450, unique_opened=300)
    )
    assert (rates.delivery_rate, rates.bounce_rate, rates.deferral_rate) == (0.9, 0.1, 0.2)
    assert (rates.complaint_rate, rates.unsubscribe_rate) == (0.01, 0.02)
    assert (rates.unique_open_rate, rates.total_open_rate) == (0.333333, 0.5)
    assert (rates.unique_click_rate, rates.total_click_rate) == (0.0, 0.0)


def test_where_there_is_nothing_to_divide_by_there_is_no_rate() -> None:
    rates = rates_of(Counts(queued=5, accepted=5))
    assert {getattr(rates, name) for name in rates.__struct_fields__} == {None}


def test_delivery_and_bounce_rate_add_up_to_one() -> None:
    for delivered in range(1, 40):
        rates = rates_of(Counts(delivered=delivered, bounced=7))
        assert round((rates.delivery_rate or 0) + (rates.bounce_rate or 0), 5) == 1


def test_each_count_has_one_type() -> None:
    assert sorted(TYPES.values()) == sorted(FIELDS)
    numbers = {kind: number for number, kind in enumerate(TYPES, start=1)}
    counts = counts_of(numbers | {"kumomta.Delayed": 1000})
    assert sorted(getattr(counts, name) for name in FIELDS) == list(range(1, len(FIELDS) + 1))
    assert counts.unique_opened == numbers["message.opened_first"]


def test_subtraction_is_by_count() -> None:
    assert minus(Counts(delivered=3, opened=2), Counts(delivered=1)) == Counts(delivered=2, opened=2)
