"""``/api/v1/security/av-scan``."""

from litestar import Router, post
from litestar.params import JSONBody

from postmta_ctl.features.security.virus import service
from postmta_ctl.features.security.virus.schemas import ScanRequest, ScanResult
from postmta_ctl.web import Caller, TheSystem, scope


@post(
    "/av-scan",
    opt=scope("security:check") | {"errors": ("402", "502", "503")},
    status_code=200,
    summary="Scan attachment for viruses",
)
async def scan_files(system: TheSystem, principal: Caller, data: JSONBody[ScanRequest]) -> ScanResult:
    """By the antivirus engine that this installation is set up with, and always by kind and structure.

    Without an engine the answer says so, and no file is called clean. Costs an ``av_scan`` credit for each file that
    was scanned. An engine that fails is answered with 502 or 503 and costs nothing.
    """
    return await service.scan(system, principal, data)


router = Router("/api/v1/security", route_handlers=[scan_files], tags=["Security"])
