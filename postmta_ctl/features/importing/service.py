"""Planning an import, and carrying it out: the plan does everything, and undoes it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from postmta_ctl.errors import Conflict, FieldError, InvalidRequest
from postmta_ctl.features.auth.principal import ROLES, Principal
from postmta_ctl.features.importing.making import Maker
from postmta_ctl.features.importing.schemas import Import, Item
from postmta_ctl.features.ips import queries as ips
from postmta_ctl.features.policy import queries as policy
from postmta_ctl.importing.files import Reader
from postmta_ctl.importing.policy_settings import as_toml
from postmta_ctl.importing.report import OUTCOMES
from postmta_ctl.importing.wanted import Wanted
from postmta_ctl.store.engine import Joined
from postmta_ctl.system import System

MAX_NAMED = 20


class _Undone(Exception):
    """Leaves a transaction so that nothing of it remains."""


async def principal_of(system: System, slug: str | None, author: str) -> Principal:
    """Who an import is made for: an organization, by its slug, or the only one there is.

    Raises:
        InvalidRequest: There is none of this slug, or there are several and none was named.
    """
    async with system.db.reading() as connection:
        slugs = await policy.slugs(connection)
        if slug is None and len(slugs) != 1:
            known = ", ".join(slugs[:MAX_NAMED]) or "none; register a user first"
            raise InvalidRequest.of("organization", f"name one by --organization; there are: {known}")
        chosen = slug or slugs[0]
        organization_id = await ips.organization_id(connection, chosen)
    if organization_id is None:
        raise InvalidRequest.of("organization", "there is no organization of this slug", code="organization_unknown")
    return Principal(
        organization_id=organization_id, organization=chosen, role="owner", scopes=ROLES["owner"], email=author
    )


async def plan(system: System, principal: Principal, wanted: Wanted, reader: Reader, schedule: str) -> Import:
    """What an import would make. It is found out by making it, in a transaction that is undone."""
    items: list[Item] = []
    try:
        async with system.db.transaction() as connection:
            joined = replace(system, db=Joined(system.db, connection))
            items = await Maker(joined, principal, wanted, reader, schedule).make()
            raise _Undone
    except _Undone:
        return _shown(principal, wanted, items, applied=False)


async def apply(
    system: System, principal: Principal, wanted: Wanted, reader: Reader, schedule: str, *, despite_findings: bool
) -> Import:
    """Make everything in one transaction. What is there already stays as it is, so a second time changes nothing.

    Raises:
        Conflict: ``import_findings``: something cannot be read or made; then nothing is, unless told to leave it out.
    """
    async with system.db.transaction() as connection:
        joined = replace(system, db=Joined(system.db, connection))
        done = _shown(principal, wanted, await Maker(joined, principal, wanted, reader, schedule).make(), applied=True)
        if done.findings and not despite_findings:
            errors = tuple(FieldError(field="finding", message=one) for one in done.findings[:MAX_NAMED])
            detail = f"Nothing was written: {len(done.findings)} findings; --despite-findings leaves them out."
            raise Conflict(detail, code="import_findings", errors=errors)
    return done


def _shown(principal: Principal, wanted: Wanted, items: list[Item], *, applied: bool) -> Import:
    report = wanted.report.lines()
    counts = Counter(one.outcome for one in report)
    return Import(
        organization=principal.organization,
        applied=applied,
        items=items,
        settings=as_toml(wanted.policy),
        outcomes={outcome: counts[outcome] for outcome in OUTCOMES},
        unreadable=[wanted.report.place(index) for index in wanted.problems],
        report=report,
    )
