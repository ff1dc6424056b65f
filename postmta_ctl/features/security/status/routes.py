"""``/api/v1/security/status``."""

from litestar import Router, get

from postmta_ctl.features.security.status import service
from postmta_ctl.features.security.status.schemas import SecurityStatus
from postmta_ctl.web import Caller, TheSystem, scope


@get("/status", opt=scope("security:read"), summary="Security system status overview")
async def security_status(system: TheSystem, principal: Caller) -> SecurityStatus:
    """The state of each part, and what was checked in the last 24 hours.

    Engines are asked whether they answer, blocklists are not: their health is that of the last test."""
    return await service.overview(system, principal)


router = Router("/api/v1/security", route_handlers=[security_status], tags=["Security"])
