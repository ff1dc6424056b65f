"""What of the newest release the next one may take over, and what has to be looked at for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.increment import Base, Increment, number_of_shards, shards_of
from postmta_ctl.features.domains import queries as domains
from postmta_ctl.features.policy import queries
from postmta_ctl.features.policy.prover import fingerprint
from postmta_ctl.features.policy.queries import ChangeRow, ReleaseRow
from postmta_ctl.features.policy.rehearsal import SENDERS
from postmta_ctl.features.policy.scenarios.format import ScenarioError, parse
from postmta_ctl.features.policy.scenarios.journey import domains_of
from postmta_ctl.luavm.tables import read_table

_TENANTS = "generated/tenants.lua"


class Since(msgspec.Struct, frozen=True, kw_only=True):
    """The newest release, as something to go on from."""

    base: Base
    changed: frozenset[str]
    """Names of the domains that may be others than in it, or gone."""
    domains: frozenset[str]
    """Those, and one of each organization: what it has domains for is not asked of all of them."""
    verified: int
    """How many domains were verified when it was made."""

    def agrees(self, increment: Increment, verified: int) -> bool:
        """Whether the rows have as many domains as the files: if not, a change was not noted as one."""
        return increment.domains - self.base.domains == verified - self.verified


async def find(
    connection: AsyncConnection,
    latest: ReleaseRow,
    files: Mapping[str, str],
    changes: Sequence[ChangeRow],
    scenarios: str,
) -> Since | None:
    """What can be taken over from a release; None if nothing can.

    Args:
        connection: Where the rows and the blobs are.
        latest: The release.
        files: SHA-256 of its files by path.
        changes: What changed since.
        scenarios: Those that the policy is tried with.
    """
    basis = latest.basis
    if basis is None or basis.prover != fingerprint() or any(change.domains is None for change in changes):
        return None
    changed = frozenset(name for change in changes for name in change.domains or ())
    first = await domains.first_of_each(connection)
    count = number_of_shards(files)
    wanted = shards_of([*changed, *first[:SENDERS], *_of_scenarios(scenarios)], count)
    blobs = await queries.contents(connection, {files[path] for path in wanted})
    return Since(
        base=Base(files, basis.domains, {path: blobs[files[path]] for path in wanted}),
        changed=changed,
        domains=changed | set(first),
        verified=basis.verified,
    )


def _of_scenarios(text: str) -> list[str]:
    try:
        return [domain for scenario in parse(text) for domain in domains_of(scenario)]
    except ScenarioError:
        # The proof says so.
        return []


def lost_tenants(before: Bundle | None, after: Bundle) -> bool:
    """Whether a tenant is gone that a domain which nobody looked at might lead to."""
    if before is None or before.digests.get(_TENANTS) == after.digests[_TENANTS]:
        return False
    names = [set(read_table(bundle.files[_TENANTS], _TENANTS)) for bundle in (before, after)]
    return not names[0] <= names[1]
