"""``/api/v1/ips``: operators assign addresses, organizations see theirs."""

from litestar import Response, Router, delete, get, post, put
from litestar.params import FromPath, JSONBody

from postmta_ctl.features.ips import service
from postmta_ctl.features.ips.schemas import Ip, IpCreate, IpUpdate
from postmta_ctl.store.paging import Page
from postmta_ctl.web import Caller, Paging, TheSystem, Unchanged, scope, tagged


@post("/", opt=scope("ips:write"), summary="List an IP address of the installation")
async def add_ip_address(system: TheSystem, principal: Caller, data: JSONBody[IpCreate]) -> Ip:
    """From the first one on, a vMTA may have none but an address that is shared or assigned to its organization."""
    return await service.add(system, principal, data)


@get("/", opt=scope("vmtas:read"), summary="List IP addresses")
async def list_ip_addresses(system: TheSystem, principal: Caller, paging: Paging) -> Page[Ip]:
    """Those that the organization may use; all for operators. Newest first."""
    return await service.list_ips(system, principal, paging)


@get("/{ip_id:str}", opt=scope("vmtas:read"), summary="Get an IP address")
async def get_ip_address(system: TheSystem, principal: Caller, ip_id: FromPath[str]) -> Response[Ip]:
    """Whose it is, and the vMTAs that have it."""
    return tagged(await service.get(system, principal, ip_id))


@put("/{ip_id:str}", opt=scope("ips:write"), summary="Assign, share or reserve an IP address")
async def update_ip_address(
    system: TheSystem, principal: Caller, ip_id: FromPath[str], data: JSONBody[IpUpdate], unchanged: Unchanged
) -> Response[Ip]:
    """Fields that are absent stay as they are. Refused with 409 while a vMTA has it that could not any more."""
    return tagged(await service.update(system, principal, ip_id, data, unchanged))


@delete("/{ip_id:str}", opt=scope("ips:write"), summary="Take an IP address off the list")
async def remove_ip_address(system: TheSystem, principal: Caller, ip_id: FromPath[str], unchanged: Unchanged) -> None:
    """Refused with 409 while a vMTA has it. Without any on the list, organizations choose addresses freely."""
    await service.remove(system, principal, ip_id, unchanged)


router = Router(
    "/api/v1/ips",
    route_handlers=[add_ip_address, list_ip_addresses, get_ip_address, update_ip_address, remove_ip_address],
    tags=["vMTAs"],
)
