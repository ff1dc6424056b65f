"""``/api/v1/shaping``: how much is sent to a provider or a domain at once."""

from litestar import Response, Router, delete, get, post, put
from litestar.params import FromPath, JSONBody

from postmta_ctl.features.shaping import service
from postmta_ctl.features.shaping.schemas import ShapedProvider, ShapingCreate, ShapingRule, ShapingUpdate
from postmta_ctl.store.paging import Page
from postmta_ctl.web import Caller, Paging, TheSystem, Unchanged, scope, tagged


@post("/", opt=scope("policy:write"), summary="Limit what is sent to a provider or a domain")
async def add_shaping_rule(system: TheSystem, principal: Caller, data: JSONBody[ShapingCreate]) -> ShapingRule:
    """It holds from the next release of the policy on, and comes before what is maintained for the provider."""
    return await service.add(system, principal, data)


@get("/", opt=scope("policy:read"), summary="List rules of traffic shaping")
async def list_shaping_rules(system: TheSystem, paging: Paging) -> Page[ShapingRule]:
    """Newest first."""
    return await service.list_rules(system, paging)


@get(
    "/providers",
    opt=scope("policy:read"),
    summary="List mailbox providers and their maintained limits",
    sync_to_thread=False,
)
def list_shaped_providers() -> list[ShapedProvider]:
    """Every provider that a rule can be for; each figure says where it is from."""
    return service.providers()


@get("/{shaping_id:str}", opt=scope("policy:read"), summary="Get a rule of traffic shaping")
async def get_shaping_rule(system: TheSystem, shaping_id: FromPath[str]) -> Response[ShapingRule]:
    """What it limits, and for whom."""
    return tagged(await service.get(system, shaping_id))


@put("/{shaping_id:str}", opt=scope("policy:write"), summary="Change the limits of a rule")
async def update_shaping_rule(
    system: TheSystem, principal: Caller, shaping_id: FromPath[str], data: JSONBody[ShapingUpdate], unchanged: Unchanged
) -> Response[ShapingRule]:
    """Limits are replaced as a whole; fields that are absent stay as they are."""
    return tagged(await service.update(system, principal, shaping_id, data, unchanged))


@delete("/{shaping_id:str}", opt=scope("policy:write"), summary="Delete a rule of traffic shaping")
async def remove_shaping_rule(
    system: TheSystem, principal: Caller, shaping_id: FromPath[str], unchanged: Unchanged
) -> None:
    """What holds without it holds again from the next release on."""
    await service.remove(system, principal, shaping_id, unchanged)


router = Router(
    "/api/v1/shaping",
    route_handlers=[
        add_shaping_rule,
        list_shaping_rules,
        list_shaped_providers,
        get_shaping_rule,
        update_shaping_rule,
        remove_shaping_rule,
    ],
    tags=["Policy"],
)
