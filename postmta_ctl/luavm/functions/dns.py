"""``kumo.dns``: look-ups through the node's resolver."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeVar

from postmta_ctl.luavm.dns import DnsFailure, Resolver
from postmta_ctl.luavm.errors import LuaProblem, not_simulated

if TYPE_CHECKING:
    from postmta_ctl.luavm.vm import Vm

T = TypeVar("T")


def _ask(vm: Vm, question: Callable[[Resolver], T]) -> T:
    if vm.node.resolver is None:
        raise not_simulated("DNS without a resolver behind it")
    try:
        return question(vm.node.resolver)
    except DnsFailure as failure:
        raise LuaProblem("dns_failure", str(failure)) from failure


def lookup_mx(vm: Vm, domain: str, _resolver: str | None) -> dict[str, Any]:
    """The mail exchangers: hosts in order, by preference, and the name under which KumoMTA rolls them up."""
    if domain.startswith("["):
        return _literal(domain)
    records = _ask(vm, lambda resolver: resolver.mx(domain))
    by_preference: dict[int, list[str]] = {}
    for preference, host in sorted(records or [(1, domain)]):
        by_preference.setdefault(preference, []).append(_qualified(host))
    hosts = [host for group in by_preference.values() for host in group]
    return {
        "domain_name": _qualified(domain),
        "hosts": hosts,
        "by_pref": by_preference,
        "site_name": site_name(hosts),
        "is_mx": bool(records),
        "is_domain_literal": False,
        "is_secure": False,
        "mta_sts": "None",
    }


def _literal(domain: str) -> dict[str, Any]:
    """An address in the place of a domain (RFC 5321, 4.1.3), which nobody is asked about."""
    host = domain.strip("[]").lower().removeprefix("ipv6:")
    return {
        "domain_name": domain,
        "hosts": [host],
        "by_pref": {1: [host]},
        "site_name": host,
        "is_mx": False,
        "is_domain_literal": True,
        "is_secure": False,
        "mta_sts": "None",
    }


def _qualified(name: str) -> str:
    return name.lower().rstrip(".") + "."


def site_name(hosts: Sequence[str]) -> str:
    """One name for a set of exchangers: labels, right-aligned, that differ are alternatives; ``?``: some lack it."""
    split = [host.lower().rstrip(".").split(".")[::-1] for host in hosts]
    columns = [list(dict.fromkeys(labels)) for labels in zip_longest(*split)]
    return ".".join(_alternatives(column) for column in columns[::-1])


def _alternatives(column: list[str | None]) -> str:
    labels = [label for label in column if label is not None]
    text = labels[0] if len(labels) == 1 else f"({'|'.join(labels)})"
    return text if len(labels) == len(column) else f"{text}?"


def lookup_addr(vm: Vm, host: str, _resolver: str | None = None, strategy: str | None = None) -> list[str]:
    """The addresses of a host, by families; one that is an address itself is answered whatever is asked for."""
    if _is_address(host):
        return [host]
    return _chosen(list(_ask(vm, lambda resolver: resolver.addresses(host))), strategy or "Ipv4AndIpv6")


def _is_address(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _chosen(addresses: list[str], strategy: str) -> list[str]:
    """``Ipv4Only``, ``Ipv6Only``, ``Ipv4AndIpv6``, ``Ipv4ThenIpv6`` (the second if there is none of the first) …"""
    first, second = ([one for one in addresses if (":" in one) == is_six] for is_six in (False, True))
    if strategy.startswith("Ipv6"):
        first, second = second, first
    if strategy.endswith("Only"):
        return first
    return first or second if "Then" in strategy else first + second


def _reversed(ip: str) -> str:
    try:
        pointer = ipaddress.ip_address(ip).reverse_pointer
    except ValueError as error:
        raise LuaProblem("bad_value", str(error), "ip") from error
    return pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")


def _ptr_host(_vm: Vm, ip: str) -> str:
    suffix = "ip6.arpa" if ":" in ip else "in-addr.arpa"
    return f"{_reversed(ip)}.{suffix}"


def rbl_lookup(vm: Vm, ip: str, base: str, _resolver: str | None) -> tuple[str | None, str | None]:
    """The listing of an address and its explanation, nil when it is not listed (RFC 5782)."""
    name = f"{_reversed(ip)}.{base}"
    try:
        addresses = _ask(vm, lambda resolver: resolver.addresses(name))
    except LuaProblem as problem:
        if problem.code == "dns_failure":
            return None, None
        raise
    if not addresses:
        return None, None
    return addresses[0], next(iter(_ask(vm, lambda resolver: resolver.txt(name))), None)


FUNCTIONS: dict[str, Callable[..., object]] = {
    "kumo.dns.lookup_mx": lookup_mx,
    "kumo.dns.lookup_txt": lambda vm, domain, _resolver: list(_ask(vm, lambda resolver: resolver.txt(domain))),
    "kumo.dns.lookup_ptr": lambda vm, ip, _resolver: list(_ask(vm, lambda resolver: resolver.ptr(ip))),
    "kumo.dns.lookup_addr": lookup_addr,
    "kumo.dns.ptr_host": _ptr_host,
    "kumo.dns.reverse_ip": lambda _vm, ip: _reversed(ip),
    "kumo.dns.rbl_lookup": rbl_lookup,
}
