"""``/api/v1/security/dnsbl``."""

from litestar import Router, get, post
from litestar.params import JSONBody

from postmta_ctl.features.security.blocklists import service
from postmta_ctl.features.security.blocklists.schemas import (
    Blocklists,
    CheckRequest,
    CheckResult,
    Cleared,
    ClearRequest,
)
from postmta_ctl.web import Caller, TheSystem, scope


@post(
    "/check",
    opt=scope("security:check") | {"errors": ("402", "404")},
    status_code=200,
    summary="Check IP against DNS blocklists",
)
async def check_dnsbl(system: TheSystem, principal: Caller, data: JSONBody[CheckRequest]) -> CheckResult:
    """One public address, one of your vMTAs, or all of them. Lists that refuse or fail are no verdict.

    Costs a ``dnsbl_check`` credit for each address of which at least one list could tell.
    """
    return await service.check(system, principal, data)


@post("/clear-cache", opt=scope("security:write"), status_code=200, summary="Clear DNSBL cache")
async def clear_dnsbl_cache(
    system: TheSystem, principal: Caller, data: JSONBody[ClearRequest | None] = None
) -> Cleared:
    """Of one address; without one, all of it, which is for operators."""
    return await service.clear_cache(system, principal, data)


@get("/blocklists", opt=scope("security:read"), summary="Configured blocklists")
async def list_blocklists(system: TheSystem) -> Blocklists:
    """With the health of each by its test points, which are asked when the last time is 15 minutes ago."""
    return await service.blocklists(system)


router = Router(
    "/api/v1/security/dnsbl", route_handlers=[check_dnsbl, clear_dnsbl_cache, list_blocklists], tags=["Security"]
)
