"""``/ingest``: where the nodes post their log records."""

from litestar import Router, post

from postmta_ctl.features.ingest import service
from postmta_ctl.features.ingest.schemas import Ingested
from postmta_ctl.web import PUBLIC, AnyRequest, TheSystem


@post(
    "/logs",
    opt=PUBLIC | {"errors": ("401", "413", "422")},
    status_code=200,
    summary="Take log records of a KumoMTA node",
)
async def ingest_logs(request: AnyRequest, system: TheSystem) -> Ingested:
    """NDJSON or a JSON array, plain or gzip, with the node's token as bearer. 200 means that all of it is kept.

    The same batch may come any number of times and in any order.
    """
    node = await service.authenticate_node(system, request.headers)
    return await service.ingest(system, node, await service.read_body(request))


router = Router("/ingest/v1", route_handlers=[ingest_logs], tags=["Ingestion"])
