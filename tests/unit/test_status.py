from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.core.status import ORDER, TERMINAL, RecipientEvent, RecipientState, advance, summarise

NOW, MINUTE = 1_795_348_800_000_000, 60_000_000
NEW = RecipientState(at=NOW)


def event(kind: str, minutes: int = 1, **more: str | int | None) -> RecipientEvent:
    return RecipientEvent(type=f"message.{kind}", at=NOW + minutes * MINUTE, **more)  # type: ignore[arg-type]


def after(*events: RecipientEvent) -> RecipientState:
    state = NEW
    for one in events:
        state = advance(state, one)
    return state


def test_a_message_on_its_way_rises_step_by_step() -> None:
    steps = [event("accepted", 1), event("deferred", 2, code=451, reply="later"), event("delivered", 3, code=250)]

    assert [after(*steps[:count]).status for count in range(4)] == ["queued", "accepted", "deferred", "delivered"]
    assert after(*steps) == RecipientState(status="delivered", at=NOW + 3 * MINUTE, code=250)


def test_a_record_that_comes_late_changes_nothing() -> None:
    delivered = after(event("delivered", 3, code=250))

    assert advance(delivered, event("accepted", 1)) == delivered
    assert advance(delivered, event("deferred", 2, code=451)) == delivered
    assert advance(delivered, event("cancelled", 4)) == delivered


def test_a_report_after_delivery_makes_it_bounced_whichever_comes_first() -> None:
    delivered, report = event("delivered", 1, code=250), event("bounced", 9, code=550, bounce_class="invalid_recipient")

    assert after(delivered, report) == after(report, delivered)
    assert after(delivered, report).status == "bounced"
    assert after(delivered, report).bounce_class == "invalid_recipient"


def test_a_complaint_marks_the_recipient_and_leaves_the_status() -> None:
    delivered = after(event("delivered", 1, code=250))

    complained = advance(delivered, event("complained", 5))

    assert (complained.status, complained.at, complained.complained) == ("delivered", delivered.at, True)
    assert after(event("complained", 5), event("delivered", 1, code=250)) == complained


def test_the_latest_deferral_is_shown() -> None:
    events = (event("deferred", 5, code=452, reply="full"), event("deferred", 2, code=451, reply="grey"))

    assert after(*events).reply == after(*reversed(events)).reply == "full"


@pytest.mark.parametrize("kind", ["kumomta.Delayed", "message.opened", "message.rejected", "delivered", ""])
def test_other_events_leave_the_state(kind: str) -> None:
    assert advance(NEW, RecipientEvent(type=kind, at=NOW + 1440 * MINUTE)) == NEW


EVENTS = st.builds(
    RecipientEvent,
    type=st.sampled_from([f"message.{status}" for status in ORDER] + ["message.complained", "kumomta.Delayed"]),
    at=st.integers(0, 3).map(lambda minutes: NOW + minutes * MINUTE),
    code=st.sampled_from([None, 250, 451, 550]),
    reply=st.sampled_from([None, "a", "b"]),
    bounce_class=st.sampled_from([None, "spam", "quota"]),
)


@given(st.lists(EVENTS, max_size=6).flatmap(lambda given: st.tuples(st.just(given), st.permutations(given * 2))))
def test_any_order_with_any_repeats_ends_in_the_same_state(
    drawn: tuple[list[RecipientEvent], list[RecipientEvent]],
) -> None:
    given_order, shuffled_twice = drawn

    assert after(*given_order) == after(*shuffled_twice)


@given(st.lists(EVENTS, max_size=8), EVENTS)
def test_a_status_is_never_lowered(earlier: list[RecipientEvent], one: RecipientEvent) -> None:
    state = after(*earlier)

    assert ORDER.index(advance(state, one).status) >= ORDER.index(state.status)
    assert state.complained <= advance(state, one).complained


@pytest.mark.parametrize(
    ("statuses", "summary"),
    [
        (["queued"], "queued"),
        (["accepted", "injected"], "injected"),
        (["delivered", "deferred"], "deferred"),
        (["bounced", "queued", "delivered"], "queued"),
        (["delivered", "delivered"], "delivered"),
        (["delivered", "bounced"], "partial"),
        (["delivered", "suppressed"], "partial"),
        (["cancelled", "bounced"], "bounced"),
        (["cancelled", "suppressed"], "cancelled"),
    ],
)
def test_a_message_is_as_far_as_its_recipients(statuses: list[str], summary: str) -> None:
    assert summarise(statuses) == summary


@given(st.lists(st.sampled_from(ORDER), min_size=1))
def test_a_message_is_over_when_all_its_recipients_are(statuses: list[str]) -> None:
    assert (summarise(statuses) in TERMINAL | {"partial"}) == set(statuses).issubset(TERMINAL)
