"""``/api/v1/vmtas/…/warmup`` and ``/api/v1/warmup``."""

from litestar import Response, Router, delete, get, post, put
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody

from postmta_ctl.features.warmup import forecast_pages, schedules, service
from postmta_ctl.features.warmup import status as statuses
from postmta_ctl.features.warmup.forecast_schemas import ForecastFormat, ForecastRequest, WarmupForecast
from postmta_ctl.features.warmup.forecasting import forecast_for
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
WRITERS = {
    ForecastFormat.CSV: (forecast_pages.as_csv, "text/csv"),
    ForecastFormat.SVG: (forecast_pages.as_svg, "image/svg+xml"),
    ForecastFormat.HTML: (forecast_pages.as_html, "text/html"),
}
FORMS = {
    "also": {
        "text/csv": "With `format=csv`: a record for each day.",
        "image/svg+xml": "With `format=svg`: a plot.",
        "text/html": "With `format=html`: a page that needs nothing but itself.",
    }
}
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
}


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


@post(
    "/forecast",
    opt=READ | FORMS,
    status_code=200,
    summary="Forecast warm-ups",
    responses={200: ResponseSpec(data_container=WarmupForecast, description="The forecast")},
)
async def forecast_warmup(
    system: TheSystem,
    principal: Caller,
    data: JSONBody[ForecastRequest],
    format: FromQuery[ForecastFormat] = ForecastFormat.JSON,  # noqa: A002 - the name is the parameter's
) -> Response[WarmupForecast | str]:
    """Day by day what goes through new and established vMTAs, what waits, and when all are warm, if all goes well."""
    found = await forecast_for(system, principal.organization_id, data)
    if format is ForecastFormat.JSON:
        return Response(found, media_type="application/json")
    write, media_type = WRITERS[format]
    return Response(write(found), media_type=media_type, headers=PAGE_HEADERS)


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
    route_handlers=[
        forecast_warmup,
        list_schedules,
        create_schedule,
        get_schedule,
        update_schedule,
        delete_schedule,
    ],
    tags=["Warm-up"],
)
