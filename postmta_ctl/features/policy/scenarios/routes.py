"""``/api/v1/policy/scenarios``: for operators."""

from litestar import Response, get, put
from litestar.params import JSONBody

from postmta_ctl.features.policy.scenarios import service
from postmta_ctl.features.policy.scenarios.schemas import Scenarios, ScenariosUpdate
from postmta_ctl.web import Caller, TheSystem, Unchanged, scope, tagged


@get("/scenarios", opt=scope("policy:read"), summary="The scenarios that each policy must pass")
async def get_scenarios(system: TheSystem) -> Response[Scenarios]:
    """Messages, and what the policy must do with them; tried by every plan and before every publication."""
    return tagged(await service.get(system))


@put("/scenarios", opt=scope("policy:write"), summary="Replace the scenarios")
async def put_scenarios(
    system: TheSystem, principal: Caller, data: JSONBody[ScenariosUpdate], unchanged: Unchanged
) -> Response[Scenarios]:
    """The whole list, as TOML. What the policy does not do yet may be in it: nothing is published until it does."""
    return tagged(await service.put(system, principal.name, data, unchanged, principal))
