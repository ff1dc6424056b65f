"""``/console/nodes``: the KumoMTA nodes, and how the mail is divided among them."""

from litestar import get, post
from litestar.params import FromPath

from postmta_ctl.console.forms import by_field, posted, read
from postmta_ctl.console.guard import needs
from postmta_ctl.console.rendering import Page, page, see
from postmta_ctl.errors import InvalidRequest
from postmta_ctl.features.nodes import service
from postmta_ctl.features.nodes.schemas import NodeUpdate
from postmta_ctl.system import System
from postmta_ctl.web import AnyRequest, Caller, TheSystem

AT = "/console/nodes"


@get("/nodes", opt=needs("nodes:read"))
async def nodes(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Every node with its share of the mail."""
    return await _page(request, system, may_act="nodes:write" in principal.scopes)


async def _page(request: AnyRequest, system: System, *, may_act: bool, error: InvalidRequest | None = None) -> Page:
    return page(
        request,
        "nodes.html",
        status=error.status if error else 200,
        nodes=await service.list_nodes(system),
        errors=by_field(error) if error else {},
        may_act=may_act,
    )


@post("/nodes/{node_id:str}/weight", opt=needs("nodes:write"), status_code=200)
async def weigh(request: AnyRequest, system: TheSystem, principal: Caller, node_id: FromPath[str]) -> Page:
    """Give it another share."""
    fields = await posted(request)
    try:
        changed = await service.update(system, node_id, read(fields, NodeUpdate), principal=principal)
    except InvalidRequest as error:
        return await _page(request, system, may_act=True, error=error)
    return see(request, AT, f"{changed.name} has the weight {changed.weight} now.")


PAGES = [nodes, weigh]
