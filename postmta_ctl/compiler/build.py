"""From the model to the tables of a bundle: names, pools and their order, warm-up rates, shards.

Everything is decided here. Templates only print, and the Lua only looks up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, overload

import msgspec

from postmta_ctl.compiler import sources, tsa, warmup
from postmta_ctl.compiler.model import (
    Greylisting,
    Installation,
    Listener,
    PolicyModel,
    SendingDomain,
    ShapingRule,
    Struct,
    VirtualMta,
)
from postmta_ctl.compiler.names import shard_count, shard_of, tenant_name
from postmta_ctl.compiler.pools import Entry, pools_of
from postmta_ctl.core.providers import BY_DOMAIN, BY_HOST
from postmta_ctl.core.shaping import MAINTAINED

Table = dict[str, Any]

DEFAULT_ROOT = "/opt/kumomta/etc/policy"
"""Where KumoMTA looks for a policy of its own accord."""
_REQUEST_BODY_LIMIT = 64 * 1024 * 1024
"""Bytes of one injection. KumoMTA's own 2 MiB is less than one message with attachments."""
_MESSAGE_SIZE = 25 * 1024 * 1024
"""Octets of a message by SMTP: what the API takes."""
_TRACE_HEADERS = {
    "received_header": True,
    "supplemental_header": True,
    "header_name": "X-KumoRef",
    "include_meta_names": ["x_rid", "tenant"],
}
"""As ``core.inject.TRACE_HEADERS``, but with the Received field that RFC 5321, 4.4 asks of whoever takes SMTP."""
_NOBODY = "0.0.0.0/32"
"""A peer that cannot be (RFC 1122, 3.2.1.3): left out, the list would mean the local host."""
_SIGNING_ORDER = ("rsa-sha256", "ed25519-sha256")


class BundleTables(Struct, frozen=True):
    """What the templates print and the shards hold; field names are the templates' variables."""

    default_root: str
    installation: Table
    greylisting: Table
    listeners: Table
    storage: Table
    tenants: Table
    pools: Table
    weights: Table
    sources: Table
    data: Table
    providers: Table
    shaping: Table
    tsa: Table | None
    """Of the TSA daemons; None: there are none, and then no file of theirs."""
    automation: Table
    """What the daemons go by, as KumoMTA's shaping files have it."""
    domains: Sequence[Table]
    """One table for each shard, from domain name to its organization and keys."""


def build(model: PolicyModel) -> BundleTables:
    """The tables of a bundle. The model must be free of errors (``compiler.check``); its order does not matter."""
    installation = model.installation
    domains, pools = _Shards(model.domains), pools_of(model)
    entries, weights = sources.pool_tables(pools)
    return BundleTables(
        default_root=DEFAULT_ROOT,
        installation=_installation(installation),
        greylisting=_greylisting(model.greylisting),
        listeners={
            "http": [_http_listener(each) for each in installation.http_listeners],
            "smtp": [_smtp_listener(each) for each in installation.smtp_listeners]
            + [_submission_listener(each) for each in installation.submission_listeners],
        },
        storage={
            "spool_path": installation.spool_path,
            "spool_kind": installation.spool_kind,
            "log_path": installation.log_path,
            "bounce_classifier_files": list(installation.bounce_classifier_files),
        },
        tenants=_tenants(pools),
        pools=entries,
        weights=weights,
        sources={each.key: sources.options(each) for vmta in model.vmtas for each in sources.sources_of(vmta)},
        data={"domains": {"shards": len(domains)}},
        providers={"domains": BY_DOMAIN, "hosts": BY_HOST},
        shaping=_shaping(model.shaping),
        tsa=tsa.table(installation.tsa),
        automation=tsa.automation_file(model),
        domains=domains,
    )


def _installation(installation: Installation) -> Table:
    queue: Table = {
        "retry_interval": installation.retry_interval,
        "max_retry_interval": installation.max_retry_interval,
        "max_age": installation.max_age,
    }
    if installation.smart_host:
        queue["protocol"] = {"smtp": {"mx_list": [_mx_entry(host) for host in installation.smart_host]}}
    return {
        "bounce_domain": installation.bounce_domain.lower(),
        "feedback_sender": installation.feedback_sender,
        "fence": installation.fence,
        "relay_domains": {
            name.lower(): [_mx_entry(host) for host in hosts] for name, hosts in installation.relay_domains.items()
        },
        "log_hook_batch_size": installation.log_hook_batch_size,
        "queue": queue,
        "path": dict(installation.path_defaults),
    }


