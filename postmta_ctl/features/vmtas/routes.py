"""``/api/v1/vmtas``."""

from litestar import Response, Router, delete, get, post, put
from litestar.params import FromPath, JSONBody

from postmta_ctl.features.vmtas import pausing, queue_status, service
from postmta_ctl.features.vmtas.queue_schemas import VmtaQueue
from postmta_ctl.features.vmtas.schemas import PauseRequest, Vmta, VmtaCreate, VmtaSwitched, VmtaUpdate
from postmta_ctl.store.paging import Page
from postmta_ctl.web import Caller, Paging, TheSystem, Unchanged, scope, sortable, tagged


@post("/", opt=scope("vmtas:write"), summary="Create a virtual MTA")
async def create_vmta(system: TheSystem, principal: Caller, data: JSONBody[VmtaCreate]) -> Vmta:
    """Mail leaves from it as soon as the policy has been published."""
    return await service.create(system, principal, data)


@get("/", opt=scope("vmtas:read") | sortable("name"), summary="List all vMTAs")
async def list_vmtas(system: TheSystem, principal: Caller, paging: Paging) -> Page[Vmta]:
    """Newest first."""
    return await service.list_vmtas(system, principal, paging)


@get("/{vmta_id:str}", opt=scope("vmtas:read"), summary="Get vMTA details")
async def get_vmta(system: TheSystem, principal: Caller, vmta_id: FromPath[str]) -> Response[Vmta]:
    """With today's allowance while it is warming."""
    return tagged(await service.get(system, principal, vmta_id))


@put("/{vmta_id:str}", opt=scope("vmtas:write"), summary="Update vMTA configuration")
async def update_vmta(
    system: TheSystem, principal: Caller, vmta_id: FromPath[str], data: JSONBody[VmtaUpdate], unchanged: Unchanged
) -> Response[Vmta]:
    """Fields that are absent stay as they are. Each change takes effect with the next published release."""
    return tagged(await service.update(system, principal, vmta_id, data, unchanged))


@post("/{vmta_id:str}/pause", opt=scope("vmtas:write"), status_code=200, summary="Pause vMTA sending")
async def pause_vmta(
    system: TheSystem, principal: Caller, vmta_id: FromPath[str], data: JSONBody[PauseRequest | None] = None
) -> VmtaSwitched:
    """Nodes stop at once, but for what is being transmitted. Its mail leaves from the other vMTAs, if any, or waits."""
    return await pausing.pause_by_request(system, principal, vmta_id, data)


@post("/{vmta_id:str}/resume", opt=scope("vmtas:write"), status_code=200, summary="Resume vMTA sending")
async def resume_vmta(system: TheSystem, principal: Caller, vmta_id: FromPath[str]) -> VmtaSwitched:
    """Mail leaves from it again when the release that says so is published. Its warm-up goes on where it stood."""
    return await pausing.resume_by_request(system, principal, vmta_id)


@get("/{vmta_id:str}/queue", opt=scope("vmtas:read"), summary="Get vMTA queue status")
async def get_vmta_queue(system: TheSystem, principal: Caller, vmta_id: FromPath[str]) -> VmtaQueue:
    """Summed over the nodes; one that does not answer is named, and its mail is not in the numbers."""
    return await queue_status.queue_of(system, principal, vmta_id)


@delete("/{vmta_id:str}", opt=scope("vmtas:write"), summary="Delete a vMTA")
async def delete_vmta(system: TheSystem, principal: Caller, vmta_id: FromPath[str], unchanged: Unchanged) -> None:
    """Refused with 409 while accepted mail that must leave from it waits for a node."""
    await service.delete(system, principal, vmta_id, unchanged)


router = Router(
    "/api/v1/vmtas",
    route_handlers=[
        create_vmta,
        list_vmtas,
        get_vmta,
        update_vmta,
        pause_vmta,
        resume_vmta,
        get_vmta_queue,
        delete_vmta,
    ],
    tags=["vMTAs"],
)
