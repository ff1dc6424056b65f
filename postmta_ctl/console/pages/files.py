"""``/console/assets``: everything that pages load comes from here, nothing from elsewhere."""

from functools import cache

from litestar import Response, get
from litestar.params import FromPath, FromQuery

from postmta_ctl.console.guard import OPEN
from postmta_ctl.console.rendering import ASSETS, asset_path
from postmta_ctl.errors import NotFound

MEDIA_TYPES = {
    "console.css": "text/css",
    "console.js": "text/javascript",
    "htmx.min.js": "text/javascript",
    "uPlot.iife.min.js": "text/javascript",
    "uPlot.min.css": "text/css",
    "icon.svg": "image/svg+xml",
}
"""What of the folder is served."""
_KEPT = "public, max-age=31536000, immutable"


@get("/assets/{name:str}", opt=OPEN | {"asset": True}, sync_to_thread=False)
def asset(name: FromPath[str], v: FromQuery[str] = "") -> Response[bytes]:
    """A file; it may be kept for ever under the address that names its content."""
    if name not in MEDIA_TYPES:
        raise NotFound("There is nothing at this address.")
    caching = _KEPT if asset_path(name).endswith(f"?v={v}") else "no-cache"
    return Response(_content(name), media_type=MEDIA_TYPES[name], headers={"Cache-Control": caching})


@cache
def _content(name: str) -> bytes:
    return (ASSETS / name).read_bytes()
