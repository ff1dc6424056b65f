"""Which vMTAs the mail of each tenant may leave from, as the policy will have it: names only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from postmta_ctl.compiler.names import tenant_name
from postmta_ctl.features.pools.queries import PoolRow


def ways_out(slug: str, vmtas: Iterable[str], pools: Iterable[PoolRow]) -> Mapping[str, frozenset[str]]:
    """By tenant: the organization itself, its named pools, and each vMTA that mail is pinned to.

    Args:
        slug: Of the organization.
        vmtas: Names of all its vMTAs.
        pools: All its pools.
    """
    every = frozenset(vmtas)
    found = {tenant_name(slug): every}
    for pool in pools:
        members = frozenset(pool.weights)
        found[tenant_name(slug, pool=pool.name)] = members
        if pool.default_of:
            found[tenant_name(slug)] = members
    return found | {tenant_name(slug, name): frozenset({name}) for name in every}
