"""What is decided on which figures, and that little is no figure."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from postmta_ctl.core.warmup import SCHEDULES, Progress, begin
from postmta_ctl.core.warmup_decisions import Decision, Figures, Kind, decide, judged_since

MONDAY = date(2026, 11, 23)
TUESDAY, WEDNESDAY = MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)
OPEN = replace(begin(allowances=[100, 200, 400, 800]), opened_on=MONDAY)
GOOD = Figures(delivered=100)


def on(progress: Progress, today: date, total: Figures = GOOD, recent: Figures | None = None, name: str = "gmail"):  # type: ignore[no-untyped-def]
    return decide(progress, {name: total}, recent or total, today)


def kinds(decisions: tuple[Decision, ...]) -> list[str]:
    return [one.kind.value for one in decisions]


def test_the_first_day_is_opened_without_ado() -> None:
    verdict = decide(begin(allowances=[10]), {}, Figures(), MONDAY)
    assert verdict.progress.opened_on == MONDAY
    assert verdict.decisions == ()


def test_a_good_day_leads_to_the_next_allowance() -> None:
    assert on(OPEN, MONDAY).progress == OPEN, "not before it is over"
    verdict = on(OPEN, TUESDAY)
    (decision,) = verdict.decisions
    assert (decision.kind, decision.from_allowance, decision.to_allowance) == (Kind.ADVANCED, 100, 200)
    assert (verdict.progress.day, verdict.progress.opened_on) == (2, TUESDAY)
    assert decision.figures == GOOD


@pytest.mark.parametrize("delivered", [0, 9])
def test_a_day_on_which_nearly_nothing_was_sent_does_not_count(delivered: int) -> None:
    verdict = on(OPEN, WEDNESDAY, Figures(delivered=delivered))
    assert verdict.decisions == ()
    assert (verdict.progress.day, verdict.progress.opened_on) == (1, WEDNESDAY)


def test_after_the_last_good_day_it_is_established() -> None:
    verdict = on(replace(OPEN, day=4), TUESDAY, Figures(delivered=800))
    assert verdict.completed
    assert kinds(verdict.decisions) == ["completed"]


def test_it_is_not_established_while_a_provider_takes_less_than_all() -> None:
    verdict = on(replace(OPEN, day=4, caps={"yahoo": 50}), TUESDAY, Figures(delivered=800))
    assert not verdict.completed
    assert verdict.progress.day == 4


def test_too_many_deferrals_hold_the_stage_and_it_goes_on_by_itself() -> None:
    bad = Figures(delivered=90, deferred=10)
    held = decide(OPEN, {"a": bad}, bad, TUESDAY)
    assert kinds(held.decisions) == ["provider_held", "held"]
    assert held.progress.day == 1
    assert held.decisions[-1].rates == {"deferral_rate": 0.1}
    assert held.decisions[-1].thresholds["deferral_rate"] == 0.1
    again = decide(held.progress, {"a": Figures(delivered=90)}, bad, WEDNESDAY)
    assert kinds(again.decisions) == ["provider_eased", "advanced"]


@pytest.mark.parametrize(
    ("figures", "recent"),
    [
        (Figures(delivered=97, bounced=4), GOOD),
        (GOOD, Figures(delivered=4000, complained=4)),
    ],
)
def test_bounces_and_complaints_step_back_at_once(figures: Figures, recent: Figures) -> None:
    progress = replace(OPEN, day=4)
    verdict = on(progress, MONDAY, figures, recent)
    (decision,) = verdict.decisions
    assert (decision.kind, decision.from_allowance, decision.to_allowance) == (Kind.STEPPED_BACK, 800, 400)
    assert verdict.progress.allowance == 0, "nothing more today"
    assert on(verdict.progress, MONDAY, figures, recent).decisions == (), "once a day is enough"
    next_day = on(verdict.progress, TUESDAY, figures, Figures())
    assert kinds(next_day.decisions) == ["resumed"]
    assert next_day.progress.allowance == 400


def test_found_only_when_the_day_is_over_it_is_taken_back_and_goes_on() -> None:
    verdict = on(replace(OPEN, day=3), TUESDAY, Figures(delivered=90, bounced=10))
    assert kinds(verdict.decisions) == ["stepped_back"]
    assert (verdict.progress.allowance, verdict.progress.opened_on) == (200, TUESDAY)


def test_complaints_that_led_to_a_step_back_count_once() -> None:
    back = on(OPEN, MONDAY, GOOD, Figures(delivered=1000, complained=5)).progress
    assert judged_since(back, TUESDAY) == TUESDAY
    assert judged_since(OPEN, MONDAY) == MONDAY - timedelta(days=6)


def test_at_the_first_stage_it_stops_for_the_day_all_the_same() -> None:
    verdict = on(OPEN, MONDAY, Figures(delivered=80, bounced=20))
    assert (verdict.progress.day, verdict.progress.allowance) == (1, 0)


@given(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.booleans())
def test_three_messages_decide_nothing_bad(deferred: int, bounced: int, complained: int, is_over: bool) -> None:
    figures = Figures(delivered=50, deferred=deferred, bounced=bounced, complained=complained)
    verdict = on(replace(OPEN, day=3), TUESDAY if is_over else MONDAY, figures)
    assert not {"held", "stepped_back", "provider_held"} & set(kinds(verdict.decisions))


@given(st.integers(4, 20))
def test_without_volume_nothing_bad_is_decided(count: int) -> None:
    figures = Figures(delivered=0, bounced=count)
    assert on(replace(OPEN, day=3), TUESDAY, figures).progress.day == 3


def test_a_provider_that_puts_off_most_gets_no_more_that_day_and_others_do() -> None:
    day = {"gmail": Figures(delivered=35, deferred=15), "yahoo": Figures(delivered=40)}
    verdict = decide(replace(OPEN, day=3), day, GOOD, MONDAY)
    assert kinds(verdict.decisions) == ["provider_held"]
    assert verdict.progress.limit_at("gmail") == 35
    assert verdict.progress.limit_at("yahoo") == verdict.progress.allowance == 400
    assert decide(verdict.progress, day, GOOD, MONDAY).decisions == ()


def test_a_held_provider_gets_more_with_each_good_day_until_nothing_holds_it() -> None:
    progress, caps = replace(OPEN, allowances=(100,) * 50, caps={"gmail": 30}), []
    for number in range(1, 6):
        day = MONDAY + timedelta(days=number)
        progress = decide(progress, {"gmail": Figures(delivered=20)}, GOOD, day).progress
        caps.append(progress.caps.get("gmail"))
    assert caps == [38, 48, 60, 75, 94]
    assert decide(progress, {"gmail": Figures(delivered=20)}, GOOD, day + timedelta(days=1)).progress.caps == {}


def test_a_pause_by_hand_keeps_the_stage_and_judges_nothing() -> None:
    verdict = on(replace(OPEN, day=3, paused=True), WEDNESDAY, Figures(delivered=10, bounced=90))
    assert verdict.decisions == ()
    assert (verdict.progress.day, verdict.progress.allowance) == (3, 0)


def test_a_clock_that_went_back_changes_nothing() -> None:
    assert on(OPEN, MONDAY - timedelta(days=1)).progress == OPEN


figures = st.builds(
    Figures,
    delivered=st.integers(0, 5000),
    deferred=st.integers(0, 500),
    bounced=st.integers(0, 200),
    complained=st.integers(0, 10),
)


@given(st.lists(st.dictionaries(st.sampled_from(["gmail", "yahoo", "other"]), figures), max_size=60))
def test_whatever_comes_the_stage_moves_up_by_one_and_stays_within_the_schedule(days: list[dict[str, Figures]]) -> None:
    progress = replace(begin(schedule="standard", shares={"gmail": 0.5}), opened_on=MONDAY)
    for number, day in enumerate(days):
        for today in (number, number + 1):
            before, total = progress.day, sum(day.values(), Figures())
            verdict = decide(progress, day, total, MONDAY + timedelta(days=today))
            progress = verdict.progress
            assert 1 <= progress.day <= min(before + 1, len(SCHEDULES["standard"]))
            assert all(progress.limit_at(name) <= progress.allowance for name in ("gmail", "yahoo", "other"))
            if verdict.completed:
                return
