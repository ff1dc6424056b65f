"""``/api/v1/audit``."""

from datetime import datetime
from typing import Annotated

from litestar import Router, get
from litestar.params import FromQuery, QueryParameter

from postmta_ctl.features.audit import service
from postmta_ctl.features.audit.queries import Filter
from postmta_ctl.features.audit.schemas import AuditEntry
from postmta_ctl.store.paging import Page
from postmta_ctl.web import Caller, Paging, TheSystem, scope, sortable

Action = Annotated[str | None, QueryParameter(description="Such as `domain.deleted`.")]
Since = Annotated[datetime | None, QueryParameter(description="Entries of this moment or later.")]
Until = Annotated[datetime | None, QueryParameter(description="Entries before this moment.")]


@get("/", opt=scope("audit:read") | sortable("action", "actor"), summary="Read the audit log")
async def list_audit_entries(
    system: TheSystem,
    principal: Caller,
    paging: Paging,
    action: Action = None,
    actor_id: FromQuery[str | None] = None,
    target_id: FromQuery[str | None] = None,
    since: Since = None,
    until: Until = None,
) -> Page[AuditEntry]:
    """Who changed what, when, from where, and how it was before; newest first. Nobody can change or delete it."""
    wanted = Filter(action=action, actor_id=actor_id, target_id=target_id, since=since, until=until)
    return await service.entries(system, principal, wanted, paging)


router = Router("/api/v1/audit", route_handlers=[list_audit_entries], tags=["Audit"])
