"""Traffic through a policy that no node has seen: what ``kumod --validate`` does not do, and what breaks at run time.

A policy that loads may still fail at its first message, and a node then refuses mail while it answers 200. So the
release is laid out as on a node, with stand-ins for keys and tokens, and tenants send messages through it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from postmta_ctl.compiler.build import build
from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.check import Finding
from postmta_ctl.compiler.model import PolicyModel, SendingDomain
from postmta_ctl.compiler.node_files import KeyFile, key_path, switch_release, write_node_files
from postmta_ctl.core import dkim
from postmta_ctl.features.nodes.release_files import put_release
from postmta_ctl.luavm import ConnectionMeta, Message, NodeRuntime, PolicyError, Vm, no_network

RELEASE = 999_999
"""The number that the release has in the rehearsal; its answer to the probe must be this."""
_SENDERS = 50
"""Organizations that send a signed message. All run the same Lua; what they differ in, queue to path, is walked for
every one, but to load an RSA key takes some ten milliseconds."""
_CLIENT = "192.0.2.1:25"
_RECIPIENT = "bob@recipient.example"
_HOOK, _HOOK_QUEUE, _HOOK_CONSTRUCTOR = "postmta", "postmta.log_hook", "make.postmta.log_hook"


def rehearse(folder: Path, model: PolicyModel, bundle: Bundle) -> Iterator[Finding]:
    """What goes wrong when tenants send.

    Args:
        folder: An empty one, to lay the node out in.
        model: Whose tenants and domains.
        bundle: The policy made of it.
    """
    domains = _senders(model)
    _lay_out(folder, bundle, list(domains.values()))
    try:
        vm = NodeRuntime(folder, policy_dir=folder, launcher=True, http=no_network).start()
    except PolicyError as error:
        yield _failed("start", str(error))
        return
    acts: dict[str, Callable[[], str | None]] = {
        "probe": lambda: _probe(vm),
        "unknown tenant": lambda: _unknown_tenant(vm),
        "log hook": lambda: _log_hook(vm),
        "any path": lambda: _path(vm),
        "authentication": lambda: _authentication(vm),
    }
    acts |= {f"relay domain {name}": partial(_relay, vm, name) for name in model.installation.relay_domains}
    acts |= {f"smtp {domain.name}": partial(_smtp, vm, domain) for domain in domains.values()}
    for tenant, known in build(model).tenants.items():
        acts[f"tenant {tenant}"] = _tenant_act(vm, tenant, known["pool"], domains.get(known["organization"]))
    for where, act in acts.items():
        try:
            problem = act()
        except PolicyError as error:
            problem = str(error)
        if problem is not None:
            yield _failed(where, problem)


def _senders(model: PolicyModel) -> dict[str, SendingDomain]:
    """One domain each of the first organizations that have one."""
    first = {domain.organization: domain for domain in reversed(model.domains)}
    return {organization: first[organization] for organization in sorted(first)[:_SENDERS]}


def _failed(where: str, problem: str) -> Finding:
    return Finding(code="rehearsal-failed", message=problem, where=where)


def _lay_out(folder: Path, bundle: Bundle, domains: list[SendingDomain]) -> None:
    write_node_files(folder, node_name="rehearsal", ingest_url="http://127.0.0.1:1", ingest_token="", admin_token="")
    for domain in domains:
        for key in domain.keys:
            path = key_path(folder, KeyFile(domain.name, key.selector, key.id))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(stand_in_key(key.algorithm))
    switch_release(folder, put_release(folder, RELEASE, bundle))


@cache
def stand_in_key(algorithm: str) -> bytes:
    """A private key of the algorithm (PEM), for signatures that nobody will verify."""
    return dkim.generate(algorithm).private_pem


def _message(sender: str, extra: dict[str, Any]) -> Message:
    text = f"From: {sender}\r\nTo: {_RECIPIENT}\r\nSubject: rehearsal\r\nMessage-ID: <1@{sender}>\r\n\r\nHello\r\n"
    return Message("rehearsal", sender, [_RECIPIENT], text.encode(), {"extra": extra})


def _probe(vm: Vm) -> str | None:
    answer = vm.http_message_generated(_message("probe@postmta.invalid", {"probe": True}))
    expected = f"postmta-release={RELEASE}"
    return None if answer is not None and expected in answer.text else f"must be refused with {expected}: {answer}"


def _unknown_tenant(vm: Vm) -> str | None:
    extra = {"tenant": "no.such.tenant", "rid": "rehearsal"}
    answer = vm.http_message_generated(_message("ann@sender.example", extra))
    return None if answer is not None and answer.is_permanent else f"must be refused for good: {answer}"


def _log_hook(vm: Vm) -> str | None:
    record = {"type": "Delivery", "reception_protocol": "HTTP"}
    message = Message("rehearsal", "", [_RECIPIENT], json.dumps(record).encode(), {"log_record": record})
    if not vm.log_record(message, _HOOK) or message.queue_name != _HOOK_QUEUE:
        return f"a log record must go to {_HOOK_QUEUE}, and went to {message.queue_name}"
    vm.queue_config_of(_HOOK_QUEUE)
    vm.connection(_HOOK_CONSTRUCTOR, _HOOK_QUEUE)
    return None


def _path(vm: Vm) -> None:
    """Options that every path has are taken, whether there is a vMTA yet or not."""
    vm.egress_path("recipient.example", "unspecified", "mx.recipient.example")


def _authentication(vm: Vm) -> str | None:
    session = ConnectionMeta({"x_submission": True, "received_from": _CLIENT})
    answer = vm.fire("smtp_server_auth_plain", "nobody", "nobody", "secret", session)
    return None if answer is False else f"an unknown user must be refused: {answer}"


def _smtp(vm: Vm, domain: SendingDomain) -> str | None:
    """Mail of a host that may relay goes the same way as that of a credential, but for the session."""
    message = _message(f"ann@{domain.name}", {})
    vm.fire("smtp_server_data", message, ConnectionMeta())
    answer = vm.smtp_server_message_received(message, ConnectionMeta({"received_from": _CLIENT}))
    return None if answer is None else f"mail from {domain.name} by SMTP is refused: {answer}"


def _relay(vm: Vm, domain: str) -> str | None:
    """Mail of strangers, but for greylisting: its store would be that of a node, if one runs on this host."""
    settings = vm.listener_domain(domain, "192.0.2.25:25", ConnectionMeta({"received_from": _CLIENT}))
    if settings is None or not settings.values["relay_to"]:
        return "its mail is refused"
    text = f"From: bob@stranger.example\r\nTo: ann@{domain}\r\nSubject: rehearsal\r\n\r\nHello\r\n"
    message = Message("rehearsal", "bob@stranger.example", [f"ann@{domain}"], text.encode(), {})
    if answer := vm.smtp_server_message_received(message, ConnectionMeta({"received_from": _CLIENT})):
        return f"its mail is refused: {answer}"
    protocol = vm.queue_config_of(message.queue_name).values.get("protocol") or {}
    return None if protocol.get("smtp", {}).get("mx_list") else "its mail would go by MX, and so come back"


def _tenant_act(vm: Vm, tenant: str, pool: str, domain: SendingDomain | None) -> Callable[[], str | None]:
    def act() -> str | None:
        queue = f"{tenant}@recipient.example"
        if domain is not None:
            message = _message(f"ann@{domain.name}", {"tenant": tenant, "rid": f"rehearsal-{tenant}-{domain.name}"})
            if answer := vm.http_message_generated(message):
                return f"mail from {domain.name} is refused: {answer}"
            queue = message.queue_name
        return _leaves(vm, queue, pool)

    return act


def _leaves(vm: Vm, queue: str, pool: str) -> str | None:
    chosen = vm.queue_config_of(queue).egress_pool
    if chosen != pool:
        return f"its mail would leave from pool {chosen}, not {pool}"
    for entry in vm.egress_pool(pool).entries:
        vm.egress_path("recipient.example", entry.name, "mx.recipient.example")
    return None
