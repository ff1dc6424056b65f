"""What is wrong with a model, before anything is rendered: each trouble with a stable code and its place.

Errors make a policy that KumoMTA would refuse or, worse, take and misread; warnings are meant for a person. Whether
KumoMTA takes every option is proved afterwards, by running the rendered policy.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from postmta_ctl.compiler import formats
from postmta_ctl.compiler.check_pools import pool_problems
from postmta_ctl.compiler.check_shaping import shaping_problems
from postmta_ctl.compiler.check_tsa import tsa_problems
from postmta_ctl.compiler.model import Greylisting, Installation, Listener, PolicyModel, SendingDomain, VirtualMta
from postmta_ctl.compiler.names import SLUG

_STATES = ("active", "warming", "paused")
_ALGORITHMS = ("rsa-sha256", "ed25519-sha256")
_PROXIES = ("haproxy", "socks5")
_SPOOLS = ("RocksDB", "LocalDisk")
_FEEDBACK_SENDER = re.compile(r"[A-Za-z0-9._-]{5,15}\Z")
_RATE_OPTIONS = ("max_message_rate", "max_connection_rate", "source_selection_rate")
_OWN_PATH_OPTIONS = ("additional_source_selection_rates", "refresh_strategy")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong."""

    code: str
    """Stable, for programs: ``duplicate-vmta``."""
    message: str
    where: str
    """What it is about: ``vmta acme.mx1``, ``domain acme.example``, ``installation.max_age``."""
    severity: Literal["error", "warning"] = "error"


def check(model: PolicyModel) -> list[Finding]:
    """All findings, errors first; an empty list is a model without fault."""
    findings = [
        *_texts(model),
        *_installation(model.installation),
        *_greylisting(model.greylisting),
        *_organizations(model),
        *(finding for vmta in model.vmtas for finding in _vmta(vmta)),
        *(finding for domain in model.domains for finding in _domain(domain)),
        *_references(model),
        *_pools(model),
        *(Finding(**problem._asdict()) for problem in shaping_problems(model)),
        *(Finding(**problem._asdict()) for problem in tsa_problems(model)),
    ]
    return sorted(findings, key=lambda each: (each.severity, each.where, each.code))


def _texts(model: PolicyModel) -> Iterator[Finding]:
    """No field has a use for control characters, and some end up in queue names, headers or file names."""
    for path, text in _strings(msgspec.to_builtins(model), ""):
        if any(ord(character) < 32 or ord(character) == 127 for character in text):
            yield Finding(code="control-character", message=f"{text!r} holds a control character", where=path)
        if any(0xD800 <= ord(character) < 0xE000 for character in text):
            yield Finding(code="not-unicode", message=f"{text!r} holds half a surrogate pair", where=path)


def _strings(value: Any, path: str) -> Iterator[tuple[str, str]]:
    match value:
        case str():
            yield path.lstrip("."), value
        case dict():
            for key, item in value.items():
                yield from _strings(str(key), f"{path}.{key!a}")
                yield from _strings(item, f"{path}.{key}" if str(key).isidentifier() else f"{path}.{key!a}")
        case list() | tuple():
            for number, item in enumerate(value):
                yield from _strings(item, f"{path}[{number}]")


def _installation(installation: Installation) -> Iterator[Finding]:
    for name, problem, code in _setting_problems(installation):
        yield Finding(code=code, message=problem, where=f"installation.{name}")
    yield from _listeners(installation)
    yield from _relay_domains(installation)
    yield from _path_defaults(installation.path_defaults)


def _setting_problems(installation: Installation) -> Iterator[tuple[str, str, str]]:
    """Field, message and code for each setting that is wrong by itself."""
    if not formats.is_host(installation.bounce_domain):
        yield "bounce_domain", f"{installation.bounce_domain!r} is no domain in lower case", "bad-domain"
    for name in ("retry_interval", "max_retry_interval", "max_age"):
        value = getattr(installation, name)
        if not formats.is_duration(value):
            yield name, f"{value!r} is no span of time such as '20m'", "bad-duration"
    for host in installation.smart_host:
        if not formats.is_smart_host(host):
            yield "smart_host", f"{host!r} is neither host:port nor [ip]:port", "bad-smart-host"
    if not _FEEDBACK_SENDER.match(installation.feedback_sender):
        yield "feedback_sender", "has 5 to 15 of A-Z, a-z, 0-9, . _ and -", "bad-feedback-sender"
    yield from _node_problems(installation)


