"""Making a release: the one place where its row is written, with its files, its diff and its entry in the audit log."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

import msgspec
import structlog

from postmta_ctl.compiler.bundle import Bundle, change_class, diff
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.policy import queries
from postmta_ctl.features.policy.proofs import Proof
from postmta_ctl.features.policy.prover import Basis
from postmta_ctl.features.policy.queries import Canary, ReleaseRow, State
from postmta_ctl.progress import reached
from postmta_ctl.system import System

log = structlog.get_logger(__name__)

MAX_REASON = 500

_ACTIONS = {
    "published": "policy.published",
    "canary": "policy.canary_started",
    "proposed": "policy.proposed",
}
_DECIDED = {
    ("proposed", "published"): "approved",
    ("proposed", "canary"): "canary_started",
    ("canary", "published"): "promoted",
}


class By(msgspec.Struct, frozen=True):
    """Who acts on the policy: a name for the history, and the principal when it came through the API."""

    name: str
    principal: Principal | None = None


ITSELF = By("postmta")
"""Who acts where nobody asked in person."""


@dataclass(frozen=True, kw_only=True)
class NewRelease:
    """What becomes a release."""

    number: int
    bundle: Bundle
    previous: Bundle | None
    """What its diff is against: the policy that the nodes run."""
    proofs: list[Proof]
    reason: str
    state: State = "published"
    rollback_to: int | None = None
    canary: Canary | None = None
    basis: Basis | None = None
    change_ids: Collection[int] = ()
    """The changes that it takes up; a release that is not for all nodes yet takes up none."""


async def make(system: System, new: NewRelease, by: By) -> None:
    """Write a release. A published one is what every node should run from this commit on."""
    now = system.now()
    files = new.bundle.manifest(new.number).files
    text = await asyncio.to_thread(diff, new.previous, new.bundle)
    async with system.db.transaction() as connection:
        if new.state == "proposed":
            await queries.supersede_proposals(connection)
        await queries.add_blobs(connection, {files[path]: content for path, content in new.bundle.files.items()})
        await queries.add(
            connection,
            number=new.number,
            digest=new.bundle.digest,
            author=by.name,
            reason=new.reason[:MAX_REASON],
            change_class=change_class(new.previous, new.bundle),
            diff=text,
            proofs=new.proofs,
            files=files,
            state=new.state,
            rollback_to=new.rollback_to,
            canary=new.canary,
            basis=new.basis,
            published_at=None if new.state == "proposed" else now,
            created_at=now,
        )
        await queries.take_up(connection, new.change_ids, new.number)
        action = "policy.rolled_back" if new.rollback_to else _ACTIONS[new.state]
        after = {"release": new.number, "digest": new.bundle.digest, "reason": new.reason}
        if new.rollback_to is not None:
            after["rollback_to"] = new.rollback_to
        await audit.record(connection, by.principal, action, str(new.number), after=after, now=now, actor=by.name)
    reached("release")
    system.reach("after-release")
    log.info("release made", release=new.number, state=new.state, author=by.name, reason=new.reason)


async def settle(
    system: System,
    before: ReleaseRow,
    state: State,
    by: By,
    *,
    note: str | None = None,
    canary: Canary | None = None,
    change_ids: Collection[int] = (),
) -> None:
    """Write what was decided about a release that waited for it: a proposal, or a canary."""
    now, number = system.now(), before.number
    values: dict[str, object] = {"state": state, "note": note}
    if state in ("published", "canary"):
        values["published_at"] = now
    if before.state == "proposed" and state != "rejected":
        values |= {"approved_by": by.name, "canary": canary}
    async with system.db.transaction() as connection:
        await queries.change(connection, number, **values)
        await queries.take_up(connection, change_ids, number)
        await audit.record(
            connection,
            by.principal,
            f"policy.{_DECIDED.get((before.state, state), state)}",
            str(number),
            before={"state": before.state},
            after={"state": state, "note": note},
            now=now,
            actor=by.name,
        )
    log.info("release settled", release=number, state=state, by=by.name, note=note)
