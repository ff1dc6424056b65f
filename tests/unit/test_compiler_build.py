"""What the compiler decides: pools and their order, sources, rates, listeners, shards."""

from __future__ import annotations

from typing import Any

import pytest

from postmta_ctl.compiler.build import build
from postmta_ctl.compiler.model import (
    Installation,
    Listener,
    Organization,
    PolicyModel,
    SendingDomain,
    SigningKey,
    VirtualMta,
)


def vmta(name: str, **changes: Any) -> VirtualMta:
    return VirtualMta(
        **({"organization": "acme", "name": name, "address": "192.0.2.1", "ehlo_domain": f"{name}.example"} | changes)
    )


def tables(*vmtas: VirtualMta, **installation: Any) -> Any:
    settings = Installation(bounce_domain="bounce.example", **installation)
    return build(PolicyModel(installation=settings, organizations=(Organization(slug="acme"),), vmtas=vmtas))


def test_one_warming_vmta_comes_first_and_an_established_one_second() -> None:
    warming = [vmta(name, state="warming", daily_limit=10) for name in ("a", "b")]
    assert tables(*warming, vmta("y"), vmta("z")).pools["acme"] == ["acme.a.r1", "acme.y.r1", "acme.z.r1", "acme.b.r1"]


def test_paused_and_used_up_vmtas_are_in_no_pool_but_stay_sources() -> None:
    built = tables(vmta("a", state="paused"), vmta("b", state="warming", daily_limit=0), vmta("c"))
    assert built.pools == {"acme": ["acme.c.r1"], "acme.a": [], "acme.b": [], "acme.c": ["acme.c.r1"]}
    assert sorted(built.sources) == ["acme.a", "acme.b", "acme.c"]


def test_each_vmta_is_a_tenant_of_its_own_for_pinned_mail() -> None:
    assert tables(vmta("a")).tenants == {
        "acme": {"organization": "acme", "pool": "acme"},
        "acme.a": {"organization": "acme", "pool": "acme.a"},
    }


def test_a_version_is_part_of_the_source_name_and_of_the_warm_up_bucket() -> None:
    built = tables(vmta("a", version=4, state="warming", daily_limit=50))
    assert built.pools["acme"] == ["acme.a.r4"]
    rates = built.sources["acme.a"]["path"]["additional_source_selection_rates"]
    assert rates == {"postmta:acme.a.r4:daily": "26/d,max_burst=24"}


def test_a_pool_of_warming_vmtas_has_a_rate_of_its_own() -> None:
    warming = [vmta(name, state="warming", daily_limit=limit) for name, limit in (("a", 50), ("b", 20))]
    assert tables(*warming).tenants["acme"]["rate"] == "37/d,max_burst=34"


@pytest.mark.parametrize("other", [vmta("z"), vmta("z", state="warming")])
def test_a_pool_with_an_unlimited_vmta_has_no_rate(other: VirtualMta) -> None:
    assert "rate" not in tables(vmta("a", state="warming", daily_limit=50), other).tenants["acme"]


def test_an_active_vmta_has_no_rate_even_with_a_limit() -> None:
    assert "additional_source_selection_rates" not in tables(vmta("a", daily_limit=5)).sources["acme.a"]["path"]


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        (None, {"source_address": "192.0.2.1"}),
        ("haproxy", {"ha_proxy_server": "10.0.0.1:5000", "ha_proxy_source_address": "192.0.2.1"}),
        ("socks5", {"socks5_proxy_server": "10.0.0.1:5000", "socks5_proxy_source_address": "192.0.2.1"}),
    ],
)
def test_a_proxy_binds_the_address_instead_of_the_node(protocol: str | None, expected: dict[str, str]) -> None:
    server = "10.0.0.1:5000" if protocol else None
    source = tables(vmta("a", proxy_protocol=protocol, proxy_server=server)).sources["acme.a"]["source"]
    assert source == {"ehlo_domain": "a.example"} | expected


def test_a_path_keeps_to_the_address_family_of_its_source() -> None:
    sources = tables(vmta("a"), vmta("b", address="2001:db8::1")).sources
    assert sources["acme.a"]["path"] == {"ip_lookup_strategy": "Ipv4Only"}
    assert sources["acme.b"]["path"] == {"ip_lookup_strategy": "Ipv6Only"}


@pytest.mark.parametrize(
    ("host", "entry"),
    [
        ("relay.example", "relay.example"),
        ("relay.example:587", "relay.example:587"),
        ("[192.0.2.9]", {"name": "192.0.2.9", "addr": "192.0.2.9"}),
        ("[192.0.2.9]:26", {"name": "192.0.2.9", "addr": "192.0.2.9:26"}),
        ("[2001:db8::9]:26", {"name": "2001:db8::9", "addr": "[2001:db8::9]:26"}),
    ],
)
def test_a_smart_host_takes_the_place_of_the_mx(host: str, entry: Any) -> None:
    assert tables(smart_host=(host,)).installation["queue"]["protocol"] == {"smtp": {"mx_list": [entry]}}


def test_without_a_smart_host_mail_goes_by_mx() -> None:
    assert "protocol" not in tables().installation["queue"]


def test_no_listener_trusts_anybody_by_default() -> None:
    listeners = tables(
        http_listeners=(Listener(address="127.0.0.1:8000"),), smtp_listeners=(Listener(address="127.0.0.1:25"),)
    ).listeners
    assert listeners["http"][0]["trusted_hosts"] == []
    # An empty list would be left out by KumoMTA's reading and mean the local host.
    assert listeners["smtp"][0]["relay_hosts"] == ["0.0.0.0/32"]


def test_listener_settings_are_kept() -> None:
    smtp = Listener(address="[::1]:25", hostname="mx.example", relay_hosts=("10.0.0.0/8",))
    (options,) = tables(smtp_listeners=(smtp,)).listeners["smtp"]
    given = {"listen": "[::1]:25", "hostname": "mx.example", "relay_hosts": ["10.0.0.0/8"]}
    assert given == {name: options[name] for name in given}


def test_keys_are_signed_with_in_order_rsa_before_ed25519() -> None:
    keys = tuple(
        SigningKey(selector=selector, algorithm=algorithm, id="1")
        for selector, algorithm in (("a", "ed25519-sha256"), ("z", "rsa-sha256"), ("b", "rsa-sha256"))
    )
    domain = SendingDomain(name="acme.example", organization="acme", keys=keys)
    model = PolicyModel(installation=Installation(bounce_domain="b.example"), domains=(domain,))
    (shard,) = build(model).domains
    assert [key["selector"] for key in shard["acme.example"]["keys"]] == ["b", "z", "a"]


def test_many_domains_are_spread_over_a_power_of_two_of_shards() -> None:
    domains = tuple(SendingDomain(name=f"d{number}.example", organization="acme") for number in range(100))
    built = build(PolicyModel(installation=Installation(bounce_domain="b.example"), domains=domains))
    assert built.data == {"domains": {"shards": 4}}
    assert min(len(shard) for shard in built.domains) > 0
    assert sum(len(shard) for shard in built.domains) == 100