def _node_problems(installation: Installation) -> Iterator[tuple[str, str, str]]:
    """The same, of what a node keeps and tells."""
    for file in installation.bounce_classifier_files:
        if not file.endswith((".toml", ".json")):
            yield "bounce_classifier_files", f"{file!r} is neither .toml nor .json", "bad-classifier-file"
    if installation.spool_kind not in _SPOOLS:
        yield "spool_kind", f"{installation.spool_kind!r} is none of {', '.join(_SPOOLS)}", "bad-spool-kind"
    if installation.log_hook_batch_size < 1:
        yield "log_hook_batch_size", "a batch holds at least one record", "bad-batch-size"


def _listeners(installation: Installation) -> Iterator[Finding]:
    listeners = installation.http_listeners + installation.smtp_listeners + installation.submission_listeners
    for listener in listeners:
        where = f"listener {listener.address}"
        if not formats.is_socket_address(listener.address):
            yield Finding(code="bad-listener", message="the address must be ip:port", where=where)
        for network in listener.relay_hosts + listener.trusted_hosts:
            if not formats.is_network(network):
                message = f"{network!r} is neither an address nor a CIDR block"
                yield Finding(code="bad-network", message=message, where=where)
        yield from _certificate(listener)
    for listener in installation.submission_listeners:
        if listener.relay_hosts:
            message = "who submits authenticates: hosts that may relay belong to an SMTP listener"
            yield Finding(code="submission-relay", message=message, where=f"listener {listener.address}")
        if listener.tls_certificate is None:
            message = "KumoMTA makes a certificate for it that no client trusts"
            where = f"listener {listener.address}"
            yield Finding(code="no-certificate", message=message, where=where, severity="warning")
    for address in _repeated(listener.address for listener in listeners):
        yield Finding(code="duplicate-listener", message="two listeners on one address", where=f"listener {address}")
    if not installation.http_listeners:
        message = "without an HTTP listener nothing can be injected and no release be proved"
        yield Finding(code="no-http-listener", message=message, where="installation", severity="warning")


def _certificate(listener: Listener) -> Iterator[Finding]:
    where = f"listener {listener.address}"
    if (listener.tls_certificate is None) != (listener.tls_private_key is None):
        message = "a certificate and its private key go together"
        yield Finding(code="half-certificate", message=message, where=where)


def _relay_domains(installation: Installation) -> Iterator[Finding]:
    for name, hosts in installation.relay_domains.items():
        where = f"relay domain {name}"
        if not formats.is_host(name):
            yield Finding(code="bad-domain", message="not a domain in lower case and A-label form", where=where)
        if name == installation.bounce_domain.lower():
            message = "reports come in there: they are read and dropped, never passed on"
            yield Finding(code="relay-bounces", message=message, where=where)
        if not hosts:
            message = "needs a host to pass mail on to: by MX it would come back here"
            yield Finding(code="no-relay-host", message=message, where=where)
        for host in hosts:
            if not formats.is_smart_host(host):
                message = f"{host!r} is neither host:port nor [ip]:port"
                yield Finding(code="bad-smart-host", message=message, where=where)


def _greylisting(greylisting: Greylisting) -> Iterator[Finding]:
    where = "greylisting"
    for name in ("delay", "window", "lifetime", "allow_after"):
        if getattr(greylisting, name) < (name != "allow_after"):
            yield Finding(code="bad-greylisting", message=f"{name} is too small", where=where)
    if greylisting.window <= greylisting.delay:
        message = "the window ends before the delay is over: no mail would ever pass"
        yield Finding(code="greylisting-window", message=message, where=where)
    for network in greylisting.allowed_networks:
        if not formats.is_network(network):
            message = f"{network!r} is neither an address nor a CIDR block"
            yield Finding(code="bad-network", message=message, where=where)
    for name in greylisting.allowed_domains:
        if not formats.is_host(name):
            yield Finding(code="bad-domain", message=f"{name!r} is no domain in lower case", where=where)


def _path_defaults(options: dict[str, Any]) -> Iterator[Finding]:
    rates = {name: options[name] for name in _RATE_OPTIONS if options.get(name) is not None}
    rates |= options.get("additional_message_rate_throttles", {})
    for name, rate in rates.items():
        if not (isinstance(rate, str) and formats.is_rate(rate)):
            message = f"{rate!r} is no rate such as '100/h'"
            yield Finding(code="bad-rate", message=message, where=f"installation.path_defaults.{name}")
    for name in _OWN_PATH_OPTIONS:
        if name in options:
            message = "the policy sets this option itself"
            yield Finding(code="reserved-path-option", message=message, where=f"installation.path_defaults.{name}")


def _organizations(model: PolicyModel) -> Iterator[Finding]:
    slugs = [each.slug for each in model.organizations]
    for slug in slugs:
        if not SLUG.match(slug):
            message = "a slug has 1 to 63 of a-z, 0-9 and -"
            yield Finding(code="bad-slug", message=message, where=f"organization {slug}")
    for slug in _repeated(slugs):
        yield Finding(code="duplicate-organization", message="two of that slug", where=f"organization {slug}")


