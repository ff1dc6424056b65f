"""When mail is to be stopped: what counts, exact thresholds, and where windows begin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from postmta_ctl.core.auto_block import Limit, Metric, judge, outcomes, slot_of, window_start
from postmta_ctl.core.rollups import Fact, tally

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def limit(metric: Metric, threshold: float = 0.5, minimum: int = 1) -> Limit:
    return Limit(metric=metric, threshold=threshold, minimum_volume=minimum)


@pytest.mark.parametrize(
    ("kind", "bounce_class", "expected"),
    [
        ("message.delivered", "", ["delivered"]),
        ("message.bounced", "policy", ["bounced"]),
        ("message.bounced", "invalid_recipient", ["bounced", "hard_bounced"]),
        ("message.bounced", "blocklisted", ["bounced", "spam_blocked"]),
        ("message.bounced", "expired", ["bounced"]),
        ("message.deferred", "greylisted", ["deferred"]),
        ("message.deferred", "spam", ["deferred", "spam_blocked"]),
        ("message.deferred", "invalid_recipient", ["deferred"]),
        ("message.complained", "", ["complained"]),
        ("message.opened", "", []),
        ("message.accepted", "", []),
    ],
)
def test_what_an_event_counts_as(kind: str, bounce_class: str, expected: list[str]) -> None:
    assert list(outcomes(kind, bounce_class)) == expected


@pytest.mark.parametrize("bounce_class", ["held", "internal"])
@pytest.mark.parametrize("kind", ["message.deferred", "message.bounced"])
def test_what_our_own_nodes_do_counts_for_nothing(kind: str, bounce_class: str) -> None:
    assert outcomes(kind, bounce_class) == ()


@pytest.mark.parametrize(
    ("metric", "count", "volume"),
    [
        (Metric.BOUNCE_RATE, 30, 100),
        (Metric.HARD_BOUNCE_RATE, 20, 100),
        (Metric.COMPLAINT_RATE, 7, 70),
        (Metric.DEFERRAL_RATE, 100, 200),
        (Metric.SPAM_BLOCK_RATE, 15, 200),
    ],
)
def test_each_rate_is_a_share_of_what_could_have_had_the_outcome(metric: Metric, count: int, volume: int) -> None:
    counts = {"delivered": 70, "bounced": 30, "hard_bounced": 20, "deferred": 100, "spam_blocked": 15, "complained": 7}
    found = judge(limit(metric, 0.01), counts)
    assert found is not None
    assert (found.count, found.volume, found.rate) == (count, volume, count / volume)


@pytest.mark.parametrize("percent", range(1, 101))
def test_a_rate_that_reaches_the_threshold_is_too_high_and_one_event_less_is_not(percent: int) -> None:
    rule = limit(Metric.BOUNCE_RATE, percent / 100)
    assert judge(rule, {"bounced": percent, "delivered": 100 - percent}) is not None
    assert judge(rule, {"bounced": percent - 1, "delivered": 101 - percent}) is None


def test_below_the_minimum_volume_nothing_is_judged() -> None:
    rule = limit(Metric.BOUNCE_RATE, 0.1, minimum=100)
    assert judge(rule, {"bounced": 99}) is None
    assert judge(rule, {"bounced": 100}) is not None


def test_deferrals_are_no_part_of_the_volume_of_bounces() -> None:
    rule = limit(Metric.BOUNCE_RATE, 0.1, minimum=100)
    assert judge(rule, {"bounced": 50, "deferred": 5000}) is None


@pytest.mark.parametrize("metric", Metric)
def test_nothing_at_all_is_no_rate(metric: Metric) -> None:
    assert judge(limit(metric, 0.01), {}) is None
    assert judge(limit(metric, 0.01), {"complained": 5, "hard_bounced": 5, "spam_blocked": 5}) is None


def test_complaints_about_mail_of_before_may_outnumber_deliveries() -> None:
    found = judge(limit(Metric.COMPLAINT_RATE, 1), {"delivered": 2, "complained": 3})
    assert found is not None
    assert found.rate == 1.5


@pytest.mark.parametrize(
    ("now", "ended_at", "start"),
    [
        (NOON, None, NOON - HOUR),
        (NOON + timedelta(minutes=4, seconds=59), None, NOON - HOUR),
        (NOON + timedelta(minutes=5), None, NOON - HOUR + timedelta(minutes=5)),
        (NOON, NOON - 2 * HOUR, NOON - HOUR),
        (NOON, NOON - timedelta(minutes=30), NOON - timedelta(minutes=30)),
        (NOON, NOON - timedelta(minutes=29, seconds=59), NOON - timedelta(minutes=25)),
        (NOON, NOON - timedelta(seconds=1), NOON),
        (NOON, NOON, NOON),
        (NOON + timedelta(seconds=1), NOON + timedelta(seconds=1), NOON + timedelta(minutes=5)),
    ],
)
def test_a_window_begins_on_a_slot_and_after_the_last_block(
    now: datetime, ended_at: datetime | None, start: datetime
) -> None:
    assert window_start(now, HOUR, ended_at) == start


def test_no_event_of_before_a_blocks_end_is_counted_again() -> None:
    for second in range(0, 900, 7):
        ended_at = NOON + timedelta(seconds=second, microseconds=1)
        assert slot_of(ended_at) < window_start(NOON + HOUR, HOUR, ended_at)


def test_an_event_is_counted_for_each_scope_that_it_has() -> None:
    bounce = Fact(
        organization_id="o",
        type="message.bounced",
        at=NOON + timedelta(minutes=7),
        sending_domain="acme.test",
        provider="gmail",
        bounce_class="bad_domain",
    )
    slot = NOON + timedelta(minutes=5)
    assert tally([bounce, bounce]).outcomes == {
        ("o", scope, slot, value, outcome): 2
        for scope, value in (("organization", ""), ("domain", "acme.test"), ("provider", "gmail"))
        for outcome in ("bounced", "hard_bounced")
    }
