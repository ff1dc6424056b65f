"""What a rendered bundle says of where mail leaves from, and how fast: tenants, pools, sources, paths and shaping."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from postmta_ctl.compiler import formats
from postmta_ctl.compiler.check import Finding
from postmta_ctl.compiler.check_shaping import limit_problems
from postmta_ctl.compiler.names import family_pool, parse_source, parse_tenant
from postmta_ctl.core.providers import NAMES
from postmta_ctl.core.shaping import Limits
from postmta_ctl.features.policy.bundle_contents import Contents, Source
from postmta_ctl.luavm.formats import parse_throttle

MAX_READY = 100_000
"""A path's ``max_ready`` above this lets one provider that stalls fill the memory of a node."""
_RATES = ("additional_message_rate_throttles", "additional_source_selection_rates", "additional_connection_limits")
_PROXIES = ("ha_proxy", "socks5_proxy")


def tenants(contents: Contents) -> Iterator[Finding]:
    """Each leaves by a pool that is there, as one of an organization's."""
    for name, tenant in contents.tenants.items():
        where = f"generated/tenants.lua: {name}"
        if parse_tenant(name) is None:
            # A separator of queue names in it would make two queues of one, or one of two.
            message = "no tenant's name: organization, organization.vmta or organization._pool"
            yield Finding(code="bad-tenant", message=message, where=where)
        if tenant.pool not in contents.pools:
            yield Finding(code="unknown-pool", message=f"there is no pool {tenant.pool}", where=where)
        if tenant.organization not in contents.tenants:
            message = f"there is no organization {tenant.organization}"
            yield Finding(code="unknown-organization", message=message, where=where)
        elif name.partition(".")[0] != tenant.organization:
            message = f"its mail would leave as that of {tenant.organization}"
            yield Finding(code="foreign-tenant", message=message, where=where)
        if tenant.rate is not None and not formats.is_rate(tenant.rate):
            yield Finding(code="bad-rate", message=f"{tenant.rate!r} is no rate", where=where)


def pools(contents: Contents) -> Iterator[Finding]:
    """What is in each is a source of its organization."""
    for name, entries in contents.pools.items():
        where = f"generated/pools.lua: {name}"
        for source in entries:
            yield from _entry(contents, where, name, source)
        for source, count in Counter(entries).items():
            if count > 1:
                yield Finding(code="duplicate-member", message=f"{source} is in it twice", where=where)
        yield from _warming(contents, where, name)
        yield from _families(contents, name)
    for name, weights in contents.weights.items():
        where = f"generated/weights.lua: {name}"
        for source in weights.keys() - set(contents.pools.get(name, ())):
            yield Finding(code="unknown-source", message=f"{source} is in no pool {name}", where=where)
        for source, weight in weights.items():
            if weight < 1:
                yield Finding(code="bad-weight", message=f"the weight of {source} is {weight}", where=where)


def _families(contents: Contents, name: str) -> Iterator[Finding]:
    """``pool/v4`` and ``pool/v6`` are there together, beside the pool, and hold what can reach such hosts."""
    pool, slash, family = name.partition("/")
    where = f"generated/pools.lua: {name}"
    if not slash:
        return
    beside = (pool, family_pool(pool, 4), family_pool(pool, 6))
    if name not in beside or any(each not in contents.pools for each in beside):
        message = f"belongs to {beside[0]}, {beside[1]} and {beside[2]}, which are there together or not at all"
        yield Finding(code="bad-family-pool", message=message, where=where)
    for source in contents.pools[name]:
        if family != f"v{_family(contents, _key(source))}":
            message = f"{source} reaches no host that has IP{family} addresses only"
            yield Finding(code="wrong-family", message=message, where=where)


def _entry(contents: Contents, where: str, pool: str, source: str) -> Iterator[Finding]:
    parts = parse_source(source)
    if parts is None:
        # KumoMTA freezes the address of a source in a busy ready queue: another address needs another name.
        message = f"{source} is no versioned source, organization.vmta.r1"
        yield Finding(code="unversioned-source", message=message, where=where)
    elif parts.key not in contents.sources:
        yield Finding(code="unknown-source", message=f"there is no source {source}", where=where)
    elif parts.organization != re.split(r"[./]", pool)[0]:
        message = f"{source} is another organization's"
        yield Finding(code="foreign-source", message=message, where=where)


def _warming(contents: Contents, where: str, pool: str) -> Iterator[Finding]:
    """A pool whose sources are all limited must pace its mail before attempts are counted; and the order matters."""
    limited = [_is_limited(contents.sources.get(_key(source))) for source in contents.pools[pool]]
    tenants = [each for each in contents.tenants.values() if each.pool == pool]
    if limited and all(limited) and any(not (each.rate or each.warming) for each in tenants):
        message = "all its sources are warming, and its tenant has no pace: attempts would be burnt"
        yield Finding(code="unpaced-warming-pool", message=message, where=where)
    if len(limited) > 1 and not all(limited) and limited[1]:
        message = "a fresh queue begins with the second entry, which must be an established one"
        yield Finding(code="warming-second", message=message, where=where)