def _vmta(vmta: VirtualMta) -> Iterator[Finding]:
    def bad(code: str, message: str) -> Finding:
        return Finding(code=code, message=message, where=f"vmta {vmta.organization}.{vmta.name}")

    if not SLUG.match(vmta.name):
        yield bad("bad-slug", "a name has 1 to 63 of a-z, 0-9 and -")
    if not formats.is_address(vmta.address):
        yield bad("bad-address", f"{vmta.address!r} is no IP address")
    if vmta.ipv6_address is not None and (_version(vmta.address), _version(vmta.ipv6_address)) != (4, 6):
        yield bad("bad-pair", "a pair is of an IPv4 address and an IPv6 one, in this order")
    if not formats.is_host(vmta.ehlo_domain.lower()):
        yield bad("bad-ehlo-domain", f"{vmta.ehlo_domain!r} is no host name")
    if vmta.state not in _STATES:
        yield bad("bad-state", f"{vmta.state!r} is none of {', '.join(_STATES)}")
    if vmta.version < 1:
        yield bad("bad-version", "versions count from 1")
    if vmta.daily_limit is not None and vmta.daily_limit < 0:
        yield bad("bad-rate", f"a daily limit of {vmta.daily_limit} is less than nothing")
    yield from _proxy(vmta)


def _version(address: str) -> int | None:
    return ipaddress.ip_address(address).version if formats.is_address(address) else None


def _addresses(vmta: VirtualMta) -> list[str]:
    return [vmta.address] if vmta.ipv6_address is None else [vmta.address, vmta.ipv6_address]


def _proxy(vmta: VirtualMta) -> Iterator[Finding]:
    where = f"vmta {vmta.organization}.{vmta.name}"
    if (vmta.proxy_protocol is None) != (vmta.proxy_server is None):
        # KumoMTA would ignore the half it has and send from the host's default address.
        message = "a proxy needs both its protocol and its server"
        yield Finding(code="half-proxy", message=message, where=where)
    if vmta.proxy_protocol not in (None, *_PROXIES):
        message = f"{vmta.proxy_protocol!r} is none of {', '.join(_PROXIES)}"
        yield Finding(code="bad-proxy", message=message, where=where)
    if vmta.proxy_server is not None and not formats.is_socket_address(vmta.proxy_server):
        yield Finding(code="bad-proxy", message=f"{vmta.proxy_server!r} is not ip:port", where=where)


def _domain(domain: SendingDomain) -> Iterator[Finding]:
    where = f"domain {domain.name}"
    if not formats.is_host(domain.name):
        message = "not a domain in lower case and A-label form"
        yield Finding(code="bad-domain", message=message, where=where)
    for key in domain.keys:
        if not formats.is_selector(key.selector):
            yield Finding(code="bad-selector", message=f"{key.selector!r} is no DKIM selector", where=where)
        if not formats.is_key_id(key.id):
            yield Finding(code="bad-key-id", message=f"{key.id!r} cannot be part of a file's name", where=where)
        if key.algorithm not in _ALGORITHMS:
            message = f"{key.algorithm!r} is none of {', '.join(_ALGORITHMS)}"
            yield Finding(code="bad-algorithm", message=message, where=where)
    for selector in _repeated(key.selector for key in domain.keys):
        yield Finding(code="duplicate-selector", message=f"two keys under {selector!r}", where=where)
    if not domain.keys:
        message = "its mail leaves without a signature"
        yield Finding(code="no-signing-key", message=message, where=where, severity="warning")


def _references(model: PolicyModel) -> Iterator[Finding]:
    slugs = {each.slug for each in model.organizations}
    owners = [(f"vmta {each.organization}.{each.name}", each.organization) for each in model.vmtas]
    owners += [(f"domain {each.name}", each.organization) for each in model.domains]
    for where, organization in owners:
        if organization not in slugs:
            message = f"there is no organization {organization!r}"
            yield Finding(code="unknown-organization", message=message, where=where)
    for name in _repeated(f"{each.organization}.{each.name}" for each in model.vmtas):
        yield Finding(code="duplicate-vmta", message="two of that name", where=f"vmta {name}")
    for name in _repeated(each.name for each in model.domains):
        yield Finding(code="duplicate-domain", message="two of that name", where=f"domain {name}")
    for address in _repeated(address for each in model.vmtas for address in _addresses(each)):
        message = "several vMTAs share this address, and with it its reputation and its warm-up"
        yield Finding(code="shared-address", message=message, where=f"address {address}", severity="warning")


def _pools(model: PolicyModel) -> Iterator[Finding]:
    for problem in pool_problems(model):
        yield Finding(**problem._asdict())


def _repeated(names: Iterator[str] | list[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
