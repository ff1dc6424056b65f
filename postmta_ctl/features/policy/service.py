"""Looking at the policy: what publishing would do, and what was published."""

from __future__ import annotations

import asyncio
import io
import tarfile

from postmta_ctl.compiler.bundle import Bundle, change_class, diff
from postmta_ctl.compiler.names import release_folder
from postmta_ctl.errors import InvalidRequest, NotFound
from postmta_ctl.features.policy import queries
from postmta_ctl.features.policy.canaries import standstill
from postmta_ctl.features.policy.draft import draft_policy, load_release, prove_draft
from postmta_ctl.features.policy.proofs import Proof, of_model, require
from postmta_ctl.features.policy.queries import ChangeRow, ReleaseRow
from postmta_ctl.features.policy.schemas import Change, Check, Difference, Plan, Release, ReleaseDetail
from postmta_ctl.store.paging import MAX_LIMIT, Page
from postmta_ctl.system import System


async def plan(system: System) -> Plan:
    """What publishing would do now."""
    draft = await draft_policy(system)
    proofs = await prove_draft(system, draft)
    async with system.db.reading() as connection:
        newest = await queries.newest_that_ran(connection)
    return Plan(
        release=draft.number,
        previous_release=draft.latest.number if draft.latest else None,
        digest=draft.bundle.digest if draft.bundle else None,
        is_publishable=_all_hold(proofs),
        change_class=draft.change_class(),
        changes=[_change(row) for row in draft.changes],
        proofs=proofs,
        diff=await asyncio.to_thread(draft.diff),
        stands_still=standstill(newest),
    )


async def difference(system: System, first: int, second: int | None) -> Difference:
    """What differs from one release to another, or to the policy as it is configured now.

    Raises:
        NotFound: There is no such release, or its files are kept no more.
        PolicyRefused: The present configuration cannot be rendered.
    """
    before = await _bundle_of(system, first)
    after = (await render(system))[1] if second is None else await _bundle_of(system, second)
    return Difference(
        from_release=first,
        to_release=second,
        change_class=change_class(before, after),
        diff=await asyncio.to_thread(diff, before, after),
    )


async def _bundle_of(system: System, number: int) -> Bundle:
    async with system.db.reading() as connection:
        if await queries.by_number(connection, number) is None:
            raise NotFound(f"There is no release {number}.")
        return await load_release(connection, number)


async def check(system: System) -> Check:
    """Prove the policy as it is configured now, all of it."""
    proofs = await prove_draft(system, await draft_policy(system, whole=True))
    findings = [finding for proof in proofs for finding in proof.findings]
    return Check(ok=_all_hold(proofs), proofs=proofs, findings=findings)


def _all_hold(proofs: list[Proof]) -> bool:
    return all(proof.ok is not False for proof in proofs)


async def render(system: System) -> tuple[int, Bundle]:
    """The policy as it is configured now, and the number it has or would get.

    Raises:
        PolicyRefused: The model has errors; there is nothing to render.
    """
    draft = await draft_policy(system, whole=True)
    require([of_model(draft.findings)])
    return draft.number, draft.rendered


async def archive(system: System) -> tuple[str, bytes]:
    """The rendered policy as a tar.gz, and the name of the folder in it.

    Raises:
        PolicyRefused: There is nothing to render.
    """
    number, bundle = await render(system)
    folder = release_folder(number, bundle.digest)
    return folder, await asyncio.to_thread(_pack, folder, bundle.contents(number))


def _pack(folder: str, contents: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, content in contents.items():
            member = tarfile.TarInfo(f"{folder}/{path}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


async def list_releases(system: System, *, limit: int, cursor: int | None) -> Page[Release]:
    """Releases, newest first; the cursor is a number."""
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidRequest.of("limit", f"must be between 1 and {MAX_LIMIT}", code="out_of_range")
    async with system.db.reading() as connection:
        rows = await queries.page(connection, before=cursor, limit=limit + 1)
    shown = [_release(row) for row in rows[:limit]]
    return Page(shown, str(shown[-1].number) if len(rows) > limit else None)


async def get_release(system: System, number: int) -> ReleaseDetail:
    """One release.

    Raises:
        NotFound: There is no such release.
    """
    async with system.db.reading() as connection:
        row = await queries.by_number(connection, number)
        if row is None:
            raise NotFound(f"There is no release {number}.")
        return ReleaseDetail(
            release=_release(row),
            changes=[_change(change) for change in await queries.changes_of(connection, number)],
            proofs=list(row.proofs),
            diff=await queries.diff_of(connection, number),
            files=await queries.files_of(connection, number),
        )


def _release(row: ReleaseRow) -> Release:
    return Release(**{name: getattr(row, name) for name in Release.__struct_fields__})


def _change(row: ChangeRow) -> Change:
    return Change(**{name: getattr(row, name) for name in Change.__struct_fields__})
