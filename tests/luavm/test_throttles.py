"""Throttles behave as kumod's: GCRA, a bucket by rate, whole seconds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from postmta_ctl.luavm import ManualClock, Message, NodeRuntime, ThrottleStore, Vm
from postmta_ctl.luavm.formats import ThrottleSpec, parse_duration, parse_limit, parse_throttle


@pytest.fixture
def store(clock: ManualClock) -> ThrottleStore:
    return ThrottleStore(clock)


def passed(store: ThrottleStore, rate: str, attempts: int, key: str = "k") -> int:
    return sum(not store.throttle(key, parse_throttle(rate)).throttled for _ in range(attempts))


@pytest.mark.parametrize(
    ("rate", "at_once"),
    [
        ("20/d", 20),
        ("20/d,max_burst=5", 6),
        ("20/d,max_burst=1", 2),
        ("20/d,max_burst=0", 1),
        ("20/d,max_burst=500", 20),
        ("1/s", 1),
    ],
)
def test_how_many_go_at_once(store: ThrottleStore, rate: str, at_once: int) -> None:
    assert passed(store, rate, 100) == at_once


def test_a_daily_rate_doubles_on_its_first_day(store: ThrottleStore, clock: ManualClock) -> None:
    total = 0
    for _ in range(24):
        total += passed(store, "240/d", 240)
        clock.advance(3600)
    assert total == 240 + 23 * 10


def test_the_wait_is_told_in_whole_seconds(store: ThrottleStore, clock: ManualClock) -> None:
    spec = parse_throttle("2/min,max_burst=0")
    assert store.throttle("k", spec).retry_after is None
    clock.advance(0.5)
    result = store.throttle("k", spec)
    assert (result.throttled, result.retry_after, result.reset_after) == (True, 30, 30)
    clock.advance(29.5)
    assert not store.throttle("k", spec).throttled


def test_editing_a_rate_starts_a_full_bucket(store: ThrottleStore) -> None:
    assert (passed(store, "5/d", 9), passed(store, "6/d", 9), passed(store, "5/d", 9)) == (5, 6, 0)


def test_buckets_are_shared_by_name(store: ThrottleStore) -> None:
    assert (passed(store, "5/d", 3, "a"), passed(store, "5/d", 3, "b"), passed(store, "5/d", 9, "a")) == (3, 3, 2)


def test_remaining_counts_down(store: ThrottleStore) -> None:
    assert [store.throttle("k", parse_throttle("3/h")).remaining for _ in range(4)] == [2, 1, 0, 0]


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("100/h", ThrottleSpec(100, 3600)),
        ("1,000/min", ThrottleSpec(1000, 60)),
        ("local:50/s", ThrottleSpec(50, 1, local=True)),
        ("500/d,max_burst=1", ThrottleSpec(500, 86_400, 1)),
        ("20/30min", ThrottleSpec(20, 1800)),
    ],
)
def test_rates(text: str, spec: ThrottleSpec) -> None:
    assert parse_throttle(text) == spec


@pytest.mark.parametrize("text", ["", "5", "0/s", "5/0s", "5/days", "5/", "-5/s", "5/s,max_burst=", " 5/s", "5/8"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match=r"rate|period|limit"):
        parse_throttle(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1 hour 30s", 3630), ("300ms", 0.3), ("20 mins", 1200), ("7d", 604_800), (90, 90), (1.5, 1.5)],
)
def test_durations(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "5 parsecs", "-5m", "5m!", -1])
def test_what_is_no_duration(text: str | float) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


def test_limits() -> None:
    assert [parse_limit(value).limit for value in (32, "1,000", "local:20")] == [32, 1000, 20]
    for value in (0, "0", "x", "local:"):
        with pytest.raises(ValueError, match="limit"):
            parse_limit(value)


def test_a_throttle_delays_a_message(load: Callable[..., Vm], clock: ManualClock) -> None:
    vm = load(
        "local t = kumo.make_throttle('tenant', '1/min')\n"
        "kumo.on('throttle_insert_ready_queue', function(msg) t:delay_message_if_throttled(msg) end)"
    )
    first, second = Message("1", "", []), Message("2", "", [])
    for message in (first, second):
        vm.fire("throttle_insert_ready_queue", message)
    assert first.due is None
    assert second.due is not None
    assert (second.due - clock.now()).total_seconds() == 60


def test_buckets_outlive_contexts_and_sleeping_moves_the_clock(
    node: Callable[..., NodeRuntime], clock: ManualClock
) -> None:
    running = node(
        "kumo.on('init', function() return kumo.make_throttle('x', '1/min'):sleep_if_throttled() end)\n"
        "kumo.on('pre_init', function() return kumo.make_throttle('x', '1/min'):throttle().retry_after end)"
    )
    started = clock.now()
    assert running.context().fire("init") is False
    running.bump_epoch()
    assert running.context().fire("pre_init") == 60
    assert running.context().fire("init") is True
    assert (clock.now() - started).total_seconds() == 60


def test_counters_are_shared_and_forget(node: Callable[..., NodeRuntime], clock: ManualClock) -> None:
    running = node(
        "kumo.on('init', function(n)\n"
        "  local c = kumo.counter_series.define { name = 'c', num_buckets = 3, bucket_size = '1m' }\n"
        "  c:increment(n)\n  return { c:sum(), c:sum_over('1m') }\nend)"
    )

    def count(by: int) -> object:
        vm = running.context()
        return vm.to_plain(vm.fire("init", by))

    assert count(5) == [5, 5]
    clock.advance(60)
    assert count(2) == [7, 2]
    clock.advance(120)
    assert count(1) == [3, 1]