def _greylisting(greylisting: Greylisting) -> Table:
    # Two sets in any order are the same policy.
    lists = {name: sorted(getattr(greylisting, name)) for name in ("allowed_networks", "allowed_domains")}
    return msgspec.structs.asdict(greylisting) | lists


def _mx_entry(host: str) -> str | Table:
    """A smart host in ``mx_list``: a name stays text, an address (in brackets, with or without port) is resolved."""
    literal, bracket, port = host.removeprefix("[").partition("]")
    if not bracket:
        return host
    address = f"[{literal}]" if ":" in literal else literal
    return {"name": literal, "addr": address + port if port else literal}


def _http_listener(listener: Listener) -> Table:
    options: Table = {
        "listen": listener.address,
        "trusted_hosts": list(listener.trusted_hosts),
        "request_body_limit": _REQUEST_BODY_LIMIT,
    }
    return options | ({"hostname": listener.hostname} if listener.hostname else {})


def _smtp_listener(listener: Listener) -> Table:
    options: Table = {
        "listen": listener.address,
        "relay_hosts": list(listener.relay_hosts) or [_NOBODY],
        "max_message_size": _MESSAGE_SIZE,
        "trace_headers": _TRACE_HEADERS,
    }
    given = {name: getattr(listener, name) for name in ("hostname", "tls_certificate", "tls_private_key")}
    return options | {name: value for name, value in given.items() if value}


def _submission_listener(listener: Listener) -> Table:
    return _smtp_listener(listener) | {"meta": {"x_submission": True}}


def _shaping(rules: tuple[ShapingRule, ...]) -> Table:
    organizations: dict[str, Table] = {}
    everybody: Table = {"providers": {}, "domains": {}}
    for rule in rules:
        table = everybody
        if rule.organization is not None:
            table = organizations.setdefault(rule.organization, {"providers": {}, "domains": {}})
        kind, target = ("providers", rule.provider) if rule.provider is not None else ("domains", rule.domain)
        table[kind][target] = rule.limits.options()
    maintained = {provider: each.limits.options() for provider, each in MAINTAINED.items()}
    return everybody | {"maintained": maintained, "organizations": organizations}


def _tenants(pools: dict[str, list[Entry]]) -> Table:
    return {
        name: {"organization": name.partition(".")[0], "pool": name} | _pool_rate([each.vmta for each in entries])
        for name, entries in pools.items()
    }


def _pool_rate(vmtas: list[VirtualMta]) -> Table:
    """A rate for the whole pool, if every vMTA in it has one: there is none that overflow could leave from."""
    if not vmtas or any(each.state != "warming" for each in vmtas):
        return {}
    limits = [each.daily_limit for each in vmtas if each.daily_limit]
    if len(limits) < len(vmtas):
        return {"warming": True}
    return {"rate": str(warmup.together(warmup.allowance(limit) for limit in limits))}


class _Shards(Sequence[Table]):
    """Tables that are made when they are asked for: a hundred thousand at once would be walked by each collection of
    garbage, which makes a large policy dearer by the domain than a small one.
    """

    def __init__(self, domains: tuple[SendingDomain, ...]) -> None:
        self._groups: list[list[SendingDomain]] = [[] for _ in range(shard_count(len(domains)))]
        for domain in domains:
            self._groups[shard_of(domain.name, len(self._groups))].append(domain)

    def __len__(self) -> int:
        return len(self._groups)

    @overload
    def __getitem__(self, number: int) -> Table: ...

    @overload
    def __getitem__(self, number: slice) -> list[Table]: ...

    def __getitem__(self, number: int | slice) -> Table | list[Table]:
        if isinstance(number, slice):
            return [_shard(group) for group in self._groups[number]]
        return _shard(self._groups[number])


def _shard(domains: Iterable[SendingDomain]) -> Table:
    return {domain.name: domain_entry(domain) for domain in domains}


def domain_entry(domain: SendingDomain) -> Table:
    """What the shard of a domain says about it."""
    keys = sorted(domain.keys, key=lambda key: (_SIGNING_ORDER.index(key.algorithm), key.selector))
    return {
        "organization": domain.organization,
        "keys": [msgspec.structs.asdict(key) for key in keys],
    } | ({"pool": tenant_name(domain.organization, pool=domain.pool)} if domain.pool else {})
