"""What a PowerMTA configuration says for all mail: fields of the ``[policy]`` table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from postmta_ctl.importing import powermta_values as values
from postmta_ctl.importing.builder import Builder
from postmta_ctl.importing.powermta_macros import split
from postmta_ctl.importing.powermta_parser import Statement
from postmta_ctl.importing.report import Outcome
from postmta_ctl.importing.rules import Rule

Settled = tuple[Outcome, str]


class PolicyTable:
    """Collects them."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._listeners: list[str] = []
        self._relaying: list[str] = []
        self._smart_hosts: list[str] = []

    def handlers(self) -> dict[str, Callable[[Statement, Rule], Settled]]:
        """By action."""
        return {
            "count": lambda one, rule: self._set(one, rule, values.count),
            "rate": lambda one, rule: self._set(one, rule, values.rate),
            "time": lambda one, rule: self._set(one, rule, values.duration),
            "retry": self._retry,
            "use-tls": self._use_tls,
            "require-tls": self._require_tls,
            "smart-host": self._smart_host,
            "listener": self._listener,
            "relaying": self._relay,
            "source-block": self._source,
            "yes": self._yes,
        }

    def finish(self) -> None:
        """Put together what stands in several places."""
        policy = self._builder.wanted.policy
        if self._smart_hosts:
            policy["smart_host"] = self._smart_hosts
        addresses = self._listeners or ([f"{values.ANY}:25"] if self._relaying else [])
        relaying = {"relay_hosts": self._relaying} if self._relaying else {}
        if addresses:
            policy["smtp_listeners"] = [{"address": address, **relaying} for address in addresses]

    def _set(self, one: Statement, rule: Rule, read: Callable[[str], Any]) -> Settled:
        text = _value(one)
        if text.lower() == "unlimited":
            return "imported", "there is no limit unless one is set"
        value = read(text)
        self._builder.setting(rule.detail, value)
        return rule.outcome, f"policy.{rule.detail} = {value}, {rule.note}"

    def _retry(self, one: Statement, rule: Rule) -> Settled:
        steps = [values.duration(text) for text in split(one.words)]
        if not steps:
            raise ValueError("needs a time")
        # KumoMTA doubles the interval with each attempt, up to the largest.
        self._builder.setting("retry_interval", steps[0])
        self._builder.setting("max_retry_interval", steps[-1])
        if len(steps) > 1:
            return rule.outcome, f"policy.retry_interval = {steps[0]}, doubled each time up to {steps[-1]}"
        return rule.outcome, f"policy.retry_interval and policy.max_retry_interval = {steps[0]}, {rule.note}"

    def _use_tls(self, one: Statement, rule: Rule) -> Settled:
        options = self._builder.wanted.policy.get("path_defaults", {})
        if options.get("enable_tls") != "Required":
            self._builder.setting("path_defaults.enable_tls", "Opportunistic" if _truth(one) else "Disabled")
        return rule.outcome, f"policy.path_defaults.enable_tls, {rule.note}"

    def _require_tls(self, one: Statement, rule: Rule) -> Settled:
        if _truth(one):
            self._builder.setting("path_defaults.enable_tls", "Required")
        return rule.outcome, f"policy.path_defaults.enable_tls, {rule.note}"

    def _smart_host(self, one: Statement, rule: Rule) -> Settled:
        found = [values.smart_host(text) for text in split(one.words)]
        if not found:
            raise ValueError("names no host")
        self._smart_hosts += [host for host in found if host not in self._smart_hosts]
        return rule.outcome, f"policy.smart_host, {rule.note}"

    def _listener(self, one: Statement, rule: Rule) -> Settled:
        address = values.listener(_value(one))
        if address not in self._listeners:
            self._listeners.append(address)
        return rule.outcome, f"policy.smtp_listeners, {address}: {rule.note}"

    def _source(self, one: Statement, rule: Rule) -> Settled:
        if not one.words:
            raise ValueError("names no client")
        return rule.outcome, rule.note

    def _relay(self, one: Statement, rule: Rule) -> Settled:
        client = one.blocks[-1].argument
        if not _truth(one):
            return "imported", "nobody may relay unless listed"
        if client.startswith("{"):
            raise ValueError("is for authenticated users: they get SMTP credentials, by a submission listener")
        network = "" if client in values.ANYBODY else values.network(client)
        if network in ("", "0.0.0.0/0", "::/0"):
            raise ValueError("would let anybody relay mail (RFC 5321 section 7.9): name the hosts")
        if network not in self._relaying:
            self._relaying.append(network)
        return rule.outcome, f"policy.smtp_listeners.relay_hosts, {network}: {rule.note}"

    def _yes(self, one: Statement, rule: Rule) -> Settled:
        return (rule.outcome, rule.note) if _truth(one) else ("not_supported", rule.detail)


def _value(one: Statement) -> str:
    if not one.words:
        raise ValueError("has no value")
    return one.words[0]


def _truth(one: Statement) -> bool:
    # A switch that is only named is on.
    return values.truth(one.words[0]) if one.words else True
