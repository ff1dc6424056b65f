"""``/api/v1/vmtas``."""

from litestar import Router, delete, get, post
from litestar.params import FromPath, JSONBody

from postmta_ctl.features.vmtas import service
from postmta_ctl.features.vmtas.schemas import Vmta, VmtaCreate
from postmta_ctl.store.paging import Page
from postmta_ctl.web import Caller, Paging, TheSystem, scope


@post("/", opt=scope("vmtas:write"), summary="Create a virtual MTA")
async def create_vmta(system: TheSystem, principal: Caller, data: JSONBody[VmtaCreate]) -> Vmta:
    """Mail leaves from it as soon as the policy has been published."""
    return await service.create(system, principal, data)


@get("/", opt=scope("vmtas:read"), summary="List all vMTAs")
async def list_vmtas(system: TheSystem, principal: Caller, paging: Paging) -> Page[Vmta]:
    """Newest first."""
    return await service.list_vmtas(system, principal, paging)


@get("/{vmta_id:str}", opt=scope("vmtas:read"), summary="Get vMTA details")
async def get_vmta(system: TheSystem, principal: Caller, vmta_id: FromPath[str]) -> Vmta:
    """With today's allowance while it is warming."""
    return await service.get(system, principal, vmta_id)


@delete("/{vmta_id:str}", opt=scope("vmtas:write"), summary="Delete a vMTA")
async def delete_vmta(system: TheSystem, principal: Caller, vmta_id: FromPath[str]) -> None:
    """Refused with 409 while accepted mail that must leave from it waits for a node."""
    await service.delete(system, principal, vmta_id)


router = Router("/api/v1/vmtas", route_handlers=[create_vmta, list_vmtas, get_vmta, delete_vmta], tags=["vMTAs"])
