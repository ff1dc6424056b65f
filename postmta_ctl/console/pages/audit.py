"""``/console/audit``: who changed what."""

from litestar import get
from litestar.params import FromQuery

from postmta_ctl.console.guard import needs
from postmta_ctl.console.rendering import Page, page
from postmta_ctl.features.audit import service
from postmta_ctl.features.audit.queries import Filter
from postmta_ctl.web import AnyRequest, Caller, Paging, TheSystem

Text = FromQuery[str]


@get("/audit", opt=needs("audit:read"))
async def entries(
    request: AnyRequest, system: TheSystem, principal: Caller, paging: Paging, action: Text = "", target_id: Text = ""
) -> Page:
    """Newest first; how the thing was before and after opens below each."""
    asked = {"action": action.strip(), "target_id": target_id.strip()}
    wanted = Filter(action=asked["action"] or None, target_id=asked["target_id"] or None)
    found = await service.entries(system, principal, wanted, paging)
    return page(request, "audit/list.html", found=found, asked=asked)


PAGES = [entries]
