"""The kinds of things that a state has, with their fields: one table for reading, comparing and writing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from postmta_ctl.compiler.names import SLUG
from postmta_ctl.core.domain_names import parse_mail_domain, parse_selector
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.ip_addresses import parse_source_address
from postmta_ctl.declarative import readers as read
from postmta_ctl.declarative.placed import Node
from postmta_ctl.declarative.readers import Reader

Name = Callable[[str], str]


@dataclass(frozen=True)
class Kind:
    """A kind of things, which have names."""

    name: str
    """For people and programs, such as ``vmta``."""
    section: str
    """Where they stand in the file."""
    fields: Mapping[str, Reader]
    required: tuple[str, ...] = ()
    """What a new one cannot be without."""
    only_new: tuple[str, ...] = ()
    """Fields that are about the making of a thing, and mean nothing to one that is there."""
    of_organization: bool = True
    can_delete: bool = True
    read_name: Name = field(default=str)
    """Brings a name into its one form."""


def _slug(text: str) -> str:
    if not SLUG.match(text):
        raise InputError("name_syntax", "a name must be 1 to 63 of a-z, 0-9 and -")
    return text


_SECRET = read.fields({"env": read.text, "file": read.text})
_WARMUP = read.fields(
    {
        "schedule": read.text,
        "daily_allowances": read.listed(read.integer),
        "provider_shares": read.named(read.number),
    }
)

_LOGO = read.fields(
    {
        "logo_url": read.text,
        "certificate_url": read.optional(read.text),
        "selector": read.parsed(parse_selector),
    },
    "logo_url",
)


def _logo(node: Node) -> dict[str, Any]:
    logo: dict[str, Any] = {"certificate_url": None, "selector": "default"} | _LOGO(node)
    return logo


_SHAPED = re.compile(r"(provider|domain) (\S+?)(?: of ([a-z0-9-]{1,63}))?\Z")


def shaped(name: str) -> tuple[str, str, str | None]:
    """What a shaping rule is for: the kind, the target, and the slug of the only organization, if there is one.

    Raises:
        InputError: It is neither ``provider NAME`` nor ``domain NAME``, with or without ``of SLUG``.
    """
    if (found := _SHAPED.match(name)) is None:
        raise InputError("name_syntax", "must be `provider NAME` or `domain NAME`, and may end in `of ORGANIZATION`")
    kind, target, organization = found.groups()
    return kind, parse_mail_domain(target) if kind == "domain" else target, organization


def shaping_name(kind: str, target: str, organization: str | None) -> str:
    """How a file calls the rule that is for this."""
    return f"{kind} {target} of {organization}" if organization else f"{kind} {target}"


_LIMITS = read.fields(
    {
        "connection_limit": read.integer,
        "max_deliveries_per_connection": read.integer,
        "max_recipients_per_batch": read.integer,
        "max_connection_rate": read.text,
        "max_message_rate": read.text,
    }
)
_AUTOMATED = read.fields(
    {
        "provider": read.text,
        "domain": read.mail_domain,
        "regex": read.text,
        "action": read.text,
        "limits": read.optional(_LIMITS),
        "threshold": read.optional(read.integer),
        "duration": read.integer,
        "match_internal": read.flag,
        "note": read.text,
    },
    "regex",
    "action",
    "duration",
)


def _automated(node: Node) -> dict[str, Any]:
    if {"provider", "domain"} <= read.mapping(node).keys():
        raise read.wrong(node, "is for a provider or for a domain, not for both")
    rule: dict[str, Any] = _AUTOMATED(node)
    return {name: value for name, value in rule.items() if not (value is None or value is False or value == "")}


def by_content(rules: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rules of automation in the order in which they are compared: they have no names, and theirs means nothing."""
    return sorted(rules, key=lambda rule: msgspec.json.encode(rule, order="sorted"))


