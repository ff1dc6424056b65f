"""A warming vMTA on a node: nothing without a ticket, no more than the ticket, and none of an earlier process."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import msgspec
import pytest

from postmta_ctl.compiler.model import PolicyModel, VirtualMta
from postmta_ctl.compiler.render import render
from postmta_ctl.luavm.selector import SourceSelector

WARMING, ESTABLISHED = "acme.mx-2.r3", "acme.mx-1.r1"


@pytest.fixture
def node(fleet: Any, model: PolicyModel) -> Any:
    """The fleet with a vMTA whose warm-up the control plane governs."""
    vmtas = tuple(
        msgspec.structs.replace(one, daily_limit=None) if one.state == "warming" else one for one in model.vmtas
    )
    fleet.publish(render(msgspec.structs.replace(model, vmtas=vmtas)), release=8)
    return fleet


def hand_out(fleet: Any, serial: int, size: int, day: int = 200, **limits: int) -> None:
    ticket = {"serial": serial, "size": size, "day": day, "limits": limits}
    write(fleet, {"serial": serial, "vmtas": {"acme.mx-2": ticket}})


def write(fleet: Any, content: Any) -> None:
    fleet.clock.advance(2)  # pools are kept for a second
    path = fleet.folder / "live" / "warmup.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


def send(vm: Any, count: int, domain: str = "example.org", pool: str = "acme") -> Counter[str | None]:
    """How many messages to a domain leave through each source."""
    selector = SourceSelector(vm.egress_pool(pool).entries)

    def rates(source: str) -> Any:
        return vm.egress_path(domain, source, f"mx.{domain}").selection_throttles("ready", source)

    return Counter(selector.select(vm.node.throttles, rates).source for _ in range(count))


def test_without_a_ticket_all_leaves_from_the_established_one(node: Any) -> None:
    assert send(node.runtime().start(), 50) == {ESTABLISHED: 50}


def test_a_file_that_cannot_be_read_is_no_ticket(node: Any) -> None:
    runtime = node.runtime()
    vm = runtime.start()
    (node.folder / "live").mkdir()
    (node.folder / "live" / "warmup.json").write_text("{")
    runtime.bump_epoch()
    assert send(vm, 50) == {ESTABLISHED: 50}


def test_a_ticket_is_good_for_its_size_whatever_the_domain(node: Any) -> None:
    runtime = node.runtime()
    vm = runtime.start()
    hand_out(node, 1, 20)
    runtime.bump_epoch()
    assert send(vm, 100)[WARMING] == 20
    assert send(vm, 100, "example.net") == {ESTABLISHED: 100}


def test_an_epoch_and_a_release_do_not_fill_it_again(node: Any, bundle: Any) -> None:
    runtime = node.runtime()
    hand_out(node, 1, 20)
    vm = runtime.start()
    hand_out(node, 2, 20)
    runtime.bump_epoch()
    send(vm, 30)
    runtime.bump_epoch()
    assert send(runtime.context(), 100)[WARMING] == 5
    node.clock.advance(86_400)
    assert send(runtime.context(), 100) == {ESTABLISHED: 100}


def test_the_next_ticket_takes_its_place(node: Any) -> None:
    runtime = node.runtime()
    vm = runtime.start()
    for serial, size in ((1, 20), (2, 30)):
        hand_out(node, serial, size)
        runtime.bump_epoch()
        assert send(vm, 200)[WARMING] == size


def test_a_ticket_of_size_zero_is_none(node: Any) -> None:
    runtime = node.runtime()
    vm = runtime.start()
    hand_out(node, 1, 0)
    runtime.bump_epoch()
    assert send(vm, 100) == {ESTABLISHED: 100}


def test_after_a_restart_the_tickets_that_lay_there_are_used_up(node: Any) -> None:
    hand_out(node, 7, 20)
    runtime = node.runtime()
    vm = runtime.start()
    assert send(vm, 100) == {ESTABLISHED: 100}
    runtime.bump_epoch()
    assert send(runtime.context(), 100) == {ESTABLISHED: 100}
    hand_out(node, 8, 20)
    runtime.bump_epoch()
    assert send(vm, 100)[WARMING] == 20


@pytest.mark.parametrize("domain", ["gmail.com", "googlemail.com"])
def test_a_provider_has_a_part_of_it(node: Any, domain: str) -> None:
    runtime = node.runtime()
    vm = runtime.start()
    hand_out(node, 1, 20, gmail=5)
    runtime.bump_epoch()
    assert send(vm, 100, domain)[WARMING] == 5
    assert send(vm, 100, "gmail.com")[WARMING] == 0
    assert send(vm, 100)[WARMING] == 15, "what the provider refused is not lost"


def test_a_pool_has_only_what_may_leave(node: Any) -> None:
    runtime = node.runtime()
    vm = runtime.start()

    def pool() -> list[str]:
        runtime.bump_epoch()
        return [entry.name for entry in vm.egress_pool("acme").entries]

    assert pool() == [ESTABLISHED]
    hand_out(node, 1, 20)
    assert pool() == [WARMING, ESTABLISHED]
    hand_out(node, 2, 0)
    assert pool() == [ESTABLISHED]


def test_an_established_one_stays_in_the_second_place(fleet: Any, model: PolicyModel) -> None:
    warming = [
        VirtualMta(
            organization="acme",
            name=f"new-{number}",
            address=f"192.0.2.{20 + number}",
            ehlo_domain="new.acme.example",
            state="warming",
        )
        for number in (1, 2, 3)
    ]
    established = tuple(one for one in model.vmtas if one.state == "active")
    fleet.publish(render(msgspec.structs.replace(model, vmtas=(*established, *warming))), release=8)
    runtime = fleet.runtime()
    vm = runtime.start()
    open_ones = {f"acme.new-{number}": {"serial": 1, "size": 5, "day": 5, "limits": {}} for number in (2, 3)}
    write(fleet, {"serial": 1, "vmtas": open_ones})
    runtime.bump_epoch()
    pool = [entry.name for entry in vm.egress_pool("acme").entries]
    assert pool == ["acme.new-3.r1", "acme.mx-1.r1", "acme.new-2.r1"]


def test_a_provider_that_takes_no_more_gets_none(node: Any) -> None:
    runtime = node.runtime()
    vm = runtime.start()
    hand_out(node, 1, 20, gmail=0)
    runtime.bump_epoch()
    assert send(vm, 100, "gmail.com") == {ESTABLISHED: 100}
    assert send(vm, 100)[WARMING] == 20


def test_a_domain_hosted_at_a_provider_counts_as_its(node: Any) -> None:
    runtime = node.runtime()
    vm = runtime.start()
    hand_out(node, 1, 20, gmail=5)
    runtime.bump_epoch()
    path = vm.egress_path("acme.example", WARMING, "(alt1|alt2|alt3)?.aspmx.l.google.com")
    assert path.values["additional_source_selection_rates"] == {
        "postmta:acme.mx-2:1": "local:20/100d",
        "postmta:acme.mx-2:1:gmail": "local:5/10000d",
    }


def test_one_whose_warm_up_is_over_has_no_limit(node: Any) -> None:
    runtime = node.runtime()
    vm = runtime.start()
    write(node, {"serial": 1, "vmtas": {"acme.mx-2": {"free": True}}})
    runtime.bump_epoch()
    assert send(vm, 1000)[WARMING] == 500


class TestPool:
    """Mail that may leave from warming vMTAs only waits before an attempt is counted."""

    def going(self, node: Any, vm: Any, count: int) -> int:
        messages = [node.message() for _ in range(count)]
        for message in messages:
            message.meta["tenant"] = "acme.mx-2"
            vm.fire("throttle_insert_ready_queue", message)
        return sum(message.due is None for message in messages)

    def test_what_the_ticket_allows_goes_at_once_and_the_rest_over_the_day(self, node: Any) -> None:
        runtime = node.runtime()
        vm = runtime.start()
        hand_out(node, 1, 20, day=60)
        runtime.bump_epoch()
        assert self.going(node, vm, 100) == 20
        node.clock.advance(43_200)
        assert self.going(node, vm, 100) == 20

    def test_without_a_ticket_one_looks_again_in_an_hour(self, node: Any) -> None:
        vm = node.runtime().start()
        assert self.going(node, vm, 10) == 1
        node.clock.advance(3600)
        assert self.going(node, vm, 10) == 1
