"""``/track``: what mail programs and browsers of recipients call."""

from litestar import Response, Router, get
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from postmta_ctl.core.tracking import PIXEL
from postmta_ctl.errors import NotFound
from postmta_ctl.features.tracking import service
from postmta_ctl.features.tracking.schemas import KnownHost
from postmta_ctl.web import PUBLIC, AnyRequest, TheSystem

NO_CACHE = {"Cache-Control": "no-store, private, max-age=0", "Pragma": "no-cache", "Referrer-Policy": "no-referrer"}


@get(
    "/open/{token:str}",
    opt=PUBLIC | {"errors": ("503",)},
    media_type="image/gif",
    summary="Open tracking pixel (1x1 transparent GIF)",
)
async def track_open(request: AnyRequest, system: TheSystem, token: FromPath[str]) -> Response[bytes]:
    """The pixel is shown whatever the token: a mail is no place for a broken image."""
    service.opened(system, token.removesuffix(".gif"), request.headers.get("user-agent", ""))
    return Response(PIXEL, media_type="image/gif", headers=NO_CACHE)


@get("/click/{token:str}", opt=PUBLIC | {"errors": ("404", "503")}, status_code=302, summary="Click tracking redirect")
async def track_click(request: AnyRequest, system: TheSystem, token: FromPath[str]) -> Redirect:
    """Leads only where a message of ours pointed; 404 for any token that we did not sign."""
    url = service.clicked(system, token, request.headers.get("user-agent", ""))
    if url is None:
        raise NotFound("This link is not one of ours.")
    return Redirect(url, status_code=302, headers=NO_CACHE)


@get("/host", opt=PUBLIC | {"errors": ("404",)}, summary="Whether a host is one that tracking links go through")
async def tracking_host(system: TheSystem, domain: FromQuery[str]) -> KnownHost:
    """For a reverse proxy that gets certificates on demand: 404 unless a customer's record leads here."""
    return await service.known_host(system, domain)


router = Router("/track", route_handlers=[track_open, track_click, tracking_host], tags=["Webhooks & Tracking"])
