"""Pairs of addresses: a vMTA that is two sources, and pools that give a host what can reach it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from postmta_ctl.compiler.build import build
from postmta_ctl.compiler.model import Organization, PolicyModel, Pool, PoolMember, VirtualMta
from postmta_ctl.compiler.render import render
from postmta_ctl.luavm.dns import DnsFailure
from postmta_ctl.luavm.selector import SourceSelector

PAIR_4, PAIR_6, FOUR, SIX = "acme.pair.r2", "acme.pair.r2.v6", "acme.four.r1", "acme.six.r1"
ADDRESSES = {
    "mx.four.test": ["203.0.113.1"],
    "mx.six.test": ["2001:db8:f::1"],
    "mx.both.test": ["203.0.113.2", "2001:db8:f::2"],
}


class Zone:
    """Domains of one family, of both, of each by another host, and one whose hosts have no addresses."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def mx(self, domain: str) -> Sequence[tuple[int, str]]:
        if domain == "split.test":
            return [(10, "mx.four.test"), (20, "mx.six.test")]
        if domain == "none.test":
            raise DnsFailure("NXDOMAIN")
        return [(10, f"mx.{domain}")]

    def addresses(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        if host == "mx.dead.test.":
            raise DnsFailure("SERVFAIL")
        return ADDRESSES[host.rstrip(".")]

    def txt(self, domain: str) -> Sequence[str]:
        raise AssertionError(domain)

    def ptr(self, address: str) -> Sequence[str]:
        raise AssertionError(address)


def vmta(name: str, address: str, **changes: Any) -> VirtualMta:
    values = {"organization": "acme", "name": name, "address": address, "ehlo_domain": f"{name}.acme.example"}
    return VirtualMta(**(values | changes))


PAIR = vmta("pair", "192.0.2.11", ipv6_address="2001:db8::11", version=2)
SINGLES = (vmta("four", "192.0.2.4"), vmta("six", "2001:db8::6"))


@pytest.fixture
def published(fleet: Any, model: PolicyModel) -> Any:
    """Publish these vMTAs, and run them with a DNS."""

    def publish(*vmtas: VirtualMta, **changes: Any) -> Any:
        own = {"vmtas": vmtas, "domains": (), "organizations": (Organization(slug="acme"),)} | changes
        fleet.publish(render(msgspec.structs.replace(model, **own)), release=8)
        return fleet.runtime(resolver=Zone()).start()

    return publish


def sources_to(vm: Any, domain: str, tenant: str = "acme") -> list[str]:
    pool = vm.egress_pool(vm.queue_config(domain, tenant).egress_pool)
    return [entry.name for entry in pool.entries]


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("four.test", [FOUR, PAIR_4]),
        ("six.test", [PAIR_6, SIX]),
        ("both.test", [FOUR, PAIR_4, SIX, PAIR_6]),
        ("split.test", [FOUR, PAIR_4, SIX, PAIR_6]),
        # What is not known gets the whole pool, as it would without a choice.
        ("none.test", [FOUR, PAIR_4, SIX, PAIR_6]),
        ("dead.test", [FOUR, PAIR_4, SIX, PAIR_6]),
    ],
)
def test_hosts_are_tried_from_addresses_of_their_family(published: Any, domain: str, expected: list[str]) -> None:
    assert sources_to(published(PAIR, *SINGLES), domain) == expected


def test_a_pinned_pair_chooses_likewise_and_is_two_sources_of_one_address_each(published: Any) -> None:
    vm = published(PAIR)
    assert sources_to(vm, "four.test", "acme.pair") == [PAIR_4]
    assert sources_to(vm, "six.test", "acme.pair") == [PAIR_6]
    # A fresh queue begins with the second entry.
    assert sources_to(vm, "both.test", "acme.pair") == [PAIR_6, PAIR_4]
    found = {name: vm.egress_source(name).values for name in (PAIR_4, PAIR_6)}
    assert [found[name]["source_address"] for name in found] == ["192.0.2.11", "2001:db8::11"]
    assert {one["ehlo_domain"] for one in found.values()} == {"pair.acme.example"}
    paths = [vm.egress_path("both.test", name, "mx.both.test").values for name in found]
    assert [path["ip_lookup_strategy"] for path in paths] == ["Ipv4Only", "Ipv6Only"]
    # What a vMTA may do at a site both halves do together: their limits are in buckets of the same names.
    shared = {"postmta:acme.pair:=mx.both.test": 8}
    assert [path["additional_connection_limits"] for path in paths] == [shared, shared]


