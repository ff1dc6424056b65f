"""``/api/v1/pools``."""

from litestar import Response, Router, delete, get, post, put
from litestar.params import FromPath, JSONBody

from postmta_ctl.features.pools import service
from postmta_ctl.features.pools.schemas import Pool, PoolCreate, PoolUpdate
from postmta_ctl.store.paging import Page
from postmta_ctl.web import Caller, Paging, TheSystem, Unchanged, scope, tagged


@post("/", opt=scope("vmtas:write"), summary="Create a pool of vMTAs")
async def create_pool(system: TheSystem, principal: Caller, data: JSONBody[PoolCreate]) -> Pool:
    """Messages choose it by ``pool``, or by the domain that they come from."""
    return await service.create(system, principal, data)


@get("/", opt=scope("vmtas:read"), summary="List all pools")
async def list_pools(system: TheSystem, principal: Caller, paging: Paging) -> Page[Pool]:
    """Newest first."""
    return await service.list_pools(system, principal, paging)


@get("/{pool_id:str}", opt=scope("vmtas:read"), summary="Get a pool")
async def get_pool(system: TheSystem, principal: Caller, pool_id: FromPath[str]) -> Response[Pool]:
    """With its vMTAs and their weights."""
    return tagged(await service.get(system, principal, pool_id))


@put("/{pool_id:str}", opt=scope("vmtas:write"), summary="Change a pool")
async def update_pool(
    system: TheSystem, principal: Caller, pool_id: FromPath[str], data: JSONBody[PoolUpdate], unchanged: Unchanged
) -> Response[Pool]:
    """Fields that are absent stay as they are. Mail that waits for the pool follows the change when it is published."""
    return tagged(await service.update(system, principal, pool_id, data, unchanged))


@delete("/{pool_id:str}", opt=scope("vmtas:write"), summary="Delete a pool")
async def delete_pool(system: TheSystem, principal: Caller, pool_id: FromPath[str], unchanged: Unchanged) -> None:
    """Refused with 409 while mail that was accepted for it waits for a node."""
    await service.delete(system, principal, pool_id, unchanged)


router = Router(
    "/api/v1/pools", route_handlers=[create_pool, list_pools, get_pool, update_pool, delete_pool], tags=["vMTAs"]
)
