"""Writing and reading the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.ids import new_id
from postmta_ctl.core.masking import masked
from postmta_ctl.errors import InvalidRequest
from postmta_ctl.features.audit import queries
from postmta_ctl.features.audit.queries import EntryRow, Filter
from postmta_ctl.features.audit.schemas import AuditEntry
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.store.paging import Page, PageRequest
from postmta_ctl.system import System


async def record(
    connection: AsyncConnection,
    principal: Principal | None,
    action: str,
    target_id: str,
    *,
    before: Any = None,
    after: Any = None,
    now: datetime,
    organization_id: str | None = None,
    actor: str = "postmta",
) -> None:
    """Write down what was done.

    Call it in the transaction that does it: then there is no change without its entry, and no entry without its change.

    Args:
        connection: The transaction.
        principal: Who did it, and from where; None for the service itself.
        action: What, such as ``domain.deleted``: the kind of thing, and what happened to it.
        target_id: Id of the thing.
        before: The thing as it was; secrets are masked by the names of their fields.
        after: The thing as it is from now on.
        now: When.
        organization_id: Whose log; the principal's when absent, and the operators' when there is neither.
        actor: Who did it when there is no principal: a job, or the command line.
    """
    await queries.add(
        connection,
        EntryRow(
            id=new_id(now),
            organization_id=organization_id or (principal.organization_id if principal else None) or None,
            actor_kind=_kind(principal),
            actor_id=(principal.user_id or principal.api_key_id) if principal else None,
            actor=principal.name if principal else actor,
            action=action,
            target_id=target_id,
            address=principal.address if principal else "",
            request_id=principal.request_id if principal else "",
            before=masked(before),
            after=masked(after),
            created_at=now,
        ),
    )


def _kind(principal: Principal | None) -> str:
    if principal is None:
        return "system"
    return "api_key" if principal.api_key_id else "user"


async def entries(system: System, principal: Principal, wanted: Filter, paging: PageRequest) -> Page[AuditEntry]:
    """The organization's entries, newest first; to operators also what was done to the installation without a user.

    Raises:
        InvalidRequest: A time has no offset from UTC.
    """
    for field in ("since", "until"):
        moment: datetime | None = getattr(wanted, field)
        if moment is not None and moment.tzinfo is None:
            raise InvalidRequest.of(field, "must have an offset from UTC")
    async with system.db.reading() as connection:
        rows = await queries.page(
            connection, principal.organization_id, wanted, paging, with_installation=principal.is_operator
        )
    return paging.page([_shown(row) for row in rows])


def _shown(row: EntryRow) -> AuditEntry:
    return AuditEntry(**{name: getattr(row, name) for name in AuditEntry.__struct_fields__})
