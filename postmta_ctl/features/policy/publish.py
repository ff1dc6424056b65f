"""Publishing: prove the draft, make it a release, bring the nodes to it."""

from __future__ import annotations

from typing import Literal

import msgspec

from postmta_ctl.compiler.bundle import ChangeClass, change_class
from postmta_ctl.features.nodes import queries as nodes
from postmta_ctl.features.nodes.queries import NodeRow
from postmta_ctl.features.policy import bringing, canaries, queries, releasing
from postmta_ctl.features.policy.canaries import CanaryRequest
from postmta_ctl.features.policy.draft import Draft, draft_policy, prove_draft
from postmta_ctl.features.policy.proofs import Proof, require
from postmta_ctl.features.policy.queries import Canary, State
from postmta_ctl.features.policy.releasing import By, NewRelease
from postmta_ctl.features.policy.rollout import NodeOutcome, Since
from postmta_ctl.store.locks import exclusive
from postmta_ctl.system import System


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """What a publication did."""

    outcome: Literal["published", "nothing", "proposed", "canary", "stopped", "dry_run"]
    """``nothing``: the policy is that of the newest release; nodes that lagged behind were brought up to date.
    ``proposed``: it waits for approval. ``canary``: the nodes that try it run it; ``stopped``: one of them did not
    come to. ``dry_run``: it would be published, and nothing was written."""
    release: int
    change_class: ChangeClass
    nodes: list[NodeOutcome]


async def publish(
    system: System, by: By, *, reason: str | None = None, canary: CanaryRequest | None = None
) -> Publication:
    """Publish the policy as the configuration has it now, or propose it where publishing needs approval.

    Returns when every node has said that it runs the release, or has failed to: that is in the answer, and no
    error, since the release stands and the node is brought up to date later.

    Args:
        system: The parts.
        by: Who publishes.
        reason: For the history; the changes themselves when absent.
        canary: Which nodes try it before the others; all at once when absent.

    Raises:
        PolicyRefused: A proof failed; everything is as it was.
        InvalidRequest: The canary names no node, or all.
        Conflict: Another release is the canary.
        Busy: Another publication takes its time.
    """
    async with exclusive(system.db, bringing.LOCK):
        await canaries.refuse_another(system)
        draft = await draft_policy(system)
        if draft.is_published:
            await take_up(system, draft)
            return publication("nothing", draft, await bringing.bring(system, draft.number, draft.bundle))
        proofs = await _proved(system, draft)
        if system.settings.publish_approval:
            number = await _propose(system, draft, proofs, by, reason)
            return publication("proposed", draft, [], number=number)
        first = await plan_canary(system, draft, canary)
        await _make(system, draft, proofs, by, reason, state="canary" if first else "published", canary=first)
        return await bring(system, draft, first)


async def rehearse(system: System) -> Publication:
    """What a publication would do now, without writing anything.

    Raises:
        PolicyRefused: A proof fails.
    """
    draft = await draft_policy(system)
    await _proved(system, draft)
    async with system.db.reading() as connection:
        rows = await nodes.all_nodes(connection)
    return publication("dry_run", draft, [_would_run(row, draft.number) for row in rows])


def _would_run(row: NodeRow, number: int) -> NodeOutcome:
    is_there = row.running_release == number
    now = "is at no known release" if row.running_release is None else f"runs release {row.running_release}"
    detail = now if is_there else f"{now} and would be brought to release {number}"
    return NodeOutcome(node=row.name, ok=is_there, running_release=row.running_release, detail=detail)


async def release(system: System, by: By, *, reason: str) -> None:
    """Make a release, and leave it to others to bring the nodes to it.

    Raises:
        PolicyRefused: A proof failed; everything is as it was.
        Busy: A publication takes its time.
    """
    async with exclusive(system.db, bringing.LOCK):
        draft = await draft_policy(system)
        if not draft.is_published:
            await _make(system, draft, await _proved(system, draft), by, reason)


async def bring(system: System, draft: Draft, canary: Canary | None, *, number: int | None = None) -> Publication:
    """Bring all nodes to the draft that was made a release, or those that try it."""
    number = number or draft.number
    if canary is None:
        outcomes = await bringing.bring(system, number, draft.bundle, since=_since(draft))
        return publication("published", draft, outcomes, number=number)
    goes_on, outcomes = await canaries.start(system, number, canary)
    return publication("canary" if goes_on else "stopped", draft, outcomes, number=number)


def _since(draft: Draft) -> Since | None:
    if draft.latest is None or draft.changed is None:
        return None
    return Since(draft.latest.number, draft.changed)


async def plan_canary(system: System, draft: Draft, request: CanaryRequest | None) -> Canary | None:
    """The canary that was asked for, if any was."""
    return await canaries.plan(system, request, [change.id for change in draft.changes]) if request else None


def publication(
    outcome: Literal["published", "nothing", "proposed", "canary", "stopped", "dry_run"],
    draft: Draft,
    outcomes: list[NodeOutcome],
    *,
    number: int | None = None,
) -> Publication:
    """The answer, for a draft that could be rendered."""
    kind = change_class(draft.latest_bundle, draft.rendered)
    return Publication(outcome=outcome, release=number or draft.number, change_class=kind, nodes=outcomes)


async def take_up(system: System, draft: Draft) -> None:
    """What changed has no effect on the policy, or was undone: nothing is left to wait for."""
    if draft.changes:
        async with system.db.transaction() as connection:
            await queries.take_up(connection, [change.id for change in draft.changes], draft.number)


async def _proved(system: System, draft: Draft) -> list[Proof]:
    proofs = await prove_draft(system, draft)
    require(proofs)
    return proofs


async def _propose(system: System, draft: Draft, proofs: list[Proof], by: By, reason: str | None) -> int:
    """Number of the proposal; the same policy is not proposed twice."""
    async with system.db.reading() as connection:
        open_one = await queries.proposal(connection)
    if open_one is not None and open_one.digest == draft.rendered.digest:
        return open_one.number
    await _make(system, draft, proofs, by, reason, state="proposed")
    return draft.number


async def _make(
    system: System,
    draft: Draft,
    proofs: list[Proof],
    by: By,
    reason: str | None,
    *,
    state: State = "published",
    canary: Canary | None = None,
) -> None:
    new = NewRelease(
        number=draft.number,
        bundle=draft.rendered,
        previous=draft.latest_bundle,
        proofs=proofs,
        reason=reason or "; ".join(change.summary for change in draft.changes) or "no reason given",
        state=state,
        canary=canary,
        basis=draft.basis,
        change_ids=[change.id for change in draft.changes] if state == "published" else (),
    )
    await releasing.make(system, new, by)
