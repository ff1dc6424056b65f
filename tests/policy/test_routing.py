"""Which queue, pool, source and path: every tenant of the demo fleet, and what is no mail."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from postmta_ctl.compiler.build import build
from postmta_ctl.compiler.model import PolicyModel
from postmta_ctl.compiler.render import render
from postmta_ctl.luavm import PolicyError
from postmta_ctl.luavm.selector import SourceSelector

POOLS = {
    "acme": ["acme.mx-2.r3", "acme.mx-1.r1"],
    "acme.mx-1": ["acme.mx-1.r1"],
    "acme.mx-2": ["acme.mx-2.r3"],
    "globex-2": ["globex-2.v6.r1"],
    "globex-2.v4": [],
    "globex-2.v6": ["globex-2.v6.r1"],
}


@pytest.fixture
def vm(fleet: Any) -> Any:
    return fleet.runtime().start()


@pytest.mark.parametrize("tenant", POOLS)
def test_a_tenant_leaves_from_its_own_sources(vm: Any, tenant: str) -> None:
    queue = vm.queue_config("example.org", tenant, "spring")
    assert queue.egress_pool == tenant
    assert queue.values["refresh_strategy"] == "Epoch"
    assert (queue.values["retry_interval"], queue.values["max_age"]) == ("20m", "3 days")
    pool = vm.egress_pool(tenant)
    assert [entry.name for entry in pool.entries] == POOLS[tenant]
    assert pool.seconds("ttl") == 1
    for entry in pool.entries:
        assert vm.egress_source(entry.name).name == entry.name
        assert vm.egress_path("example.org", entry.name, "mx.example.org").values["connection_limit"] == 8


def test_every_tenant_of_the_bundle_is_tested_here(model: PolicyModel) -> None:
    assert build(model).tenants.keys() == POOLS.keys()


def test_a_source_has_address_and_name_of_its_vmta(vm: Any) -> None:
    source = vm.egress_source("globex-2.v6.r1")
    assert source.values["source_address"] == "2001:db8::7"
    assert source.values["ehlo_domain"] == "v6.globex-2.example"
    assert source.seconds("ttl") == 1


def test_a_warming_source_has_a_daily_rate_on_every_path(vm: Any) -> None:
    rates = [vm.egress_path(f"{site}.example", "acme.mx-2.r3", site).values for site in ("a", "b")]
    expected = {"postmta:acme.mx-2.r3:daily": "101/d,max_burst=99"}
    assert [path["additional_source_selection_rates"] for path in rates] == [expected, expected]
    assert vm.egress_path("a.example", "acme.mx-1.r1", "a").values["additional_source_selection_rates"] == {}


@pytest.mark.parametrize("tenant", ["initech", "acme.gone", "", None])
def test_an_unknown_tenant_waits_in_a_pool_without_sources(vm: Any, tenant: str | None) -> None:
    queue = vm.queue_config("example.org", tenant)
    assert queue.egress_pool == "unknown_tenant"
    assert vm.egress_pool(queue.egress_pool).entries == ()


def test_the_version_before_resolves_to_the_address_of_today(vm: Any) -> None:
    source = vm.egress_source("acme.mx-2.r2")
    assert (source.name, source.values["source_address"]) == ("acme.mx-2.r2", "192.0.2.12")
    assert vm.egress_path("a.example", "acme.mx-2.r2", "a").values["additional_source_selection_rates"] != {}


@pytest.mark.parametrize("name", ["acme.gone.r1", "acme.mx-1", "unspecific"])
def test_a_source_of_no_vmta_is_an_error_and_no_default_address(vm: Any, name: str) -> None:
    with pytest.raises(PolicyError, match=f"no vMTA for egress source {name}"):
        vm.egress_source(name)


@pytest.mark.parametrize("source", ["unspecified", "acme.gone.r1"])
def test_a_path_of_no_vmta_has_the_defaults(vm: Any, source: str) -> None:
    assert vm.egress_path("example.org", source, "mx").values["connection_limit"] == 8


def test_the_log_hook_has_a_path_of_its_own(vm: Any) -> None:
    path = vm.egress_path("postmta.log_hook", "unspecified", "postmta.log_hook").values
    assert (path["connection_limit"], path["max_ready"]) == (2, 100000)


def test_deferred_generation_has_a_path_of_its_own(vm: Any) -> None:
    path = vm.egress_path("generator.kumomta.internal", "unspecified", "x").values
    assert (path["connection_limit"], path["max_ready"]) == (4, 80000)


def test_a_smart_host_is_in_the_queue(fleet: Any, model: PolicyModel) -> None:
    settings = msgspec.structs.replace(model.installation, smart_host=("relay.example:587", "[2001:db8::9]:26"))
    fleet.publish(render(msgspec.structs.replace(model, installation=settings)), release=8)
    protocol = fleet.runtime().start().queue_config("example.org", "acme").protocol
    first, second = protocol["smtp"]["mx_list"]
    assert first == "relay.example:587"
    assert (second["name"], second["addr"]) == ("2001:db8::9", "[2001:db8::9]:26")


class TestSelection:
    """Sources as KumoMTA's round robin takes them from the pools."""

    def select(self, vm: Any, selector: SourceSelector) -> str | None:
        def rates(source: str) -> Any:
            return vm.egress_path("example.org", source, "mx").selection_throttles("ready", source)

        return selector.select(vm.node.throttles, rates).source

    def test_the_long_tail_leaves_from_the_established_vmta(self, vm: Any) -> None:
        entries = vm.egress_pool("acme").entries
        assert {self.select(vm, SourceSelector(entries)) for _ in range(100)} == {"acme.mx-1.r1"}

    def test_what_is_too_much_for_the_warming_vmta_leaves_from_the_established_one(self, fleet: Any, vm: Any) -> None:
        selector = SourceSelector(vm.egress_pool("acme").entries)
        at_once = [self.select(vm, selector) for _ in range(1000)]
        assert (at_once.count("acme.mx-2.r3"), at_once.count(None)) == (100, 0)
        fleet.clock.advance(86399)
        later = [self.select(vm, selector) for _ in range(1000)]
        assert (later.count("acme.mx-2.r3"), later.count(None)) == (100, 0)


class TestPacing:
    """A tenant whose vMTAs are all warming is slowed down before an attempt is counted."""

    def burst(self, fleet: Any, vm: Any, count: int, **meta: str) -> int:
        """How many of ``count`` messages may go at once."""
        going = 0
        for _ in range(count):
            message = fleet.message()
            message.meta.update(meta)
            vm.fire("throttle_insert_ready_queue", message)
            going += message.due is None
        return going

    def test_half_of_the_allowance_goes_at_once(self, fleet: Any, vm: Any) -> None:
        assert self.burst(fleet, vm, 110, tenant="acme.mx-2") == 100

    def test_the_rest_of_it_comes_back_over_the_day(self, fleet: Any, vm: Any) -> None:
        first = self.burst(fleet, vm, 110, tenant="acme.mx-2")
        fleet.clock.advance(86399)
        assert first + self.burst(fleet, vm, 110, tenant="acme.mx-2") == 200

    @pytest.mark.parametrize("tenant", ["acme", "globex-2", "initech"])
    def test_other_tenants_are_not_slowed_down(self, fleet: Any, vm: Any, tenant: str) -> None:
        assert self.burst(fleet, vm, 110, tenant=tenant) == 110

    def test_log_records_of_the_tenant_are_not_slowed_down(self, fleet: Any, vm: Any) -> None:
        assert self.burst(fleet, vm, 110, tenant="acme.mx-2", queue="postmta.log_hook") == 110
