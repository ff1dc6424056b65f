"""From vMTAs to egress sources, one for each address, and from pools of the ones to pools of the others.

KumoMTA gives a source one address, and what is put into a ready queue stays with its source: where the hosts of a site
have no address of that family, the attempt fails and the message waits. So a pool with addresses of both families is
rendered three times, whole and once for each family, and the policy chooses by what the hosts have
(``kumo_policy/families.lua``): https://docs.kumomta.com/faq/how_do_I_skip_ipv6_mx_hosts_for_outbound_smtp/.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any, NamedTuple

from postmta_ctl.compiler import warmup
from postmta_ctl.compiler.model import VirtualMta
from postmta_ctl.compiler.names import FAMILIES, SourceName, family_pool, source_name
from postmta_ctl.compiler.pools import Entry, ordered

Table = dict[str, Any]


class Source(NamedTuple):
    """A vMTA at one of its addresses."""

    vmta: VirtualMta
    address: str
    is_second: bool = False

    @property
    def name(self) -> str:
        """As KumoMTA knows it."""
        return source_name(self.vmta.organization, self.vmta.name, self.vmta.version, is_second=self.is_second)

    @property
    def key(self) -> str:
        """Under which the policy keeps its address, whatever the version."""
        return SourceName(self.vmta.organization, self.vmta.name, self.vmta.version, self.is_second).key

    @property
    def family(self) -> int:
        """Version of the Internet Protocol."""
        return ipaddress.ip_address(self.address).version


class _Member(NamedTuple):
    source: Source
    weight: int


def sources_of(vmta: VirtualMta) -> list[Source]:
    """One, or both of a pair."""
    second = [] if vmta.ipv6_address is None else [Source(vmta, vmta.ipv6_address, is_second=True)]
    return [Source(vmta, vmta.address), *second]


def options(source: Source) -> Table:
    """``source`` and ``path`` options; of paused vMTAs too, since mail may still be on its way out."""
    vmta = source.vmta
    values: Table = {"ehlo_domain": vmta.ehlo_domain}
    match vmta.proxy_protocol:
        case "haproxy":
            values |= {"ha_proxy_server": vmta.proxy_server, "ha_proxy_source_address": source.address}
        case "socks5":
            values |= {"socks5_proxy_server": vmta.proxy_server, "socks5_proxy_source_address": source.address}
        case _:
            values["source_address"] = source.address
    # Without this a host of the other family would be tried, skipped, and end in a confusing failure.
    path: Table = {"ip_lookup_strategy": f"Ipv{source.family}Only"}
    table: Table = {"source": values, "path": path}
    if vmta.nodes:
        table["nodes"] = dict.fromkeys(sorted(vmta.nodes), True)
    if vmta.state == "warming" and vmta.daily_limit is None:
        return table | {"warming": True}
    if vmta.state == "warming" and vmta.daily_limit:
        # The key is the name of one bucket in the whole process: all sites of this vMTA share it, from both addresses.
        bucket = source_name(vmta.organization, vmta.name, vmta.version)
        path["additional_source_selection_rates"] = {f"postmta:{bucket}:daily": str(warmup.allowance(vmta.daily_limit))}
    return table


def pool_tables(pools: dict[str, list[Entry]]) -> tuple[Table, Table]:
    """Sources of each pool, in order, and weights by source where those of a pool are not all alike."""
    tables = {name: members for pool, entries in pools.items() for name, members in _variants(pool, entries)}
    weights = {name: {one.source.name: one.weight for one in members} for name, members in tables.items()}
    return (
        {name: [one.source.name for one in members] for name, members in tables.items()},
        {name: found for name, found in weights.items() if len(set(found.values())) > 1},
    )


def _variants(pool: str, entries: list[Entry]) -> Iterator[tuple[str, list[_Member]]]:
    yield pool, _members(entries)
    families = {source.family for each in entries for source in sources_of(each.vmta)}
    for family in FAMILIES if len(families) > 1 else ():
        yield family_pool(pool, family), list(_of_family(entries, family))


def _of_family(entries: list[Entry], family: int) -> Iterator[_Member]:
    able = [each for each in entries if any(one.family == family for one in sources_of(each.vmta))]
    for each in ordered(able):
        yield from (_Member(one, each.weight) for one in sources_of(each.vmta) if one.family == family)


def _members(entries: list[Entry]) -> list[_Member]:
    """A pair has the share of one vMTA, half of it by each address; its IPv6 address comes after all first ones.

    A fresh queue begins with the second entry: that is an IPv4 address where there is one, since receivers ask more of
    mail by IPv6.
    """
    has_pair = any(each.vmta.ipv6_address for each in entries)
    firsts, seconds = list[_Member](), list[_Member]()
    for each in entries:
        halves = sources_of(each.vmta)
        weight = each.weight * (2 if has_pair and len(halves) == 1 else 1)
        firsts.append(_Member(halves[0], weight))
        seconds += [_Member(half, weight) for half in halves[1:]]
    if len(firsts) == 1:
        return seconds + firsts
    # Those of warming vMTAs stay behind, but for the one that all begins with.
    behind = [one for one in firsts[1:] if one.source.vmta.state == "warming"]
    front = [one for one in firsts if one not in behind]
    seconds.sort(key=lambda one: one.source.vmta.state == "warming")
    established = [one for one in seconds if one.source.vmta.state != "warming"]
    return front + established + behind + seconds[len(established) :]
