"""The choice of a source, against the choices of a real node."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from postmta_ctl.luavm import ManualClock, PoolEntry, SourceSelector, ThrottleStore, Vm

CAPTURE = Path(__file__).parents[1] / "fixtures" / "kumomta" / "source-selection.json"
POOLS: list[dict[str, Any]] = json.loads(CAPTURE.read_text())


def pool(**weights: int) -> list[PoolEntry]:
    return [PoolEntry(name, weight) for name, weight in weights.items()]


@pytest.mark.parametrize("captured", POOLS, ids=lambda one: str([entry["weight"] for entry in one["entries"]]))
def test_the_first_60_choices_are_those_of_kumod(captured: dict[str, Any]) -> None:
    selector = SourceSelector(PoolEntry(**entry) for entry in captured["entries"])
    assert "".join(str(selector.next()) for _ in range(60)) == captured["first_60"]


def test_the_capture_holds_five_pools() -> None:
    assert len(POOLS) == 5


def test_selection_without_limits_is_the_round_robin(clock: ManualClock) -> None:
    for captured in POOLS:
        selector = SourceSelector(PoolEntry(**entry) for entry in captured["entries"])
        choices = [selector.select(ThrottleStore(clock), lambda _: []).source for _ in range(60)]
        assert "".join(map(str, choices)) == captured["first_60"]


@pytest.mark.parametrize("entries", [[], pool(a=0), pool(a=0, b=0)])
def test_a_pool_without_weight_gives_nothing(entries: list[PoolEntry], clock: ManualClock) -> None:
    selector = SourceSelector(entries)
    assert selector.next() is None
    assert selector.select(ThrottleStore(clock), lambda _: []) == selector.select(ThrottleStore(clock), lambda _: [])


def test_any_change_of_the_entries_is_another_round_robin() -> None:
    selector = SourceSelector(pool(a=1, b=2))
    assert selector.is_for(pool(a=1, b=2, c=0))
    assert not selector.is_for(pool(b=2, a=1))
    assert not selector.is_for(pool(a=1, b=1))


PATHS = """
kumo.on('get_egress_path_config', function(domain, source)
  local rates = source == 'warm' and { ['warm-all'] = '20/day' } or nil
  return kumo.make_egress_path { additional_source_selection_rates = rates, source_selection_rate = RATE }
end)
"""


def choose(vm: Vm, store: ThrottleStore, selector: SourceSelector, site: str, count: int) -> Counter[str | None]:
    def throttles(source: str) -> Any:
        return vm.egress_path("example.com", source, site).selection_throttles(f"{source}->{site}@smtp_client", source)

    return Counter(selector.select(store, throttles).source for _ in range(count))


def test_an_exhausted_source_is_skipped_for_all_destinations(load: Callable[..., Vm], clock: ManualClock) -> None:
    """As measured on a real node: 60 messages, then 60 to another domain, with 20/day on one of two sources."""
    vm, store = load(PATHS.replace("RATE", "nil")), ThrottleStore(clock)
    entries = pool(warm=1, old=1)
    assert choose(vm, store, SourceSelector(entries), "one", 60) == {"warm": 20, "old": 40}
    assert choose(vm, store, SourceSelector(entries), "two", 60) == {"old": 60}


def test_the_rate_of_a_path_counts_per_site(load: Callable[..., Vm], clock: ManualClock) -> None:
    vm, store = load(PATHS.replace("RATE", "'3/day'")), ThrottleStore(clock)
    for site in ("one", "two"):
        assert choose(vm, store, SourceSelector(pool(a=1)), site, 5) == {"a": 3, None: 2}


def test_when_all_are_exhausted_the_shortest_wait_is_told(load: Callable[..., Vm], clock: ManualClock) -> None:
    vm, store = load(PATHS.replace("RATE", "'1/hour'")), ThrottleStore(clock)
    selector = SourceSelector(pool(a=1, b=1))
    choose(vm, store, selector, "one", 1)
    clock.advance(600)
    choose(vm, store, selector, "one", 1)
    throttles = lambda s: vm.egress_path("d", s, "one").selection_throttles(f"{s}->one@smtp_client", s)  # noqa: E731
    assert selector.select(store, throttles).retry_after == 3000


def test_suspended_sources_are_left_out(clock: ManualClock) -> None:
    selector = SourceSelector(pool(a=1, b=1))
    store = ThrottleStore(clock)
    only_a = {"b": 60.0}.get
    assert {selector.select(store, lambda _: [], suspended=only_a).source for _ in range(5)} == {"a"}
    none = selector.select(store, lambda _: [], suspended={"a": 30.0, "b": 60.0}.get)
    assert (none.source, none.retry_after) == (None, 30.0)


def test_the_slowest_rate_is_drawn_first(load: Callable[..., Vm], clock: ManualClock) -> None:
    vm, store = load(PATHS.replace("RATE", "'100/min'")), ThrottleStore(clock)
    names = [name for name, _ in vm.egress_path("d", "warm", "s").selection_throttles("rq", "warm")]
    assert names == ["warm-all", "kumomta.source_selection_rate.rq.warm"]
    assert choose(vm, store, SourceSelector(pool(warm=1)), "s", 30)["warm"] == 20
