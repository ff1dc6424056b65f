"""``/health``."""

from litestar import Response, get
from litestar.openapi import ResponseSpec

from postmta_ctl.features.health import service
from postmta_ctl.features.health.schemas import Health
from postmta_ctl.web import PUBLIC, TheSystem


@get(
    "/health",
    opt=PUBLIC,
    summary="Service health check (no auth required)",
    tags=["Health & Metrics"],
    responses={503: ResponseSpec(data_container=Health, description="The database is down")},
)
async def health(system: TheSystem) -> Response[Health]:
    """200 while mail can be accepted, even when a node is down; 503 when the database is."""
    state = await service.health(system)
    return Response(state, status_code=503 if state.status == "down" else 200)


@get(
    "/health/ready",
    opt=PUBLIC,
    summary="Whether to send requests here",
    tags=["Health & Metrics"],
    responses={503: ResponseSpec(data_container=Health, description="Not ready; the parts say why")},
)
async def ready(system: TheSystem) -> Response[Health]:
    """200 when the database answers and has the schema of this version: then mail can be accepted. Else 503.

    ``policy`` is ``degraded``, and names them, while nodes run another release than the newest.
    """
    state = await service.readiness(system)
    return Response(state, status_code=503 if state.status == "down" else 200)
