"""Every name in a rendered bundle resolves, and no value in it is one of those that KumoMTA takes and misreads.

The model was checked before it was rendered; this looks at what a node would get, so that a bundle that was edited by
hand or brought from elsewhere is judged alike. Codes are listed in ``docs/policy-checks.md``.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from postmta_ctl.compiler import formats
from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.check import Finding
from postmta_ctl.compiler.check_shaping import limit_problems
from postmta_ctl.compiler.names import family_pool, parse_source, parse_tenant, shard_file, shard_of
from postmta_ctl.core.providers import NAMES
from postmta_ctl.core.shaping import Limits
from postmta_ctl.features.policy.bundle_contents import MAX_SHARDS, Contents, Domain, Source, expected_shards, read
from postmta_ctl.features.policy.bundle_files import file_problems
from postmta_ctl.features.policy.bundle_tsa import tsa_findings
from postmta_ctl.luavm.formats import parse_throttle

MAX_READY = 100_000
"""A path's ``max_ready`` above this lets one provider that stalls fill the memory of a node."""
_RATES = ("additional_message_rate_throttles", "additional_source_selection_rates", "additional_connection_limits")
_PROXIES = ("ha_proxy", "socks5_proxy")
_TRUSTED = {4: 256, 6: 2**64}
"""Addresses in one entry of ``trusted_hosts`` at most, by IP version: who is in it may do everything."""


def walk(bundle: Bundle) -> list[Finding]:
    """What is wrong with the files of a bundle, without running more of it than its tables."""
    findings = [*file_problems(bundle), *tsa_findings(bundle)]
    contents, problems = read(bundle)
    findings += problems
    if contents is not None:
        findings += _contents(bundle, contents)
    return sorted(findings, key=lambda each: (each.where, each.code))


def _contents(bundle: Bundle, contents: Contents) -> Iterator[Finding]:
    yield from _tenants(contents)
    yield from _pools(contents)
    yield from _sources(contents)
    yield from _path("generated/installation.lua: path", contents.installation.path)
    yield from _hosts(contents)
    yield from _shaping(contents)
    yield from _listeners(contents)
    yield from _shards(bundle, contents)
    for name, domain in contents.domains.items():
        yield from _domain(contents, name, domain)


def _tenants(contents: Contents) -> Iterator[Finding]:
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


def _pools(contents: Contents) -> Iterator[Finding]:
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


def _sources(contents: Contents) -> Iterator[Finding]:
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
        yield from _path(where, source.path, vmta)


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


def _path(where: str, path: Mapping[str, Any], source: str | None = None) -> Iterator[Finding]:
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


def _shaping(contents: Contents) -> Iterator[Finding]:
    shaping = contents.shaping
    everybody = {"maintained": shaping.maintained, "providers": shaping.providers, "domains": shaping.domains}
    yield from _rules("generated/shaping.lua", everybody)
    for organization, rules in shaping.organizations.items():
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


def _hosts(contents: Contents) -> Iterator[Finding]:
    """KumoMTA finds out about a wrong one when it has mail for it."""
    protocol = contents.installation.queue.get("protocol") or {}
    lists = dict(contents.installation.relay_domains)
    if isinstance(protocol, Mapping) and isinstance(smtp := protocol.get("smtp"), Mapping):
        lists["queue"] = smtp.get("mx_list")
    for name, hosts in lists.items():
        where = f"generated/installation.lua: {name}"
        if not isinstance(hosts, list) or not hosts:
            yield Finding(code="no-relay-host", message="needs a host to pass mail on to", where=where)
        for host in hosts if isinstance(hosts, list) else ():
            if not _is_host(host):
                message = f"{host} is neither a host name nor an address"
                yield Finding(code="bad-smart-host", message=message, where=where)


def _is_host(host: object) -> bool:
    if isinstance(host, str):
        return formats.is_smart_host(host)
    address = host.get("addr") if isinstance(host, Mapping) else None
    return isinstance(address, str) and (formats.is_address(address) or formats.is_socket_address(address))


