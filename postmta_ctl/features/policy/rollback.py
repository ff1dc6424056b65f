"""Rolling back: an older policy, as a new release."""

from __future__ import annotations

import asyncio
from typing import Literal

from postmta_ctl.compiler.bundle import Bundle, change_class
from postmta_ctl.errors import Conflict, NotFound
from postmta_ctl.features.policy import bringing, canaries, queries, releasing
from postmta_ctl.features.policy.draft import gone, load_bundle, load_release
from postmta_ctl.features.policy.proofs import prove_bundle, require
from postmta_ctl.features.policy.publish import Publication
from postmta_ctl.features.policy.queries import ReleaseRow
from postmta_ctl.features.policy.releasing import By, NewRelease
from postmta_ctl.features.policy.scenarios import queries as scenario_queries
from postmta_ctl.store.locks import exclusive
from postmta_ctl.system import System


async def roll_back(system: System, by: By, number: int, *, reason: str | None = None) -> Publication:
    """Publish the policy of an older release again.

    It needs no approval, since that policy had it. A canary is stopped first. What was configured since
    stays configured: the plan shows it as a change, and nothing is published by itself until somebody publishes.

    Args:
        system: The parts.
        by: Who does.
        number: The release whose policy is wanted.
        reason: For the history.

    Raises:
        NotFound: There is no such release, or ``release_gone``: its files are kept no more.
        Conflict: It never was published to all nodes.
        PolicyRefused: The policy no longer holds, such as when it signs with a key that was deleted.
        Busy: A publication takes its time.
    """
    async with exclusive(system.db, bringing.LOCK):
        row = await _published(system, number)
        await canaries.stop_any(system, by, f"rolled back to release {number}")
        async with system.db.reading() as connection:
            latest = await queries.latest(connection)
            next_number = await queries.newest_number(connection) + 1
            wanted = await load_release(connection, number)
            current = await load_bundle(connection, await queries.files_of(connection, latest.number if latest else 0))
            keys = await queries.key_files(connection)
            scenarios = await scenario_queries.text(connection)
        if latest is not None and latest.digest == row.digest:
            return await _bring(system, "nothing", latest.number, wanted, current)
        proofs = await asyncio.to_thread(prove_bundle, wanted, keys, scenarios)
        require(proofs)
        reason = reason or f"roll back to release {number}"
        new = NewRelease(
            number=next_number, bundle=wanted, previous=current, proofs=proofs, reason=reason, rollback_to=number
        )
        await releasing.make(system, new, by)
        return await _bring(system, "published", next_number, wanted, current)


async def _published(system: System, number: int) -> ReleaseRow:
    async with system.db.reading() as connection:
        row = await queries.by_number(connection, number)
    if row is None:
        raise NotFound(f"There is no release {number}.")
    if row.state != "published":
        raise Conflict(f"Release {number} never ran on all nodes: it is {row.state}.")
    if row.files_removed_at is not None:
        raise gone(number)
    return row


async def _bring(
    system: System, outcome: Literal["published", "nothing"], number: int, wanted: Bundle, current: Bundle
) -> Publication:
    nodes = await bringing.bring(system, number, wanted)
    return Publication(outcome=outcome, release=number, change_class=change_class(current, wanted), nodes=nodes)
