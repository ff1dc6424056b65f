"""``/api/v1/security/greylisting``."""

from typing import Annotated

from litestar import Response, Router, get, put
from litestar.params import FromQuery, JSONBody, QueryParameter

from postmta_ctl.features.analytics.parameters import Latest, period_of
from postmta_ctl.features.security.greylisting import service
from postmta_ctl.features.security.greylisting.schemas import GreylistingConfig, GreylistingStats, GreylistingUpdate
from postmta_ctl.web import Caller, TheSystem, Unchanged, scope, tagged


@get("/config", opt=scope("security:read"), summary="Greylisting configuration")
async def get_greylisting(system: TheSystem) -> Response[GreylistingConfig]:
    """How mail that strangers send to the relay domains is put off; off unless an operator switched it on."""
    return tagged(await service.get(system))


@put("/config", opt=scope("policy:write"), summary="Change the greylisting configuration")
async def update_greylisting(
    system: TheSystem, principal: Caller, data: JSONBody[GreylistingUpdate], unchanged: Unchanged
) -> Response[GreylistingConfig]:
    """For operators. Fields that are absent stay as they are. It takes effect with the next release of the policy."""
    return tagged(await service.update(system, principal, data, unchanged))


@get("/stats", opt=scope("security:read"), summary="Greylisting statistics")
async def greylisting_stats(
    *,
    system: TheSystem,
    principal: Caller,
    period: FromQuery[Latest | None] = None,
    start: Annotated[str | None, QueryParameter(name="from")] = None,
    end: Annotated[str | None, QueryParameter(name="to")] = None,
) -> GreylistingStats:
    """Of what came in (for operators), and of how receivers put off your own mail; by default of seven days."""
    return await service.stats(system, principal, period_of(period, start, end, system.now()))


router = Router(
    "/api/v1/security/greylisting",
    route_handlers=[get_greylisting, update_greylisting, greylisting_stats],
    tags=["Security"],
)
