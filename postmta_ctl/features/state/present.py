"""The present state, as a file would ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.warmup import Progress
from postmta_ctl.declarative.document import Key
from postmta_ctl.declarative.kinds import (
    AUTOMATION,
    DOMAIN,
    GREYLISTING,
    IP_ADDRESS,
    NODE,
    ORGANIZATION,
    POOL,
    RULE,
    SCENARIOS,
    SCHEDULE,
    SHAPING,
    TEMPLATE,
    VMTA,
    Kind,
    Thing,
    by_content,
    shaping_name,
)
from postmta_ctl.features.domains.records import Logo
from postmta_ctl.features.nodes import queries as nodes
from postmta_ctl.features.policy.scenarios import queries as scenarios
from postmta_ctl.features.pools import queries as pools
from postmta_ctl.features.security.auto_block import vmta_pauses
from postmta_ctl.features.security.greylisting import service as greylisting
from postmta_ctl.features.shaping import queries as shaping
from postmta_ctl.features.state import queries
from postmta_ctl.features.state.queries import Found
from postmta_ctl.features.tsa import service as automation
from postmta_ctl.features.vmtas import queries as vmtas
from postmta_ctl.features.vmtas.queries import VmtaRow
from postmta_ctl.system import System


@dataclass
class Present:
    """Everything that a state file can ask for, as it is."""

    things: dict[Key, Thing] = field(default_factory=dict)
    ids: dict[Key, str] = field(default_factory=dict)

    def add(self, kind: Kind, slug: str, name: str, found_id: str, thing: Thing) -> None:
        """Note one."""
        key = Key(kind.name, slug, name)
        self.things[key], self.ids[key] = thing, found_id


async def load(system: System, connection: AsyncConnection) -> Present:
    """Read it, in one transaction."""
    present = Present()
    slugs: dict[str | None, str] = {}
    for row in await queries.all_organizations(connection):
        slugs[row.id] = row.slug
        present.add(ORGANIZATION, "", row.slug, row.id, {"name": row.name})
    for node in await nodes.all_nodes(connection):
        present.add(NODE, "", node.name, node.id, {"weight": node.weight})
    for kind, slug, found, name, thing in await _rows(connection, slugs):
        present.add(kind, slug, name, found.id, thing)
    for slug, vmta in await vmtas.of_all(connection):
        present.add(VMTA, slug, vmta.name, vmta.id, _vmta(vmta))
    for slug, pool in await pools.of_all(connection):
        thing = {"members": pool.weights, "domains": list(pool.domains), "default": pool.default_of is not None}
        present.add(POOL, slug, pool.name, pool.id, thing)
    for rule in await shaping.of_all(connection):
        thing = {"limits": rule.limits.options(), "note": rule.note}
        present.add(SHAPING, "", shaping_name(rule.kind, rule.target, rule.organization), rule.id, thing)
    present.add(AUTOMATION, "", AUTOMATION.name, "", {"rules": by_content(await automation.plain(connection))})
    config = msgspec.to_builtins(await greylisting.get(system))
    present.add(SCENARIOS, "", SCENARIOS.name, "", {"toml": await scenarios.text(connection)})
    present.add(GREYLISTING, "", GREYLISTING.name, "", {name: _plain(config[name]) for name in GREYLISTING.fields})
    return present


Row = tuple[Kind, str, Found, str, Thing]


async def _rows(connection: AsyncConnection, slugs: dict[str | None, str]) -> list[Row]:
    addresses = await queries.all_ip_addresses(connection)
    schedules = await queries.all_schedules(connection)
    domains = await queries.all_domains(connection)
    rules = await queries.all_rules(connection)
    templates = await queries.all_templates(connection)
    owned = ((SCHEDULE, schedules), (DOMAIN, domains), (TEMPLATE, templates), (RULE, rules))
    return [_address(found, slugs) for found in addresses] + [
        (kind, slugs[found.organization_id], found, found.values["name"], thing)
        for kind, rows in owned
        for found, thing in _things(kind, rows)
    ]


def _address(found: Found, slugs: dict[str | None, str]) -> Row:
    thing = {name: found.values.get(name) for name in IP_ADDRESS.fields}
    thing["organization"] = slugs.get(found.organization_id)
    return IP_ADDRESS, "", found, found.values["ip_address"], thing


def _things(kind: Kind, rows: list[Found]) -> Iterator[tuple[Found, Thing]]:
    for found in rows:
        thing = {name: _plain(found.values[name]) for name in kind.fields if name not in kind.only_new}
        if kind is DOMAIN and thing["bimi"] is not None:
            thing["bimi"] = _logo(msgspec.convert(thing["bimi"], Logo))
        yield found, thing


def _logo(logo: Logo) -> Thing:
    # What was found behind its URLs is a result and no configuration.
    return {"certificate_url": logo.certificate_url, "selector": logo.selector, "logo_url": logo.logo_url}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return dict(sorted(value.items()))
    return sorted(value) if isinstance(value, list) and all(isinstance(one, str) for one in value) else value


def _vmta(row: VmtaRow) -> Thing:
    proxy = None
    if row.proxy_protocol is not None:
        proxy = {"protocol": row.proxy_protocol, "server": row.proxy_server}
    warmed = None if row.warmup is None else _warmup(row.warmup)
    return {
        "ip_address": row.ip_address,
        "ipv6_address": row.ipv6_address,
        "ehlo_domain": row.ehlo_domain,
        "proxy": proxy,
        "nodes": row.nodes,
        "warmup": warmed if row.state == "warming" else None,
        "warmed": warmed,
        "paused": row.paused_reason if _is_paused_for_good(row) else None,
    }


def _is_paused_for_good(row: VmtaRow) -> bool:
    """Whether somebody wants it so, rather than a block, and until somebody wants it otherwise."""
    return row.is_paused and row.paused_until is None and not vmta_pauses.is_block(row.paused_by)


def _warmup(progress: Progress) -> Thing:
    shares = dict(sorted(progress.shares.items()))
    if progress.schedule is not None:
        return {"schedule": progress.schedule, "provider_shares": shares}
    return {"daily_allowances": list(progress.allowances), "provider_shares": shares}