def test_where_one_family_is_all_there_is_nothing_is_looked_up(published: Any, fleet: Any) -> None:
    published(SINGLES[0])
    zone = Zone()
    vm = fleet.runtime(resolver=zone).start()
    assert sources_to(vm, "six.test") == [FOUR]
    assert zone.asked == []


def test_a_smart_host_is_what_must_be_reached(published: Any, model: PolicyModel) -> None:
    def relayed(*hosts: str) -> list[str]:
        settings = msgspec.structs.replace(model.installation, smart_host=hosts)
        return sources_to(published(PAIR, installation=settings), "six.test")

    assert relayed("[192.0.2.99]:2525") == [PAIR_4]
    assert relayed("[2001:db8::99]:2525") == relayed("[2001:db8::99]") == [PAIR_6]
    assert relayed("mx.four.test:587") == [PAIR_4]
    assert relayed("mx.six.test", "[192.0.2.99]") == [PAIR_6, PAIR_4]


def test_the_half_of_a_pair_that_is_gone_leaves_from_what_is_left(published: Any) -> None:
    """For the second in which KumoMTA asks for sources of the version before."""
    vm = published(vmta("pair", "192.0.2.11", version=3))
    assert vm.egress_source(PAIR_6).values["source_address"] == "192.0.2.11"


def shares(vm: Any, domain: str, tenant: str = "acme") -> Counter[str]:
    pool = vm.egress_pool(vm.queue_config(domain, tenant).egress_pool)
    selector = SourceSelector(pool.entries)
    return Counter(selector.select(None, lambda _: []).source for _ in range(1200))


def test_a_pair_has_the_share_of_one_vmta(published: Any) -> None:
    vm = published(PAIR, *SINGLES)
    assert shares(vm, "four.test") == {FOUR: 600, PAIR_4: 600}
    by_source = shares(vm, "both.test")
    assert {name: round(count / 200) for name, count in by_source.items()} == {FOUR: 2, SIX: 2, PAIR_4: 1, PAIR_6: 1}


def test_weights_of_a_named_pool_hold_for_pairs(published: Any) -> None:
    members = (PoolMember(vmta="pair", weight=3), PoolMember(vmta="four", weight=1))
    pool = Pool(organization="acme", name="news", members=members)
    vm = published(PAIR, *SINGLES, pools=(pool,))
    assert {name: round(count / 300) for name, count in shares(vm, "four.test", "acme._news").items()} == {
        PAIR_4: 3,
        FOUR: 1,
    }
    assert sources_to(vm, "six.test", "acme._news") == [PAIR_6]
    by_source = shares(vm, "both.test", "acme._news")
    assert {name: round(count / 150) for name, count in by_source.items()} == {PAIR_4: 3, PAIR_6: 3, FOUR: 2}


def test_an_allowance_is_one_for_both_addresses(published: Any, fleet: Any) -> None:
    ticket = {"serial": 5, "size": 40, "day": 100, "limits": {"gmail": 4}}
    path = fleet.folder / "live" / "warmup.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"serial": 0, "vmtas": {}}))
    warming = msgspec.structs.replace(PAIR, state="warming")
    vm = published(warming, SINGLES[0])
    assert sources_to(vm, "both.test") == [FOUR], "nothing leaves from it without a ticket"
    fleet.clock.advance(301)  # the file is kept for five minutes, or to the next epoch
    path.write_text(json.dumps({"serial": 5, "vmtas": {"acme.pair": ticket}}))
    vm = fleet.runtime(resolver=Zone()).start()
    path.write_text(json.dumps({"serial": 6, "vmtas": {"acme.pair": ticket | {"serial": 6}}}))
    fleet.clock.advance(301)
    assert sources_to(vm, "both.test") == [PAIR_4, FOUR, PAIR_6], "an established one second"
    rates = [vm.egress_path("both.test", name, "x").values["additional_source_selection_rates"] for name in
             (PAIR_4, PAIR_6)]  # fmt: skip
    assert rates[0] == rates[1] == {"postmta:acme.pair:6": "local:40/100d"}


def test_a_fixed_rate_and_the_pace_of_a_pool_are_not_doubled(published: Any, model: PolicyModel) -> None:
    limited = msgspec.structs.replace(PAIR, state="warming", daily_limit=50)
    vm = published(limited)
    rates = [vm.egress_path("both.test", name, "x").values["additional_source_selection_rates"] for name in
             (PAIR_4, PAIR_6)]  # fmt: skip
    assert rates[0] == rates[1] == {"postmta:acme.pair.r2:daily": "26/d,max_burst=24"}
    own = {"vmtas": (limited,), "domains": (), "organizations": (Organization(slug="acme"),)}
    assert build(msgspec.structs.replace(model, **own)).tenants["acme"]["rate"] == "26/d,max_burst=24"
