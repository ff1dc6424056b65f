"""The lines of a release's tables that are about a message. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator

from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.names import parse_source
from postmta_ctl.features.explain.schemas import Rule
from postmta_ctl.features.messages.simulation_schemas import SimulatedRecipient

MAX_TEXT = 300


def rules_about(bundle: Bundle, one: SimulatedRecipient, *, organization: str, domain: str) -> list[Rule]:
    """The entries that the policy looked up: domain, tenant, pool, sources, and settings for all mail.

    Args:
        bundle: The release, at least what the message needs of it.
        one: What became of the recipient.
        organization: Slug. A domain that is another's is not shown.
        domain: Of the From field.
    """
    sources = {parts.key for way in one.vmtas if (parts := parse_source(way.egress_source))}
    wanted: list[tuple[str, Collection[str]]] = [
        ("generated/tenants.lua", {one.tenant or ""}),
        ("generated/pools.lua", {one.pool or ""}),
        ("generated/weights.lua", {one.pool or ""}),
        ("generated/sources.lua", sources),
        ("generated/installation.lua", {"queue", "path"} if one.tenant else ()),
    ]
    found = list(_domain(bundle, organization, domain))
    for path, names in wanted:
        found += _entries(bundle, path, {name for name in names if name})
    return found


def _entries(bundle: Bundle, path: str, names: Collection[str]) -> Iterator[Rule]:
    """Lines that begin the entry of a name, as the compiler writes them."""
    for number, line in enumerate(_lines(bundle, path), 1):
        found = re.match(r'  (?:(\w+)|\["([^"]+)"\]) = ', line)
        if found and (found[1] or found[2]) in names:
            yield Rule(file=path, line=number, text=line.strip()[:MAX_TEXT])


def _domain(bundle: Bundle, organization: str, domain: str) -> Iterator[Rule]:
    for path in (path for path in bundle.files if path.startswith("data/domains/")):
        lines = _lines(bundle, path)
        start = f" {json.dumps(domain)}: {{"
        if start in lines and _owner(bundle.files[path], domain) == organization:
            yield Rule(file=path, line=lines.index(start) + 1, text=f"{domain}: verified, of {organization}")


def _owner(shard: bytes, domain: str) -> object:
    try:
        return json.loads(shard)[domain]["organization"]
    except (ValueError, LookupError, TypeError):
        return None  # edited by hand: the policy itself says what is wrong


def _lines(bundle: Bundle, path: str) -> list[str]:
    return bundle.files.get(path, b"").decode("utf-8", "replace").split("\n")
