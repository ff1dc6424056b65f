"""``/metrics``."""

from typing import Annotated, Literal

from litestar import Response, get
from litestar.openapi import ResponseSpec
from litestar.params import QueryParameter

from postmta_ctl.core.client_address import within
from postmta_ctl.features.metrics import service
from postmta_ctl.web import PUBLIC, AnyRequest, ClientAddress, TheSystem, also

Format = Annotated[
    Literal["prometheus", "json"] | None,
    QueryParameter(name="format", description="Absent: as `Accept` asks, else `prometheus`."),
]


@get(
    "/metrics",
    opt=PUBLIC
    | {"errors": ("401", "403")}
    | also("application/json", "With `format=json`, or if `Accept` prefers it."),
    summary="Prometheus and JSON metrics",
    tags=["Health & Metrics"],
    media_type="text/plain",
    responses={200: ResponseSpec(data_container=str, description="Metrics", media_type="text/plain")},
)
async def metrics(
    request: AnyRequest, system: TheSystem, client_address: ClientAddress, wanted: Format = None
) -> Response[object]:
    """Asks for the setting ``metrics_token`` as bearer; while that is not set, answers this host only."""
    peer = request.client.host if request.client else ""
    service.authorise(
        system,
        address=client_address,
        authorization=request.headers.get("authorization", ""),
        is_forwarded="x-forwarded-for" in request.headers and not within(peer, system.settings.proxies),
    )
    accepted = request.accept.best_match(["text/plain", "application/json"])
    if wanted == "json" or (wanted is None and accepted == "application/json"):
        return Response(await service.as_json(system), media_type="application/json")
    return Response(await service.prometheus(system), media_type=service.PROMETHEUS)
