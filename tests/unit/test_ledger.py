"""Credits: what entries change, when a reservation ends, and what lapses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.core.ledger import Effect, effect, settlement, unused_allowance
from postmta_ctl.core.status import ORDER

AMOUNT = st.integers(0, 10**12)


@given(AMOUNT)
def test_a_reservation_that_ends_leaves_nothing_reserved(amount: int) -> None:
    for end, left in (("settle", -amount), ("refund", 0)):
        entries = [effect("reserve", amount), effect(end, amount)]
        assert sum(one.reserved for one in entries) == 0
        assert sum(one.available for one in entries) == left


def test_what_else_moves_the_available_balance() -> None:
    assert effect("grant", 5) == Effect(5, 0)
    assert effect("consume", 5) == Effect(-5, 0)
    assert effect("adjust", -5) == Effect(-5, 0)


def test_only_what_the_receiver_answered_is_paid_for() -> None:
    found = {status: settlement(status, "reserved") for status in ORDER}
    assert found == {
        "queued": "reserved",
        "injected": "reserved",
        "accepted": "reserved",
        "deferred": "reserved",
        "suppressed": "refunded",
        "cancelled": "refunded",
        "delivered": "settled",
        "bounced": "settled",
    }


@given(st.sampled_from(ORDER), st.sampled_from([None, "settled", "refunded"]))
def test_an_ended_reservation_never_changes(status: str, state: str | None) -> None:
    assert settlement(status, state) == state


def test_the_allowance_is_used_up_before_what_was_bought() -> None:
    assert unused_allowance(granted=100, drawn=30, available=70) == 70
    assert unused_allowance(granted=100, drawn=30, available=570) == 70
    assert unused_allowance(granted=100, drawn=250, available=350) == 0
    assert unused_allowance(granted=100, drawn=-5, available=600) == 100
    assert unused_allowance(granted=0, drawn=0, available=500) == 0


@given(AMOUNT, st.integers(-(10**12), 10**12), AMOUNT)
def test_no_more_lapses_than_was_granted_or_is_there(granted: int, drawn: int, available: int) -> None:
    assert 0 <= unused_allowance(granted=granted, drawn=drawn, available=available) <= min(granted, available)
