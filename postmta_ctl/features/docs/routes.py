"""``/docs``, ``/docs/guide`` and ``/openapi.json``."""

from pathlib import Path
from typing import Any

from litestar import Response, Router, get
from litestar.params import FromPath

from postmta_ctl.errors import NotFound
from postmta_ctl.features.docs import guide
from postmta_ctl.features.docs.document import describe
from postmta_ctl.web import PUBLIC, AnyRequest

ASSETS = Path(__file__).parent / "assets"
MEDIA_TYPES = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "start.js": "text/javascript",
    "guide.css": "text/css",
    "favicon-32x32.png": "image/png",
}
"""What of the folder is served; everything comes from here, nothing from elsewhere."""
SECURITY = {
    # Swagger UI draws with inline SVG images; it needs no inline script or style element and no other host.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@get("/openapi.json", opt=PUBLIC, include_in_schema=False, sync_to_thread=False)
def openapi(request: AnyRequest) -> dict[str, Any]:
    """This API, described by OpenAPI 3.1."""
    # Made once: it is the same for as long as the process runs.
    state = request.app.state
    if "openapi_document" not in state:
        state.openapi_document = describe(request.app)
    document: dict[str, Any] = state.openapi_document
    return document


@get("/", include_in_schema=False, sync_to_thread=False)
def page() -> Response[bytes]:
    """The page that shows the document."""
    return Response((ASSETS / "index.html").read_bytes(), media_type="text/html", headers=SECURITY)


@get("/{name:str}", include_in_schema=False, sync_to_thread=False)
def asset(name: FromPath[str]) -> Response[bytes]:
    """A file of the page."""
    if name not in MEDIA_TYPES:
        raise NotFound("There is nothing at this address.")
    headers = SECURITY | {"Cache-Control": "public, max-age=3600"}
    return Response((ASSETS / name).read_bytes(), media_type=MEDIA_TYPES[name], headers=headers)


@get("/guide", include_in_schema=False, sync_to_thread=False)
def guide_contents(request: AnyRequest) -> Response[str]:
    """The pages of the guide."""
    # Litestar takes a slash at the end off the path, and links are relative to it.
    is_folder = request.scope.get("raw_path", b"").partition(b"?")[0].endswith(b"/")
    return Response(guide.contents(is_folder=is_folder), media_type="text/html", headers=SECURITY)


@get("/guide/{name:str}", include_in_schema=False, sync_to_thread=False)
def guide_page(name: FromPath[str]) -> Response[str]:
    """A page of the guide."""
    if name not in guide.pages():
        raise NotFound("There is no such page.")
    return Response(guide.html_of(name), media_type="text/html", headers=SECURITY)


docs = Router("/docs", route_handlers=[page, asset, guide_contents, guide_page], opt=PUBLIC)
