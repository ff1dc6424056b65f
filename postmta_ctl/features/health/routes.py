"""``/health``."""

from typing import Any

from litestar import Response, get

from postmta_ctl.features.health import service
from postmta_ctl.features.health.schemas import Health
from postmta_ctl.web import PUBLIC, AnyRequest, TheSystem


@get("/health", opt=PUBLIC, summary="Service health check (no auth required)", tags=["Health & Metrics"])
async def health(system: TheSystem) -> Response[Health]:
    """200 while mail can be accepted, even when a node is down; 503 when the database is."""
    state = await service.health(system)
    return Response(state, status_code=503 if state.status == "down" else 200)


@get("/openapi.json", opt=PUBLIC, include_in_schema=False, sync_to_thread=False)
def openapi(request: AnyRequest) -> dict[str, Any]:
    """This API, described by OpenAPI 3.1."""
    return request.app.openapi_schema.to_schema()
