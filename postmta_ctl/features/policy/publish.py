"""Publishing: prove the draft, make it a release, bring the nodes to it."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Literal

import msgspec
import structlog

from postmta_ctl.compiler.bundle import Bundle, ChangeClass, change_class
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.nodes import queries as nodes
from postmta_ctl.features.policy import queries, rollout
from postmta_ctl.features.policy.draft import Draft, draft_policy, load_bundle
from postmta_ctl.features.policy.proofs import Proof, prove, require
from postmta_ctl.features.policy.rollout import NodeOutcome, Target
from postmta_ctl.store.locks import exclusive
from postmta_ctl.system import System

log = structlog.get_logger(__name__)

LOCK = "publication"
PROBE_SECONDS = 10.0
"""How long a publication waits for each node to say that it runs the release."""
CATCH_UP_SECONDS = 2.0
"""The same when a node is brought up to date in the background, where the next turn is near."""
MAX_REASON = 500


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """What a publication did."""

    outcome: Literal["published", "nothing"]
    """``nothing``: the policy is that of the newest release; nodes that lagged behind were brought up to date."""
    release: int
    change_class: ChangeClass
    nodes: list[NodeOutcome]


async def publish(
    system: System, *, author: str, reason: str | None = None, principal: Principal | None = None
) -> Publication:
    """Publish the policy as the configuration has it now.

    Returns when every node has said that it runs the release, or has failed to: that is in the answer, and no
    error, since the release stands and the node is brought up to date later.

    Args:
        system: The parts.
        author: Who publishes.
        reason: For the history; the changes themselves when absent.
        principal: Who asked for it through the API, if anybody did.

    Raises:
        PolicyRefused: A proof failed; everything is as it was.
        Busy: Another publication takes its time.
    """
    async with exclusive(system.db, LOCK):
        draft = await _release(system, author, reason, principal)
        bundle = draft.rendered
        async with system.db.reading() as connection:
            rows = await nodes.all_nodes(connection)
        outcomes = await rollout.roll_out(system, await _target(system, draft.number, bundle), rows, PROBE_SECONDS)
    return Publication(
        outcome="nothing" if draft.is_published else "published",
        release=draft.number,
        change_class=change_class(draft.latest_bundle, bundle),
        nodes=outcomes,
    )


async def release(system: System, *, author: str, reason: str) -> None:
    """Make a release, and leave it to others to bring the nodes to it.

    Raises:
        PolicyRefused: A proof failed; everything is as it was.
        Busy: A publication takes its time.
    """
    async with exclusive(system.db, LOCK):
        await _release(system, author, reason)


async def _release(system: System, author: str, reason: str | None, principal: Principal | None = None) -> Draft:
    """Make the policy of this moment the newest release, unless it is that already."""
    draft = await draft_policy(system)
    if draft.is_published:
        # What changed has no effect on the policy, or was undone: nothing is left to wait for.
        await _take_up(system, draft)
        return draft
    proofs = await prove(draft.model, draft.bundle, draft.findings, kumod=system.settings.kumod)
    require(proofs)
    await _record(system, draft, proofs, author=author, reason=reason, principal=principal)
    return draft


async def _record(
    system: System,
    draft: Draft,
    proofs: list[Proof],
    *,
    author: str,
    reason: str | None,
    principal: Principal | None,
) -> None:
    """Make the release. From this commit on it is what every node should run; the rest is bringing them to it."""
    now = system.now()
    bundle = draft.rendered
    files = bundle.manifest(draft.number).files
    blobs = {digest: bundle.files[path] for path, digest in files.items()}
    reason = reason or "; ".join(change.summary for change in draft.changes) or "no reason given"
    diff = await asyncio.to_thread(draft.diff)
    async with system.db.transaction() as connection:
        await queries.add_blobs(connection, blobs)
        await queries.add(
            connection,
            number=draft.number,
            digest=bundle.digest,
            author=author,
            reason=reason[:MAX_REASON],
            change_class=change_class(draft.latest_bundle, bundle),
            diff=diff,
            proofs=proofs,
            files=files,
            state="published",
            published_at=now,
            created_at=now,
        )
        await queries.take_up(connection, [change.id for change in draft.changes], draft.number)
        after = {"release": draft.number, "digest": bundle.digest, "reason": reason}
        await audit.record(
            connection, principal, "policy.published", str(draft.number), after=after, now=now, actor=author
        )
    log.info("published", release=draft.number, author=author, reason=reason)


async def _take_up(system: System, draft: Draft) -> None:
    if draft.changes:
        async with system.db.transaction() as connection:
            await queries.take_up(connection, [change.id for change in draft.changes], draft.number)


async def _target(system: System, number: int, bundle: Bundle) -> Target:
    async with system.db.reading() as connection:
        return Target(number=number, bundle=bundle, keys=await queries.key_files(connection))


async def catch_up(system: System, *, seen_after: datetime) -> list[NodeOutcome]:
    """Bring the nodes that lag behind to the newest release.

    Files are written for all of them. Only those seen since ``seen_after`` are asked which release they run, since
    a node that is away would hold up the others.

    Raises:
        Busy: A publication is under way, which does the same.
    """
    async with exclusive(system.db, LOCK, wait=0):
        async with system.db.reading() as connection:
            latest = await queries.latest(connection)
            rows = await nodes.all_nodes(connection)
        behind = [] if latest is None else rollout.lagging(rows, latest.number)
        here = [row for row in behind if row.last_seen_at is not None and row.last_seen_at >= seen_after]
        away = [row for row in behind if row not in here and latest and row.published_release != latest.number]
        if latest is None or not here + away:
            return []
        target = await _target(system, latest.number, await _bundle(system, latest.number))
        for row in away:
            await rollout.deliver(system, target, row)
        return await rollout.roll_out(system, target, here, CATCH_UP_SECONDS)


async def _bundle(system: System, number: int) -> Bundle:
    async with system.db.reading() as connection:
        return await load_bundle(connection, await queries.files_of(connection, number))
