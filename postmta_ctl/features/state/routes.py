"""``/api/v1/state``: the configuration as one document, for operators."""

from litestar import Router, get, post
from litestar.params import JSONBody

from postmta_ctl.features.state import service
from postmta_ctl.features.state.schemas import State, StateChange, StateFile
from postmta_ctl.web import Caller, TheSystem, scope

REFUSED = {"errors": ("409", "422")}


@get("/", opt=scope("policy:read"), summary="The configuration as a file")
async def get_state(system: TheSystem, principal: Caller) -> State:
    """Organizations, addresses, vMTAs, pools, warm-up, domains and rules of everybody, without secrets."""
    return await service.shown(system, principal)


@post("/plan", status_code=200, opt=scope("policy:write") | REFUSED, summary="What applying a file would change")
async def plan_state(system: TheSystem, principal: Caller, data: JSONBody[StateFile]) -> StateChange:
    """Field by field, with everything that is wrong with the file. Nothing is written."""
    return await service.plan_by_request(system, principal, data)


@post("/apply", status_code=200, opt=scope("policy:write") | REFUSED, summary="Bring the configuration to a file")
async def apply_state(system: TheSystem, principal: Caller, data: JSONBody[StateFile]) -> StateChange:
    """All of it or, with 409 and the problems by line, nothing. What the file does not say stays as it is."""
    return await service.apply_by_request(system, principal, data)


router = Router("/api/v1/state", route_handlers=[get_state, plan_state, apply_state], tags=["Policy"])
