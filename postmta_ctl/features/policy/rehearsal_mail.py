"""Mail by HTTP and SMTP, of every tenant, through its queue to the paths of its sources."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import dkim  # type: ignore[import-untyped]

from postmta_ctl.compiler.names import FAMILIES, family_pool
from postmta_ctl.core.dkim import public_record
from postmta_ctl.features.policy.bundle_contents import Contents
from postmta_ctl.features.policy.rehearsal_acts import CLIENT, RECIPIENT, Act, message, stand_in_key, stranger
from postmta_ctl.luavm import ConnectionMeta, Message, QueueName, Rejected, Vm


def acts(vm: Vm, contents: Contents, senders: dict[str, str], *, release: int) -> Iterator[Act]:
    """All of it.

    Args:
        vm: The policy, started.
        contents: Its tables.
        senders: Organization → one of its domains, whose keys are on the node.
        release: What the probe must answer.
    """
    yield Act("probe", lambda: _probe(vm, release))
    yield Act("unknown tenant", lambda: _unknown_tenant(vm), "unknown-tenant-taken")
    yield Act("authentication", lambda: _authentication(vm))
    yield Act("cancelling", lambda: _cancelling(vm))
    for name in contents.installation.relay_domains:
        yield Act(f"relay domain {name}", partial(_relay, vm, contents, name))
    for name in senders.values():
        yield Act(f"smtp {name}", partial(_smtp, vm, name))
        selectors = [key.selector for key in contents.domains[name].keys]
        yield Act(f"signatures of {name}", partial(_signatures, vm, contents, name, selectors), "bad-signature")
    for tenant, known in contents.tenants.items():
        run = partial(_tenant, vm, contents, tenant, senders.get(known.organization))
        yield Act(f"tenant {tenant}", run)


def _probe(vm: Vm, release: int) -> str | None:
    answer = vm.http_message_generated(message("probe@postmta.invalid", {"probe": True}))
    expected = f"postmta-release={release}"
    return None if answer is not None and expected in answer.text else f"must be refused with {expected}: {answer}"


def _unknown_tenant(vm: Vm) -> str | None:
    extra = {"tenant": "no.such.tenant", "rid": "rehearsal"}
    answer = vm.http_message_generated(message("ann@sender.example", extra))
    return None if answer is not None and answer.is_permanent else f"must be refused for good: {answer}"


def _authentication(vm: Vm) -> str | None:
    session = ConnectionMeta({"x_submission": True, "received_from": CLIENT})
    answer = vm.fire("smtp_server_auth_plain", "nobody", "nobody", "secret", session)
    return None if answer is False else f"an unknown user must be refused: {answer}"


def _cancelling(vm: Vm) -> str | None:
    """Of two messages the one that is named goes to the queue that discards, and no other."""
    named, other = (Message(name, "ann@sender.example", [RECIPIENT], b"", {"x_rid": name}) for name in ("a", "b"))
    for one in (named, other):
        vm.fire("rebind_message", one, {"cancel_ids": "x,a"})
    queues = (named.queue_name, other.meta.get("queue"))
    return None if queues == ("null", None) else f"of two messages the one that is named must be discarded: {queues}"


def _relay(vm: Vm, contents: Contents, domain: str) -> str | None:
    """Mail of strangers, but for greylisting: its store would be that of a node, if one runs on this host."""
    settings = vm.listener_domain(domain, "192.0.2.25:25", stranger(contents))
    if settings is None or not settings.values["relay_to"]:
        return "its mail is refused"
    received = message("bob@stranger.example", {}, recipients=(f"ann@{domain}",))
    if answer := vm.smtp_server_message_received(received, stranger(contents)):
        return f"its mail is refused: {answer}"
    protocol = vm.queue_config_of(received.queue_name).values.get("protocol") or {}
    return None if protocol.get("smtp", {}).get("mx_list") else "its mail would go by MX, and so come back"


def _smtp(vm: Vm, domain: str) -> str | None:
    """Mail of a host that may relay goes the same way as that of a credential, but for the session.

    The second message has two recipients, as KumoMTA hands them over when it is told to keep them together.
    """
    for recipients in ((RECIPIENT,), (RECIPIENT, "carol@recipient.example")):
        received = message(f"ann@{domain}", {}, recipients=recipients)
        vm.fire("smtp_server_data", received, ConnectionMeta())
        if answer := vm.smtp_server_message_received(received, ConnectionMeta({"received_from": CLIENT})):
            return f"mail from {domain} by SMTP is refused: {answer}"
    return None


def _signatures(vm: Vm, contents: Contents, domain: str, selectors: list[str]) -> str | None:
    """All of them are there, on top, cover the author, and hold: nothing was changed after signing."""
    organization = contents.domains[domain].organization
    sent = message(f"ann@{domain}", {"tenant": organization, "rid": f"rehearsal-signatures-{domain}"})
    if answer := vm.http_message_generated(sent):
        return f"mail is refused: {answer}"
    on_top = [field.name.lower() for field in sent.headers[: len(selectors)]]
    if on_top != ["dkim-signature"] * len(selectors):
        return f"a field was added after signing: {', '.join(on_top)}"
    problems = (_verify(sent, index, contents, domain) for index in range(len(selectors)))
    return next((problem for problem in problems if problem), None)


def _verify(sent: Message, index: int, contents: Contents, domain: str) -> str | None:
    judge = dkim.DKIM(sent.data)
    try:
        holds = judge.verify(index, dnsfunc=partial(_record, contents, domain))
    except dkim.DKIMException as error:
        return f"signature {index + 1}: {error}"
    if not holds:
        return f"signature {index + 1} does not hold"
    return None if b"from" in judge.include_headers else f"signature {index + 1} does not cover From"


def _record(contents: Contents, domain: str, name: bytes, **_timeout: object) -> bytes | None:
    """What DNS would say of a stand-in's public half."""
    for key in contents.domains[domain].keys:
        if name.decode().rstrip(".") == f"{key.selector}._domainkey.{domain}":
            return public_record(stand_in_key(key.algorithm)).encode()
    return None


def _tenant(vm: Vm, contents: Contents, tenant: str, domain: str | None) -> str | None:
    queue = f"{tenant}@recipient.example"
    if domain is not None:
        sent = message(f"ann@{domain}", {"tenant": tenant, "rid": f"rehearsal-{tenant}-{domain}", "campaign": "spring"})
        if answer := vm.http_message_generated(sent):
            return f"mail from {domain} is refused: {answer}"
        queue = sent.queue_name
        if QueueName.parse(queue) != QueueName("recipient.example", tenant, "spring", None):
            return f"mail from {domain} would wait in {queue}"
    return _leaves(vm, contents, queue, tenant)


def _leaves(vm: Vm, contents: Contents, queue: str, tenant: str) -> str | None:
    pool = contents.tenants[tenant].pool
    chosen = vm.queue_config_of(queue).egress_pool
    # By a smart host that is an address, all mail goes to hosts of its family.
    if chosen not in (pool, *(family_pool(pool, family) for family in FAMILIES)):
        return f"its mail would leave from pool {chosen}, not {pool}"
    entries = vm.egress_pool(pool).entries
    for entry in entries:
        vm.egress_path("recipient.example", entry.name, "mx.recipient.example")
    waiting = Message("rehearsal", "ann@sender.example", [RECIPIENT], b"", {"tenant": tenant})
    answer = vm.fire("throttle_insert_ready_queue", waiting)
    if isinstance(answer, Rejected):
        return f"its mail is refused at the ready queue: {answer}"
    return None if {entry.name for entry in entries} == set(contents.pools[pool]) else f"pool {pool} lacks sources"
