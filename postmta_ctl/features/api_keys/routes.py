"""``/api/v1/api-keys``."""

from datetime import timedelta

from litestar import Response, Router, delete, get, post
from litestar.params import FromPath, JSONBody

from postmta_ctl.features.api_keys import service
from postmta_ctl.features.api_keys.schemas import ApiKey, ApiKeyCreate, ApiKeyCreated, ApiKeyRotate
from postmta_ctl.store.paging import Page
from postmta_ctl.web import Caller, Paging, TheSystem, Unchanged, scope, sortable, tagged


@post("/", opt=scope("api_keys:write"), summary="Create a new API key")
async def create_api_key(system: TheSystem, principal: Caller, data: JSONBody[ApiKeyCreate]) -> ApiKeyCreated:
    """The secret is shown in this answer only."""
    return await service.create(system, principal, data)


@get("/", opt=scope("api_keys:read") | sortable("name"), summary="List all API keys")
async def list_api_keys(system: TheSystem, principal: Caller, paging: Paging) -> Page[ApiKey]:
    """Newest first."""
    return await service.list_keys(system, principal, paging)


@get("/{key_id:str}", opt=scope("api_keys:read"), summary="Get API key details")
async def get_api_key(system: TheSystem, principal: Caller, key_id: FromPath[str]) -> Response[ApiKey]:
    """Without its secret, which nobody knows any more. Its use does not change the ``ETag``."""
    key = await service.get(system, principal, key_id)
    return tagged(key, service.version(key))


@post("/{key_id:str}/rotate", opt=scope("api_keys:write"), status_code=200, summary="Rotate API key")
async def rotate_api_key(
    system: TheSystem,
    principal: Caller,
    key_id: FromPath[str],
    unchanged: Unchanged,
    data: JSONBody[ApiKeyRotate | None] = None,
) -> ApiKeyCreated:
    """The key keeps its id and gets another secret, shown in this answer only. During the overlap both work."""
    overlap = timedelta(seconds=data.overlap_seconds if data else 0)
    return await service.rotate(system, principal, key_id, overlap, unchanged)


@delete("/{key_id:str}", opt=scope("api_keys:write"), summary="Delete an API key")
async def delete_api_key(system: TheSystem, principal: Caller, key_id: FromPath[str], unchanged: Unchanged) -> None:
    """The key is refused from this moment on."""
    await service.delete(system, principal, key_id, unchanged)


router = Router(
    "/api/v1/api-keys",
    route_handlers=[create_api_key, list_api_keys, get_api_key, rotate_api_key, delete_api_key],
    tags=["API Keys"],
)
