"""``/api/v1/policy/tsa``: traffic shaping automation."""

from litestar import Response, Router, delete, get, post, put
from litestar.params import FromPath, JSONBody

from postmta_ctl.features.tsa import service, state
from postmta_ctl.features.tsa.schemas import (
    AutomationCreate,
    AutomationRule,
    AutomationUpdate,
    MaintainedRule,
    TsaState,
)
from postmta_ctl.store.paging import Page
from postmta_ctl.web import Caller, Paging, TheSystem, Unchanged, scope, tagged


@get("/", opt=scope("policy:read"), summary="What the TSA daemons decided")
async def show_tsa(system: TheSystem) -> TsaState:
    """Each daemon of the settings is asked now, for five seconds at most; one that does not answer is shown with what
    is wrong. A decision names the expression of the rule that it follows from, and when it ends."""
    return await state.show(system)


@get(
    "/maintained",
    opt=scope("policy:read"),
    summary="List the automation rules that come with PostMTA",
    sync_to_thread=False,
)
def list_maintained_automation() -> list[MaintainedRule]:
    """They hold beside your own, unless ``policy.tsa.maintained`` is off in the settings."""
    return service.maintained()


@post("/rules", opt=scope("policy:write"), summary="Have TSA daemons act upon an answer")
async def add_automation_rule(system: TheSystem, principal: Caller, data: JSONBody[AutomationCreate]) -> AutomationRule:
    """Daemons read it within half a minute of the release that has it. It is about every organization's mail, as
    daemons do not tell them apart; what follows is for the vMTA or the organization that got the answer."""
    return await service.add(system, principal, data)


@get("/rules", opt=scope("policy:read"), summary="List rules of traffic shaping automation")
async def list_automation_rules(system: TheSystem, paging: Paging) -> Page[AutomationRule]:
    """Newest first."""
    return await service.list_rules(system, paging)


@get("/rules/{automation_id:str}", opt=scope("policy:read"), summary="Get a rule of traffic shaping automation")
async def get_automation_rule(system: TheSystem, automation_id: FromPath[str]) -> Response[AutomationRule]:
    """What it looks for, and what follows."""
    return tagged(await service.get(system, automation_id))


@put("/rules/{automation_id:str}", opt=scope("policy:write"), summary="Change a rule of traffic shaping automation")
async def update_automation_rule(
    system: TheSystem,
    principal: Caller,
    automation_id: FromPath[str],
    data: JSONBody[AutomationUpdate],
    unchanged: Unchanged,
) -> Response[AutomationRule]:
    """Fields that are absent stay as they are; another provider or domain is another rule."""
    return tagged(await service.update(system, principal, automation_id, data, unchanged))


@delete("/rules/{automation_id:str}", opt=scope("policy:write"), summary="Delete a rule of traffic shaping automation")
async def remove_automation_rule(
    system: TheSystem, principal: Caller, automation_id: FromPath[str], unchanged: Unchanged
) -> None:
    """What daemons decided by it goes on until it expires."""
    await service.remove(system, principal, automation_id, unchanged)


router = Router(
    "/api/v1/policy/tsa",
    route_handlers=[
        show_tsa,
        list_maintained_automation,
        add_automation_rule,
        list_automation_rules,
        get_automation_rule,
        update_automation_rule,
        remove_automation_rule,
    ],
    tags=["Policy"],
)
