"""``/ingest``: where the nodes post their log records."""

from litestar import Router, post

from postmta_ctl.features.ingest import service
from postmta_ctl.features.ingest.schemas import Ingested
from postmta_ctl.web import PUBLIC, AnyRequest, TheSystem


@post(
    "/logs",
    opt=PUBLIC | {"errors": ("400", "401", "413", "503")},
    status_code=200,
    summary="Take log records of a KumoMTA node",
)
async def ingest_logs(request: AnyRequest, system: TheSystem) -> Ingested:
    """NDJSON or a JSON array, plain or gzip, with the node's token as bearer. 200 means that all of it is kept.

    The same batch may come any number of times and in any order. The answer to fewer than 50 records comes 50 ms after
    they are kept, so that whoever sends one request after the other brings more with the next.
    """
    return await service.receive(system, request)


router = Router("/ingest/v1", route_handlers=[ingest_logs], tags=["Ingestion"])
