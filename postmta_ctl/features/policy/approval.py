"""Four eyes: what one proposed, another publishes."""

from __future__ import annotations

from postmta_ctl.errors import Conflict, NotFound, PermissionDenied
from postmta_ctl.features.policy import bringing, canaries, queries, releasing
from postmta_ctl.features.policy.canaries import CanaryRequest
from postmta_ctl.features.policy.draft import draft_policy
from postmta_ctl.features.policy.publish import Publication, bring, plan_canary
from postmta_ctl.features.policy.queries import ReleaseRow
from postmta_ctl.features.policy.releasing import By
from postmta_ctl.store.locks import exclusive
from postmta_ctl.system import System


async def approve(system: System, by: By, number: int, *, canary: CanaryRequest | None = None) -> Publication:
    """Publish what somebody else proposed.

    Raises:
        NotFound: There is no such release.
        PermissionDenied: Its author approves it himself.
        Conflict: It does not wait for approval, another one is the canary, or the configuration has changed since: what
            would be published is not what was proposed.
        InvalidRequest: The canary names no node, or all.
        Busy: A publication takes its time.
    """
    async with exclusive(system.db, bringing.LOCK):
        await canaries.refuse_another(system)
        row = await _proposal(system, number)
        if row.author == by.name:
            raise PermissionDenied("A release is approved by somebody else than its author.")
        draft = await draft_policy(system)
        overtaken = draft.latest is not None and draft.latest.number > number
        if overtaken or draft.bundle is None or draft.bundle.digest != row.digest:
            raise Conflict("The policy has changed since this was proposed. Propose it anew.", code="stale_proposal")
        first = await plan_canary(system, draft, canary)
        if first is None:
            changes = [change.id for change in draft.changes]
            await releasing.settle(system, row, "published", by, change_ids=changes)
        else:
            await releasing.settle(system, row, "canary", by, canary=first)
        return await bring(system, draft, first, number=number)


async def reject(system: System, by: By, number: int, *, note: str) -> None:
    """Turn a proposal down; its author may do so too.

    Raises:
        NotFound: There is no such release.
        Conflict: It does not wait for approval.
        Busy: A publication takes its time.
    """
    async with exclusive(system.db, bringing.LOCK):
        row = await _proposal(system, number)
        await releasing.settle(system, row, "rejected", by, note=note)


async def _proposal(system: System, number: int) -> ReleaseRow:
    async with system.db.reading() as connection:
        row = await queries.by_number(connection, number)
    if row is None:
        raise NotFound(f"There is no release {number}.")
    if row.state != "proposed":
        raise Conflict(f"Release {number} does not wait for approval: it is {row.state}.")
    return row
