"""``/unsubscribe``: where the link of List-Unsubscribe leads."""

from litestar import MediaType, Response, Router, get, post
from litestar.params import FromPath

from postmta_ctl.features.suppressions import unsubscribe
from postmta_ctl.web import PUBLIC, TheSystem

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}


@get("/{token:str}", opt=PUBLIC, media_type=MediaType.HTML, summary="Ask whether to unsubscribe")
async def show_unsubscribe(system: TheSystem, token: FromPath[str]) -> Response[str]:
    """A page with one button. Looking at it changes nothing."""
    return Response(await unsubscribe.ask(system, token), media_type=MediaType.HTML, headers=HEADERS)


@post("/{token:str}", opt=PUBLIC, status_code=200, media_type=MediaType.HTML, summary="Unsubscribe with one click")
async def do_unsubscribe(system: TheSystem, token: FromPath[str]) -> Response[str]:
    """What a mail program sends (RFC 8058), and the button of the page. The body adds nothing to the link."""
    return Response(await unsubscribe.unsubscribe(system, token), media_type=MediaType.HTML, headers=HEADERS)


router = Router("/unsubscribe", route_handlers=[show_unsubscribe, do_unsubscribe], tags=["Suppressions"])