def _listeners(contents: Contents) -> Iterator[Finding]:
    for kind, options in [("http", each) for each in contents.listeners.http] + [
        ("smtp", each) for each in contents.listeners.smtp
    ]:
        where = f"generated/listeners.lua: {kind} {options.get('listen')}"
        yield from _networks(where, "trusted_hosts", options.get("trusted_hosts"))
        yield from _networks(where, "relay_hosts", options.get("relay_hosts"))
        meta = options.get("meta")
        if isinstance(meta, Mapping) and meta.get("x_submission") and options.get("relay_hosts") != ["0.0.0.0/32"]:
            message = "who submits authenticates: a host that may relay would never be asked"
            yield Finding(code="submission-relay", message=message, where=where)
        if kind == "smtp" and not options.get("relay_hosts"):
            message = "without relay_hosts KumoMTA lets the local host relay"
            yield Finding(code="no-relay-hosts", message=message, where=where)


def _networks(where: str, option: str, networks: object) -> Iterator[Finding]:
    for text in networks if isinstance(networks, list) else []:
        if not isinstance(text, str) or not formats.is_network(text):
            message = f"{option}: {text!r} is neither an address nor a CIDR block without host bits"
            yield Finding(code="bad-network", message=message, where=where)
            continue
        network = ipaddress.ip_network(text)
        if option == "relay_hosts" and network.prefixlen == 0:
            message = f"{option}: {text} lets anybody relay"
            yield Finding(code="open-relay", message=message, where=where)
        if option == "trusted_hosts" and not network.is_loopback and network.num_addresses > _TRUSTED[network.version]:
            message = f"{option}: {text} gives everybody in it full control of the node"
            yield Finding(code="broad-trusted-hosts", message=message, where=where)


def _shards(bundle: Bundle, contents: Contents) -> Iterator[Finding]:
    count = contents.data.domains.shards
    if not 1 <= count <= MAX_SHARDS or count & (count - 1):
        message = f"{count} is no power of two up to {MAX_SHARDS}"
        yield Finding(code="bad-shard-count", message=message, where="generated/data.lua: domains")
        return
    there = {path for path in bundle.digests if path.startswith("data/domains/")}
    for path in expected_shards(contents) - there:
        yield Finding(code="missing-shard", message="no domain in it would be found", where=path)
    for path in there - expected_shards(contents):
        yield Finding(code="stray-shard", message="nothing looks in it", where=path)
    for name, path in contents.files.items():
        if path != (expected := shard_file("domains", shard_of(name, count))):
            message = f"is looked for in {expected}, so it would not be found"
            yield Finding(code="wrong-shard", message=message, where=f"{path}: {name}")


def _domain(contents: Contents, name: str, domain: Domain) -> Iterator[Finding]:
    where = f"{contents.files[name]}: {name}"
    if not formats.is_host(name):
        yield Finding(code="bad-domain", message="not a domain in lower case and A-label form", where=where)
    if domain.organization not in contents.tenants:
        message = f"there is no organization {domain.organization}"
        yield Finding(code="unknown-organization", message=message, where=where)
    if domain.pool is not None and domain.pool not in contents.tenants:
        yield Finding(code="unknown-pool", message=f"there is no pool {domain.pool}", where=where)
    elif domain.pool is not None and domain.pool.partition(".")[0] != domain.organization:
        yield Finding(code="foreign-source", message=f"pool {domain.pool} is another organization's", where=where)
    yield from _keys(where, domain)


def _keys(where: str, domain: Domain) -> Iterator[Finding]:
    for key in domain.keys:
        if not formats.is_selector(key.selector):
            yield Finding(code="bad-selector", message=f"{key.selector!r} is no DKIM selector", where=where)
        if not formats.is_key_id(key.id):
            yield Finding(code="bad-key-id", message=f"{key.id!r} cannot be part of a file's name", where=where)
        if key.algorithm not in ("rsa-sha256", "ed25519-sha256"):
            yield Finding(code="bad-algorithm", message=f"{key.algorithm!r} signs nothing", where=where)
    for selector, count in Counter(key.selector for key in domain.keys).items():
        if count > 1:
            yield Finding(code="duplicate-selector", message=f"two keys under {selector!r}", where=where)
