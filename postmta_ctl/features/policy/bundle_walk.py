"""Every name in a rendered bundle resolves, and no value in it is one of those that KumoMTA takes and misreads.

The model was checked before it was rendered; this looks at what a node would get, so that a bundle that was edited by
hand or brought from elsewhere is judged alike. Codes are listed in ``docs/policy-checks.md``.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator, Mapping

from postmta_ctl.compiler import formats
from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.check import Finding
from postmta_ctl.compiler.names import shard_file, shard_of
from postmta_ctl.features.policy import bundle_egress as egress
from postmta_ctl.features.policy.bundle_contents import MAX_SHARDS, Contents, Domain, expected_shards, read
from postmta_ctl.features.policy.bundle_files import file_problems
from postmta_ctl.features.policy.bundle_tsa import tsa_findings

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
    yield from egress.tenants(contents)
    yield from egress.pools(contents)
    yield from egress.sources(contents)
    yield from egress.paths("generated/installation.lua: path", contents.installation.path)
    yield from _hosts(contents)
    yield from egress.shaping(contents)
    yield from _listeners(contents)
    yield from _shards(bundle, contents)
    for name, domain in contents.domains.items():
        yield from _domain(contents, name, domain)


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