def _key(source: str) -> str:
    parts = parse_source(source)
    return parts.key if parts else source


def _is_limited(source: Source | None) -> bool:
    return source is not None and (source.warming or bool(source.path.get("additional_source_selection_rates")))


def sources(contents: Contents) -> Iterator[Finding]:
    """Each is one address of a vMTA, or a whole proxy, and its options are right."""
    for name, source in contents.sources.items():
        where = f"generated/sources.lua: {name}"
        vmta = _vmta(name)
        parts = parse_tenant(vmta)
        if parts is None or parts.vmta is None:
            yield Finding(code="bad-source", message="no source's name: organization.vmta", where=where)
        yield from _half(contents, where, name)
        for proxy in _PROXIES:
            halves = (source.source.get(f"{proxy}_server"), source.source.get(f"{proxy}_source_address"))
            if any(halves) != all(halves):
                message = f"{proxy} needs both its server and its source address"
                yield Finding(code="half-proxy", message=message, where=where)
        if not any(source.source.get(key) for key in ("source_address", *(f"{each}_server" for each in _PROXIES))):
            message = "without an address mail would leave from the host's default one"
            yield Finding(code="no-address", message=message, where=where)
        yield from paths(where, source.path, vmta)


def _vmta(key: str) -> str:
    """The vMTA of an entry in the sources: the IPv6 half of a pair has a third part."""
    return key.removesuffix(".v6") if key.count(".") == 2 else key


def _half(contents: Contents, where: str, name: str) -> Iterator[Finding]:
    """Of a pair the first half is the IPv4 one: the choice by the receiving hosts' addresses relies on it."""
    if name != _vmta(name) and (_family(contents, name), _family(contents, _vmta(name))) != (6, 4):
        message = f"the IPv6 half of {_vmta(name)}, whose own address must be an IPv4 one"
        yield Finding(code="bad-pair", message=message, where=where)


def _family(contents: Contents, name: str) -> int | None:
    """By what it looks up, which is what it can reach."""
    strategy = contents.sources[name].path.get("ip_lookup_strategy") if name in contents.sources else None
    return {"Ipv4Only": 4, "Ipv6Only": 6}.get(str(strategy))


def paths(where: str, path: Mapping[str, Any], source: str | None = None) -> Iterator[Finding]:
    """Options of one source, or of every path, that KumoMTA takes and that do harm."""
    ready = path.get("max_ready")
    if isinstance(ready, int) and ready > MAX_READY:
        message = f"max_ready {ready} lets one stalled provider fill the memory: at most {MAX_READY}"
        yield Finding(code="large-max-ready", message=message, where=where)
    for option in _RATES:
        rates = path.get(option) or {}
        if not isinstance(rates, Mapping):
            yield Finding(code="bad-rate", message=f"{option} must be a table", where=where)
            continue
        for key, rate in rates.items():
            yield from _named_rate(where, option, str(key), rate, source)


def _named_rate(where: str, option: str, key: str, rate: object, source: str | None) -> Iterator[Finding]:
    """The key is the name of one bucket in the whole process: a general one would be shared by accident."""
    if source is None:
        message = f"{option} {key!r} is one bucket that the paths of all organizations share"
        yield Finding(code="shared-bucket", message=message, where=where, severity="warning")
    elif not key.startswith((f"postmta:{source}:", f"postmta:{source}.")):
        message = f"{option} {key!r} is no bucket of its own: postmta:{source}:…"
        yield Finding(code="shared-bucket", message=message, where=where)
    if option == "additional_connection_limits":
        return
    try:
        spec = parse_throttle(str(rate))
    except ValueError as error:
        yield Finding(code="bad-rate", message=f"{option} {key!r}: {error}", where=where)
        return
    if spec.period >= 86400 and spec.max_burst is None:
        message = f"{option} {key!r}: {rate} without max_burst lets twice as much out on its first day"
        yield Finding(code="no-max-burst", message=message, where=where)


def shaping(contents: Contents) -> Iterator[Finding]:
    """Rules are for what is there, and say what KumoMTA understands."""
    given = contents.shaping
    everybody = {"maintained": given.maintained, "providers": given.providers, "domains": given.domains}
    yield from _rules("generated/shaping.lua", everybody)
    for organization, rules in given.organizations.items():
        where = f"generated/shaping.lua: {organization}"
        if organization not in contents.tenants:
            message = f"there is no organization {organization}"
            yield Finding(code="unknown-organization", message=message, where=where)
        yield from _rules(where, {"providers": rules.providers, "domains": rules.domains})


def _rules(where: str, tables: Mapping[str, Mapping[str, Limits]]) -> Iterator[Finding]:
    for kind, rules in tables.items():
        for target, limits in rules.items():
            place = f"{where}: {kind} {target}"
            if kind == "domains" and not formats.is_host(target):
                message = "not a domain in lower case and A-label form"
                yield Finding(code="bad-domain", message=message, where=place)
            elif kind != "domains" and target not in NAMES:
                message = f"there is no provider {target}: nothing would come under it"
                yield Finding(code="unknown-provider", message=message, where=place)
            for problem in limit_problems(place, limits.options()):
                yield Finding(**problem._asdict())
