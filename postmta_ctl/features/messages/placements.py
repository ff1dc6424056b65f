"""Which nodes mail may be given to, by where the addresses of its vMTAs live."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from postmta_ctl.features.messages import place_queries as queries
from postmta_ctl.features.messages.place_queries import PlacedVmta
from postmta_ctl.features.pools import queries as pools
from postmta_ctl.features.pools.queries import PoolRow
from postmta_ctl.features.pools.ways import ways_out
from postmta_ctl.system import System

ByTenant = Mapping[str, frozenset[str]]
"""Names of the nodes that a tenant's mail can leave from; a tenant that is not in it has no preference."""


async def placements(system: System) -> ByTenant:
    """Those of all tenants, at most a second old."""
    known = system.placements.get()
    if known is None:
        async with system.db.reading() as connection:
            found = await queries.placed_vmtas(connection)
            rows = await pools.of_all(connection) if found else []
        known = by_tenant(found, rows)
        system.placements.set(known)
    return known


def by_tenant(vmtas: Sequence[PlacedVmta], rows: Iterable[tuple[str, PoolRow]]) -> ByTenant:
    """The tenants whose mail cannot leave from everywhere.

    Args:
        vmtas: All of the organizations that have a vMTA which names nodes.
        rows: All pools, each with the slug of its organization.
    """
    all_pools = list(rows)
    found: dict[str, frozenset[str]] = {}
    for slug in {one.organization for one in vmtas}:
        own = {one.name: one for one in vmtas if one.organization == slug}
        for tenant, names in ways_out(slug, own, [pool for whose, pool in all_pools if whose == slug]).items():
            if nodes := _nodes([own[name] for name in names if name in own]):
                found[tenant] = nodes
    return found


def _nodes(vmtas: Collection[PlacedVmta]) -> frozenset[str]:
    """Those of a pool's members; of the paused ones only if there are no others. Empty: all."""
    members = [one for one in vmtas if not one.is_paused] or vmtas
    if any(not one.nodes for one in members):
        return frozenset()
    return frozenset(name for one in members for name in one.nodes)
