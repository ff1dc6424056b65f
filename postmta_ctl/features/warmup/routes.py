"""``/api/v1/vmtas/…/warmup`` and ``/api/v1/warmup``."""

from litestar import Response, Router, delete, get, post, put
from litestar.params import FromPath, JSONBody

from postmta_ctl.features.warmup import schedules, service
from postmta_ctl.features.warmup import status as statuses
from postmta_ctl.features.warmup.schemas import (
    Schedule,
    ScheduleCreate,
    Schedules,
    ScheduleUpdate,
    WarmupDecision,
    WarmupStart,
    WarmupStatus,
)
from postmta_ctl.store.paging import Page
from postmta_ctl.web import Caller, Paging, TheSystem, Unchanged, scope, tagged

READ, WRITE = scope("vmtas:read"), scope("vmtas:write")


@get("/", opt=READ, summary="Get warmup status")
async def get_warmup(system: TheSystem, principal: Caller, vmta_id: FromPath[str]) -> WarmupStatus:
    """Stage, today's allowance and use, what is planned, and why it was held or stepped back. Days are those of UTC."""
    return await statuses.status(system, principal, vmta_id)


@get("/decisions", opt=READ, summary="List warm-up decisions")
async def list_decisions(
    system: TheSystem, principal: Caller, vmta_id: FromPath[str], paging: Paging
) -> Page[WarmupDecision]:
    """Newest first, each with the numbers that it was made on."""
    return await statuses.decisions(system, principal, vmta_id, paging)


@post("/start", opt=WRITE, status_code=200, summary="Start a warm-up")
async def start_warmup(
    system: TheSystem, principal: Caller, vmta_id: FromPath[str], data: JSONBody[WarmupStart]
) -> WarmupStatus:
    """From the first stage. Refused with 409 while the vMTA is warming up."""
    return await service.start(system, principal, vmta_id, data)


@post("/pause", opt=WRITE, status_code=200, summary="Pause a warm-up")
async def pause_warmup(system: TheSystem, principal: Caller, vmta_id: FromPath[str]) -> WarmupStatus:
    """Nothing more leaves from the vMTA, whose stage is kept. Nodes know within seconds."""
    return await service.pause(system, principal, vmta_id)


@post("/resume", opt=WRITE, status_code=200, summary="Resume a warm-up")
async def resume_warmup(system: TheSystem, principal: Caller, vmta_id: FromPath[str]) -> WarmupStatus:
    """After a pause; or on a day that was stopped, which else goes on the next day by itself."""
    return await service.resume(system, principal, vmta_id)


@post("/skip", opt=WRITE, status_code=200, summary="Skip a stage of a warm-up")
async def skip_warmup_stage(system: TheSystem, principal: Caller, vmta_id: FromPath[str]) -> WarmupStatus:
    """The next allowance is in force today; after the last the warm-up is over."""
    return await service.skip(system, principal, vmta_id)


@post("/complete", opt=WRITE, status_code=200, summary="Complete a warm-up")
async def complete_warmup(system: TheSystem, principal: Caller, vmta_id: FromPath[str]) -> WarmupStatus:
    """The vMTA is established, and has no limit any more."""
    return await service.complete(system, principal, vmta_id)


@get("/schedules", opt=READ, summary="List warm-up schedules")
async def list_schedules(system: TheSystem, principal: Caller) -> Schedules:
    """Ours, and those that the organization keeps."""
    return await schedules.list_schedules(system, principal)


@post("/schedules", opt=WRITE, summary="Keep a warm-up schedule")
async def create_schedule(system: TheSystem, principal: Caller, data: JSONBody[ScheduleCreate]) -> Response[Schedule]:
    """It is used by its name, beside ours."""
    return tagged(await schedules.create(system, principal, data))


@get("/schedules/{schedule_id:str}", opt=READ, summary="Get a warm-up schedule by ID")
async def get_schedule(system: TheSystem, principal: Caller, schedule_id: FromPath[str]) -> Response[Schedule]:
    """One that the organization keeps."""
    return tagged(await schedules.get(system, principal, schedule_id))


@put("/schedules/{schedule_id:str}", opt=WRITE, summary="Change a warm-up schedule")
async def update_schedule(
    *,
    system: TheSystem,
    principal: Caller,
    schedule_id: FromPath[str],
    data: JSONBody[ScheduleUpdate],
    unchanged: Unchanged,
) -> Response[Schedule]:
    """Fields that are absent stay. Warm-ups that have begun by it go on as they were."""
    return tagged(await schedules.update(system, principal, schedule_id, data, unchanged))


@delete("/schedules/{schedule_id:str}", opt=WRITE, summary="Delete a warm-up schedule")
async def delete_schedule(
    system: TheSystem, principal: Caller, schedule_id: FromPath[str], unchanged: Unchanged
) -> None:
    """Warm-ups that have begun by it go on."""
    await schedules.delete(system, principal, schedule_id, unchanged)


vmta_router = Router(
    "/api/v1/vmtas/{vmta_id:str}/warmup",
    route_handlers=[
        get_warmup,
        list_decisions,
        start_warmup,
        pause_warmup,
        resume_warmup,
        skip_warmup_stage,
        complete_warmup,
    ],
    tags=["vMTAs"],
)
router = Router(
    "/api/v1/warmup",
    route_handlers=[list_schedules, create_schedule, get_schedule, update_schedule, delete_schedule],
    tags=["Warm-up"],
)
