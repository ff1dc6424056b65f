"""``/health``."""

from litestar import Response, get

from postmta_ctl.features.health import service
from postmta_ctl.features.health.schemas import Health
from postmta_ctl.web import PUBLIC, TheSystem


@get("/health", opt=PUBLIC, summary="Service health check (no auth required)", tags=["Health & Metrics"])
async def health(system: TheSystem) -> Response[Health]:
    """200 while mail can be accepted, even when a node is down; 503 when the database is."""
    state = await service.health(system)
    return Response(state, status_code=503 if state.status == "down" else 200)
