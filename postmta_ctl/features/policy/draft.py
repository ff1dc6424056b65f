"""The policy as it would be published now, beside the one that is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.compiler.bundle import Bundle, ChangeClass, change_class, diff
from postmta_ctl.compiler.check import Finding, check
from postmta_ctl.compiler.increment import Increment, render_since
from postmta_ctl.compiler.lua import LuaLiteralError
from postmta_ctl.compiler.model import PolicyModel
from postmta_ctl.compiler.render import render
from postmta_ctl.errors import NotFound
from postmta_ctl.features.domains import queries as domains
from postmta_ctl.features.policy import queries, since
from postmta_ctl.features.policy.load import load_model
from postmta_ctl.features.policy.proofs import Proof, of_model, prove
from postmta_ctl.features.policy.prover import Basis, fingerprint
from postmta_ctl.features.policy.queries import ChangeRow, ReleaseRow
from postmta_ctl.features.policy.scenarios import queries as scenario_queries
from postmta_ctl.features.policy.since import Since
from postmta_ctl.progress import reached
from postmta_ctl.system import System


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What the rows of this moment compile to."""

    changes: list[ChangeRow]
    """What changed since the newest release."""
    findings: list[Finding]
    """Of the model."""
    scenarios: str
    """What it must do, as ``scenarios.format`` has it."""
    bundle: Bundle | None
    """None: the model has errors, and cannot be rendered."""
    latest: ReleaseRow | None
    """The release that every node should run."""
    next_number: int
    latest_bundle: Bundle | None
    """Of its files those at hand that are not the same in ``bundle``, or at hand there."""
    basis: Basis
    """What a later one may rely on, once this is proved."""
    changed: frozenset[str] | None = None
    """Names of the only domains that differ from the newest release; None: it may be all."""

    @property
    def is_published(self) -> bool:
        """Whether the newest release is this very policy."""
        return self.bundle is not None and self.latest is not None and self.bundle.digest == self.latest.digest

    @property
    def number(self) -> int:
        """The release that this is, or would become."""
        return self.latest.number if self.latest and self.is_published else self.next_number

    @property
    def rendered(self) -> Bundle:
        """The bundle of a draft whose model has no errors."""
        if self.bundle is None:
            raise ValueError("the model has errors")
        return self.bundle

    def diff(self) -> str:
        """The change as a unified diff; empty when there is none, or nothing could be rendered."""
        return "" if self.bundle is None else diff(self.latest_bundle, self.bundle)

    def change_class(self) -> ChangeClass | None:
        """What it takes to bring the change to a node; None when nothing could be rendered."""
        return None if self.bundle is None else change_class(self.latest_bundle, self.bundle)


async def draft_policy(system: System, *, whole: bool = False) -> Draft:
    """Load, check and render, changing nothing.

    What did not change since the newest release is taken over from there, by its digest, if that was rendered and
    proved by this very program.

    Args:
        system: The parts.
        whole: Look at everything, and have every file at hand.
    """
    draft = await _draft(system, whole=whole)
    if draft.changed is not None and await asyncio.to_thread(since.lost_tenants, draft.latest_bundle, draft.rendered):
        # A domain that was taken over might lead to one of them.
        draft = await _draft(system, whole=True)
    return draft


async def _draft(system: System, *, whole: bool) -> Draft:
    async with system.db.reading() as connection:
        # First, so that a change that is listed here is in what is read after it, whatever commits in between.
        changes = await queries.pending(connection)
        latest = await queries.latest(connection)
        files = {} if latest is None else await queries.files_of(connection, latest.number)
        scenarios = await scenario_queries.text(connection)
        next_number = await queries.newest_number(connection) + 1
        few = None if whole or latest is None else await since.find(connection, latest, files, changes, scenarios)
        model = await load_model(connection, system.settings, only=None if few is None else few.domains)
        verified = await domains.count_verified(connection)
    reached("load")
    if few is None:
        findings, bundle = await asyncio.to_thread(_compile, model)
        count, changed = len(model.domains), None
    else:
        findings, increment = await asyncio.to_thread(_compile_since, model, few)
        if increment is None or not few.agrees(increment, verified):
            return await _draft(system, whole=True)
        bundle, count, changed = increment.bundle, increment.domains, few.changed
    latest_bundle = None
    if latest is not None:
        async with system.db.reading() as connection:
            latest_bundle = await load_bundle(connection, files, like=bundle)
    return Draft(
        changes=changes,
        findings=findings,
        scenarios=scenarios,
        bundle=bundle,
        latest=latest,
        next_number=next_number,
        latest_bundle=latest_bundle,
        basis=Basis(prover=fingerprint(), domains=count, verified=verified),
        changed=changed,
    )


async def prove_draft(system: System, draft: Draft) -> list[Proof]:
    """All proofs of a draft, in order; what stands on a failed one is not tried."""
    proofs = [of_model(draft.findings)]
    if draft.bundle is not None:
        proofs += await prove(draft.bundle, draft.scenarios, kumod=system.settings.kumod)
    return proofs


def _compile(model: PolicyModel) -> tuple[list[Finding], Bundle | None]:
    findings = check(model)
    reached("check")
    if any(finding.severity == "error" for finding in findings):
        return findings, None
    try:
        bundle = render(model)
    except LuaLiteralError as error:
        return [*findings, Finding(code="no-lua-literal", message=str(error), where="policy")], None
    reached("render")
    return findings, bundle


def _compile_since(model: PolicyModel, few: Since) -> tuple[list[Finding], Increment | None]:
    """None also for what has errors: they are found, and told, by looking at everything."""
    findings = check(model)
    if any(finding.severity == "error" for finding in findings):
        return findings, None
    try:
        return findings, render_since(few.base, model, few.changed)
    except LuaLiteralError:
        return findings, None


async def load_release(connection: AsyncConnection, number: int) -> Bundle:
    """A release out of its blobs, for somebody who named it.

    Raises:
        NotFound: ``release_gone``: its files are kept no more.
    """
    files = await queries.files_of(connection, number)
    if not files:
        raise gone(number)
    return await load_bundle(connection, files)


async def load_bundle(connection: AsyncConnection, files: dict[str, str], *, like: Bundle | None = None) -> Bundle:
    """A release's bundle out of its blobs.

    Args:
        connection: Where the blobs are.
        files: SHA-256 of each file by path, as the release lists them.
        like: A bundle that shares most files with it; those are not fetched, and are at hand if they are so there.
    """
    same = {} if like is None else {path: one for path, one in like.digests.items() if files.get(path) == one}
    there = {path: like.files[path] for path in same if path in like.files} if like else {}
    blobs = await queries.contents(connection, {digest for path, digest in files.items() if path not in same})
    own = {path: blobs[digest] for path, digest in files.items() if path not in same}
    return Bundle.of(there | own, {path: digest for path, digest in same.items() if path not in there})


def gone(number: int) -> NotFound:
    """The error for whoever asks for the files of such a release."""
    return NotFound(
        f"The files of release {number} are kept no more; what remains is the record of who published what and why.",
        code="release_gone",
    )
