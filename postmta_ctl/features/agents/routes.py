"""``/agent/v1``: for ``postmta agent`` alone, by the token of its node."""

from typing import Any

from litestar import Response, Router, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from postmta_ctl.compiler.release_order import SignedOrder
from postmta_ctl.features.agents import service
from postmta_ctl.features.agents.schemas import Files, Key, KeyName, KeysWanted, Report
from postmta_ctl.web import PUBLIC, AnyRequest, TheSystem


def _answer(tag: str, known: str | None, body: Any) -> Response[Any]:
    if tag == known:
        return Response(None, status_code=304, headers={"ETag": tag})
    return Response(body, headers={"ETag": tag})


@get("/release", opt=PUBLIC)
async def get_release(
    request: AnyRequest, system: TheSystem, wait: FromQuery[float] = 0
) -> Response[SignedOrder | None]:
    """The order to this node; 304 while it is the one that ``If-None-Match`` names."""
    node, known = await service.authenticate(system, request.headers), request.headers.get("if-none-match")
    tag, row = await service.changed(lambda: service.assignment(system, node.id), known, wait)
    return _answer(tag, known, None if tag == known else await service.order(system, row))


@get("/blobs/{digest:str}", opt=PUBLIC, media_type="application/octet-stream")
async def get_blob(request: AnyRequest, system: TheSystem, digest: FromPath[str]) -> bytes:
    """A file of the release that this node is to run, by its SHA-256 digest."""
    return await service.blob(system, await service.authenticate(system, request.headers), digest)


@get("/keys", opt=PUBLIC)
async def list_keys(request: AnyRequest, system: TheSystem) -> list[KeyName]:
    """Names of the private keys that belong on nodes."""
    await service.authenticate(system, request.headers)
    return await service.key_names(system)


@post("/keys", opt=PUBLIC, status_code=200)
async def open_keys(request: AnyRequest, system: TheSystem, data: JSONBody[KeysWanted]) -> list[Key]:
    """Private keys, as far as there are such."""
    await service.authenticate(system, request.headers)
    return await service.private_keys(system, data.keys)


@get("/files", opt=PUBLIC)
async def get_files(
    request: AnyRequest,
    system: TheSystem,
    version: FromQuery[int] = 0,
    after: FromQuery[str] = "",
    wait: FromQuery[float] = 0,
) -> Response[Files | None]:
    """What lies beside the releases; 304 while it is what ``If-None-Match`` names."""
    node, known = await service.authenticate(system, request.headers), request.headers.get("if-none-match")
    tag, found = await service.changed(lambda: service.files(system, node.id, version, after), known, wait)
    return _answer(tag, known, found)


@post("/report", opt=PUBLIC, status_code=204)
async def take_report(request: AnyRequest, system: TheSystem, data: JSONBody[Report]) -> None:
    """How agent and node are."""
    await service.take_report(system, await service.authenticate(system, request.headers), data)


router = Router(
    "/agent/v1",
    route_handlers=[get_release, get_blob, list_keys, open_keys, get_files, take_report],
    include_in_schema=False,
)
