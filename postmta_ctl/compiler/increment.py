"""A policy that differs little from the one before: rendered without looking at the domains that did not change.

What names neither a changed domain nor the shard of one is taken over by its digest. The result is that of rendering
the whole model, as long as the shards are as many.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import NamedTuple

import msgspec

from postmta_ctl.compiler.build import build, domain_entry
from postmta_ctl.compiler.bundle import DOMAINS, Bundle
from postmta_ctl.compiler.model import PolicyModel
from postmta_ctl.compiler.names import shard_count, shard_file, shard_of
from postmta_ctl.compiler.render import render_tables, shard_text


class Base(NamedTuple):
    """The policy before."""

    digests: Mapping[str, str]
    """SHA-256 of its files by path."""
    domains: int
    """How many it has."""
    shards: Mapping[str, bytes]
    """The files of the changed domains, and others that are wanted at hand."""


class Increment(NamedTuple):
    """The policy after."""

    bundle: Bundle
    domains: int


def render_since(base: Base, model: PolicyModel, changed: Collection[str]) -> Increment | None:
    """The bundle of a model, of whose domains only the changed ones need be there.

    Args:
        base: The policy before, from a model that was the same but for what the next two say.
        model: All that is not a domain, and those of the changed domains that there are now.
        changed: Names of domains that may be others than before, or gone.

    Returns:
        None when so many came or went that they are spread over another number of files.
    """
    count = number_of_shards(base.digests)
    now = {domain.name: domain_entry(domain) for domain in model.domains if domain.name in set(changed)}
    shards = {path: json.loads(content) for path, content in base.shards.items()}
    total = base.domains
    for name in changed:
        shard = shards[shard_file("domains", shard_of(name, count))]
        total += (name in now) - (name in shard)
        shard.pop(name, None)
        if name in now:
            shard[name] = now[name]
    if shard_count(total) != count:
        return None
    tables = build(msgspec.structs.replace(model, domains=()))
    tables = msgspec.structs.replace(tables, data={"domains": {"shards": count}}, domains=())
    files = render_tables(tables).files | {path: shard_text(shard) for path, shard in shards.items()}
    rest = {path: digest for path, digest in base.digests.items() if path.startswith(DOMAINS) and path not in files}
    return Increment(Bundle.of(files, rest), total)


def number_of_shards(digests: Mapping[str, str]) -> int:
    """Over how many files the domains of a policy are spread."""
    return sum(path.startswith(DOMAINS) for path in digests)


def shards_of(names: Collection[str], count: int) -> set[str]:
    """The files that these domains stand in, or would."""
    return {shard_file("domains", shard_of(name, count)) for name in names}
