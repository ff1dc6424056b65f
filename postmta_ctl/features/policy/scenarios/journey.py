"""What a policy does with one message, found by running it: from its reception to the limits of its paths."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import msgspec

from postmta_ctl.compiler.names import parse_source, tenant_name, whole_pool
from postmta_ctl.features.policy.bundle_contents import Contents
from postmta_ctl.features.policy.rehearsal_acts import CLIENT
from postmta_ctl.features.policy.scenarios.format import Scenario
from postmta_ctl.features.policy.scenarios.sessions import Stage, come_in, submit
from postmta_ctl.luavm import ConnectionMeta, EgressPathConfig, Message, QueueConfig, Vm
from postmta_ctl.luavm.formats import ThrottleSpec, parse_throttle

_DAY = 86400


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a message; fields as in ``Expectation``."""

    refused: str | None = None
    queue: str | None = None
    pool: str | None = None
    vmtas: tuple[str, ...] = ()
    per_day: dict[str, int | Literal["warm-up"] | None] = {}
    """None: there is no limit."""
    signed_by: tuple[str, ...] = ()
    reports: bool = False
    hosts: tuple[str, ...] = ()
    retry_interval: str | None = None
    max_age: str | None = None


def travel(stage: Stage, scenario: Scenario, number: int) -> Outcome:
    """Send the message of a scenario.

    Args:
        stage: The policy, started, with the keys of the From domain.
        scenario: Which message.
        number: Of the message among those that this node gets.

    Raises:
        PolicyError: The policy fails.
    """
    message = _message(scenario, stage.contents, number)
    refused = _hand_in(stage, scenario, message)
    if refused is not None:
        return Outcome(refused=refused)
    if scenario.via == "inbound" and message.recipients[0].domain.lower() == stage.contents.installation.bounce_domain:
        return Outcome(reports=True)
    return _on_its_way(stage.vm, stage.contents, scenario, message)


def _hand_in(stage: Stage, scenario: Scenario, message: Message) -> str | None:
    if scenario.via == "submission":
        return submit(stage, scenario, message)
    if scenario.via == "inbound":
        return come_in(stage, scenario, message)
    if scenario.via == "api":
        answer = stage.vm.http_message_generated(message)
    else:
        stage.vm.fire("smtp_server_data", message, ConnectionMeta())
        answer = stage.vm.smtp_server_message_received(message, ConnectionMeta({"received_from": CLIENT}))
    return None if answer is None else str(answer)


def _message(scenario: Scenario, contents: Contents, number: int) -> Message:
    fields = [
        f"From: {scenario.sender}",
        f"To: {scenario.to}",
        "Subject: scenario",
        "Date: Sun, 22 Nov 2026 12:00:00 +0000",
        f"Message-ID: <{number}@scenario.invalid>",
    ]
    meta = {}
    if scenario.via == "api":
        extra = {"tenant": _tenant(scenario, contents), "rid": f"scenario-{number}", "campaign": scenario.tag}
        meta["extra"] = {name: value for name, value in extra.items() if value is not None}
    elif scenario.via != "inbound":
        asked = (("X-PostMTA-Vmta", scenario.vmta), ("X-PostMTA-Tag", scenario.tag))
        fields += [f"{name}: {value}" for name, value in asked if value is not None]
    data = "\r\n".join([*fields, "", "Hello", ""]).encode()
    sender = scenario.sender if scenario.mail_from is None else scenario.mail_from
    return Message(f"scenario-{number}", sender, [scenario.to], data, meta)


def _tenant(scenario: Scenario, contents: Contents) -> str:
    """As the control plane settles it when it accepts a message: vMTA before pool before that of the domain."""
    organization = scenario.organization or ""
    if scenario.vmta or scenario.pool:
        return tenant_name(organization, scenario.vmta, scenario.pool)
    domain = contents.domains.get(domains_of(scenario)[0])
    return domain.pool if domain and domain.pool and domain.organization == organization else organization


def domains_of(scenario: Scenario) -> list[str]:
    """The domains of the From field and of the envelope's sender."""
    return [address.rpartition("@")[2].lower() for address in (scenario.sender, scenario.mail_from) if address]


def _on_its_way(vm: Vm, contents: Contents, scenario: Scenario, message: Message) -> Outcome:
    queue = vm.queue_config_of(message.queue_name)
    smtp = (queue.values.get("protocol") or {}).get("smtp") or {}
    domain = message.recipients[0].domain.lower()
    limits: dict[str, int | Literal["warm-up"] | None] = {}
    for entry in vm.egress_pool(queue.egress_pool).entries:
        parts = parse_source(entry.name)
        vmta = parts.vmta if parts else entry.name
        path = vm.egress_path(domain, entry.name, scenario.mx or f"mx.{domain}")
        limits[vmta] = _per_day(contents, queue, path, entry.name)
    return Outcome(
        queue=message.queue_name,
        pool=whole_pool(queue.egress_pool),
        vmtas=tuple(limits),
        per_day=limits,
        signed_by=tuple(_selectors(message)),
        hosts=tuple(_host(each) for each in smtp.get("mx_list") or ()),
        retry_interval=_text(queue.values.get("retry_interval")),
        max_age=_text(queue.values.get("max_age")),
    )


def _per_day(
    contents: Contents, queue: QueueConfig, path: EgressPathConfig, source: str
) -> int | Literal["warm-up"] | None:
    known = contents.sources.get(source.rpartition(".r")[0])
    if known is not None and known.warming:
        return "warm-up"
    pool = whole_pool(queue.egress_pool)
    paces = [each.rate for each in contents.tenants.values() if each.pool == pool and each.rate]
    found = [one.throttle("max_message_rate") for one in (path, queue)] + [path.throttle("source_selection_rate")]
    found += path.throttles("additional_message_rate_throttles").values()
    found += path.throttles("additional_source_selection_rates").values()
    found += [parse_throttle(pace) for pace in paces]
    return min((most_in_a_day(spec) for spec in found if spec is not None), default=None)


def most_in_a_day(spec: ThrottleSpec) -> int:
    """How many a throttle lets through in the 24 hours that begin with a full bucket."""
    at_once = min(spec.burst, spec.limit - 1) + 1
    return at_once + math.ceil(_DAY * spec.limit / spec.period) - 1


def _selectors(message: Message) -> Iterator[str]:
    for value in message.header_values("DKIM-Signature"):
        tags = dict(tag.strip().partition("=")[::2] for tag in value.split(";"))
        yield tags.get("s", "").strip()


def _host(entry: object) -> str:
    return str(entry["addr"]) if isinstance(entry, dict) else str(entry)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
