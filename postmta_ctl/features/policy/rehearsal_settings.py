"""What a policy answers KumoMTA beside mail: queues, pools, listeners, access, and what it watches for changes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from postmta_ctl.features.policy.bundle_contents import Contents
from postmta_ctl.features.policy.rehearsal_acts import Act, stranger
from postmta_ctl.luavm import Vm
from postmta_ctl.luavm.catalogue import catalogue

_LISTENER = "127.0.0.1:8000"
_DOORS = (("POST", "/api/inject/v1"), ("POST", "/api/admin/bump-config-epoch"), ("GET", "/metrics"))
_STRANGER = {"identities": [{"identity": "192.0.2.1", "context": "HttpBasicAuth"}]}
_MAX_TTL_SECONDS = 1
UNSPECIFIED = "unspecified"


def acts(vm: Vm, contents: Contents) -> Iterator[Act]:
    """All of it."""
    yield Act("any path", lambda: _path(vm))
    for tenant in (None, "no-such-tenant"):
        where = f"queue of {tenant or 'no tenant'}"
        yield Act(where, partial(_leak, vm, tenant), "default-address")
    for pool in contents.pools:
        yield Act(f"pool {pool}", partial(_fresh, vm, pool), "stale-pool")
    yield Act("queue", lambda: _epoch(vm, next(iter(contents.tenants), None)), "stale-queue")
    yield Act("listener domain", lambda: _reports(vm, contents), "reports-of-others")
    yield Act("bounce domain", lambda: _bounces(vm, contents), "no-reports")
    yield Act("acl.toml", lambda: _access(vm), "open-acl")
    yield Act("config monitor", lambda: _monitored(vm), "not-monitored")
    yield Act("events", lambda: _handlers(vm), "second-handler")


def _path(vm: Vm) -> None:
    """Options that every path has are taken, whether there is a vMTA yet or not."""
    vm.egress_path("recipient.example", UNSPECIFIED, "mx.recipient.example")


def _leak(vm: Vm, tenant: str | None) -> str | None:
    """What belongs to nobody must not leave from the host's default address."""
    pool = vm.queue_config("recipient.example", tenant).egress_pool
    if pool == UNSPECIFIED:
        return "its mail would leave from the host's default address"
    return f"its mail would leave from pool {pool}" if vm.egress_pool(pool).entries else None


def _fresh(vm: Vm, pool: str) -> str | None:
    """KumoMTA keeps pools and sources for their ttl whatever the epoch."""
    found = vm.egress_pool(pool)
    kept = {pool: found.seconds("ttl")}
    kept |= {entry.name: vm.egress_source(entry.name).seconds("ttl") for entry in found.entries}
    for name, ttl in kept.items():
        if ttl is None or ttl > _MAX_TTL_SECONDS:
            return f"{name} is kept for {ttl or 60:g} s after a change: ttl at most {_MAX_TTL_SECONDS} s"
    return None


def _epoch(vm: Vm, tenant: str | None) -> str | None:
    strategies = {
        vm.queue_config("recipient.example", tenant).values.get("refresh_strategy"),
        vm.egress_path("recipient.example", UNSPECIFIED, "mx.recipient.example").values.get("refresh_strategy"),
    }
    return None if strategies == {"Epoch"} else "queues and paths must be refreshed by the epoch"


def _reports(vm: Vm, contents: Contents) -> str | None:
    """Reports of domains that are nobody's here would be read, and mail for them taken in."""
    for name in ("stranger.example", *contents.installation.relay_domains):
        found = vm.listener_domain(name, "192.0.2.25:25", stranger(contents))
        if found is None:
            continue
        if name == "stranger.example":
            return f"takes mail in for {name}"
        if any(found.values.get(option) not in (None, False, "Ignore") for option in ("log_oob", "log_arf")):
            return f"reads and drops what looks like a report among the mail of {name}"
    return None


def _bounces(vm: Vm, contents: Contents) -> str | None:
    domain = contents.installation.bounce_domain
    found = vm.listener_domain(domain, "192.0.2.25:25", stranger(contents))
    values = found.values if found else {}
    if {values.get("log_oob"), values.get("log_arf")} != {"LogThenDrop"} or values.get("relay_to"):
        return f"bounces and complaints to {domain} must be read and dropped"
    return None


def _access(vm: Vm) -> str | None:
    """The HTTP listener has full control of the node, so nobody gets in without the token."""
    if vm.validates_bearer_auth("another token") is not False:
        return "takes any token for that of the control plane"
    for method, path in _DOORS:
        if any(vm.allows(_LISTENER, method, path, who) for who in ({}, _STRANGER)):
            return f"lets anybody {method} {path}"
    return None


def _monitored(vm: Vm) -> str | None:
    """Without it a publication that could not bump the epoch would never be seen."""
    watched = vm.node.settings.get("kumo.set_config_monitor_globs") or []
    if not any(str(one).endswith("/current") for one in watched):
        return "the file `current` is not among the files that KumoMTA watches"
    wide = [str(one) for one in watched if "*" in str(one)]
    return f"{wide[0]} is hashed every ten seconds" if wide else None


def _handlers(vm: Vm) -> str | None:
    """Of an event that takes many the first that answers is the last that runs: a second one never would."""
    for event, handlers in vm.handlers.items():
        if len(handlers) > 1 and event in catalogue().events:
            line = handlers[1].place.line
            return f"{event} has a second handler (line {line}), which the first one keeps from running"
    return None