NODE = Kind(
    name="node",
    section="nodes",
    fields={"weight": read.integer},
    of_organization=False,
    can_delete=False,
    read_name=_slug,
)
IP_ADDRESS = Kind(
    name="ip_address",
    section="ip_addresses",
    fields={"organization": read.optional(read.text), "shared": read.flag, "note": read.text},
    of_organization=False,
    read_name=parse_source_address,
)
ORGANIZATION = Kind(
    name="organization",
    section="organizations",
    fields={"name": read.text},
    of_organization=False,
    can_delete=False,
    read_name=_slug,
)
SCHEDULE = Kind(
    name="warmup_schedule",
    section="warmup_schedules",
    fields={"daily_allowances": read.listed(read.integer), "provider_shares": read.named(read.number)},
    required=("daily_allowances",),
    read_name=_slug,
)
VMTA = Kind(
    name="vmta",
    section="vmtas",
    fields={
        "ip_address": read.source_address,
        "ipv6_address": read.optional(read.ipv6_address),
        "ehlo_domain": read.host,
        "proxy": read.optional(
            read.fields({"protocol": read.text, "server": read.socket_address}, "protocol", "server")
        ),
        "nodes": read.sorted_set(read.parsed(_slug)),
        "warmup": read.optional(_WARMUP),
        "paused": read.optional(read.text),
    },
    required=("ip_address", "ehlo_domain"),
    read_name=_slug,
)
POOL = Kind(
    name="pool",
    section="pools",
    fields={
        "members": read.named(read.integer),
        "domains": read.sorted_set(read.mail_domain),
        "default": read.flag,
    },
    read_name=_slug,
)
DOMAIN = Kind(
    name="domain",
    section="domains",
    fields={
        "dkim_rotation_days": read.optional(read.integer),
        "bimi": read.optional(_logo),
        "create": read.fields({"dkim_selector": read.text, "dkim_keys": read.named(_SECRET)}),
    },
    only_new=("create",),
    read_name=parse_mail_domain,
)
TEMPLATE = Kind(
    name="template",
    section="templates",
    fields={"subject": read.text, "text": read.optional(read.text), "html": read.optional(read.text)},
    required=("subject",),
)
RULE = Kind(
    name="auto_block_rule",
    section="auto_block_rules",
    fields={
        "metric": read.text,
        "scope": read.text,
        "window_minutes": read.integer,
        "threshold": read.number,
        "minimum_volume": read.integer,
        "action": read.text,
        "block_minutes": read.optional(read.integer),
        "enabled": read.flag,
    },
    required=("metric", "scope", "window_minutes", "threshold"),
)
SHAPING = Kind(
    name="shaping",
    section="shaping",
    fields={
        "limits": _LIMITS,
        "note": read.text,
    },
    required=("limits",),
    of_organization=False,
    read_name=lambda name: shaping_name(*shaped(name)),
)
AUTOMATION = Kind(
    name="automation",
    section="automation",
    fields={"rules": lambda node: by_content(read.listed(_automated)(node))},
    required=("rules",),
    of_organization=False,
    can_delete=False,
)
GREYLISTING = Kind(
    name="greylisting",
    section="greylisting",
    fields={
        "enabled": read.flag,
        "delay_seconds": read.integer,
        "window_seconds": read.integer,
        "lifetime_seconds": read.integer,
        "allow_after_passes": read.integer,
        "allowed_networks": read.sorted_set(read.network),
        "allowed_sender_domains": read.sorted_set(read.mail_domain),
    },
    of_organization=False,
    can_delete=False,
)
SCENARIOS = Kind(
    name="scenarios",
    section="scenarios",
    fields={"toml": read.text},
    required=("toml",),
    of_organization=False,
    can_delete=False,
)

KINDS = (
    NODE,
    ORGANIZATION,
    IP_ADDRESS,
    SCHEDULE,
    VMTA,
    POOL,
    DOMAIN,
    TEMPLATE,
    RULE,
    SHAPING,
    AUTOMATION,
    GREYLISTING,
    SCENARIOS,
)
"""In the order in which things are made; they are deleted in the opposite one."""
ONLY_ONE = (AUTOMATION, GREYLISTING, SCENARIOS)
"""Kinds of which the installation has one thing, whose name is that of its kind."""
OF_ORGANIZATION = tuple(kind for kind in KINDS if kind.of_organization)
BY_NAME = {kind.name: kind for kind in KINDS}

Thing = dict[str, Any]
"""The values of a thing's fields."""
