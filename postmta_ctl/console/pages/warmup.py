"""``/console/vmtas/…/warmup``: starting a warm-up after seeing what it comes to, and steering it by hand."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from litestar import get, post
from litestar.params import FromPath, FromQuery

from postmta_ctl.console.forms import by_field, posted, read
from postmta_ctl.console.guard import needs
from postmta_ctl.console.rendering import Confirmation, Page, confirm, page, see
from postmta_ctl.console.warmup_view import outlook
from postmta_ctl.errors import InvalidRequest
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.vmtas import service as vmtas
from postmta_ctl.features.warmup import schedules, service
from postmta_ctl.features.warmup.forecast_schemas import ForecastRequest, WarmupForecast
from postmta_ctl.features.warmup.forecasting import forecast_for
from postmta_ctl.features.warmup.schemas import WarmupStart, WarmupStatus
from postmta_ctl.system import System
from postmta_ctl.web import AnyRequest, Caller, TheSystem

WRITE = needs("vmtas:write")
AT = "/console/vmtas"
Id = FromPath[str]
Action = FromPath[Literal["pause", "resume", "skip", "complete"]]
ACTIONS: dict[str, tuple[Callable[[System, Principal, str], Awaitable[WarmupStatus]], str, str]] = {
    "pause": (service.pause, "Nothing more leaves from it, and its stage is kept.", "The warm-up is paused."),
    "resume": (service.resume, "It goes on with the allowance of its stage, today.", "The warm-up goes on."),
    "skip": (service.skip, "The next allowance is in force today.", "The warm-up is a stage further."),
    "complete": (
        service.complete,
        "It has no limit any more. Receivers that do not know the address yet may put its mail off.",
        "The vMTA is established.",
    ),
}
"""What is called, what is said before, and what after."""


@get("/vmtas/{vmta_id:str}/warmup", opt=WRITE)
async def plan(
    *,
    request: AnyRequest,
    system: TheSystem,
    principal: Caller,
    vmta_id: Id,
    schedule: FromQuery[str] = "standard",
    volume: FromQuery[str] = "",
) -> Page:
    """Choose a schedule; with a daily volume, see first what it comes to."""
    return await _plan(request, system, principal, vmta_id, {"schedule": schedule, "volume": volume})


async def _plan(
    request: AnyRequest, system: System, principal: Principal, vmta_id: str, values: dict[str, str]
) -> Page:
    vmta = await vmtas.get(system, principal, vmta_id)
    known = await schedules.list_schedules(system, principal)
    forecast, errors = None, {}
    if values["volume"]:
        try:
            forecast = await _forecast(system, principal, vmta.name, values)
        except InvalidRequest as error:
            errors = by_field(error)
    return page(
        request,
        "vmtas/warmup.html",
        status=422 if errors else 200,
        vmta=vmta,
        schedules=known.data,
        values=values,
        forecast=forecast,
        plot=outlook(forecast) if forecast else None,
        errors={"volume" if name == "daily_volume" else name: words for name, words in errors.items()},
    )


async def _forecast(system: System, principal: Principal, name: str, values: dict[str, str]) -> WarmupForecast:
    one: dict[str, Any] = {"name": name, "schedule": values["schedule"]}
    asked = {"daily_volume": [values["volume"].replace(",", "")], "new_vmtas": [one], "include_existing": False}
    return await forecast_for(system, principal.organization_id, read(asked, ForecastRequest))


@post("/vmtas/{vmta_id:str}/warmup", opt=WRITE, status_code=200)
async def start(request: AnyRequest, system: TheSystem, principal: Caller, vmta_id: Id) -> Page:
    """Begin it."""
    await service.start(system, principal, vmta_id, read(await posted(request), WarmupStart))
    return see(request, f"{AT}/{vmta_id}", "The warm-up has begun.")


@get("/vmtas/{vmta_id:str}/warmup/{action:str}", opt=WRITE)
async def ask(request: AnyRequest, system: TheSystem, principal: Caller, vmta_id: Id, action: Action) -> Page:
    """What the action does."""
    vmta = await vmtas.get(system, principal, vmta_id)
    asked = Confirmation(
        title=f"{action.capitalize()} the warm-up of {vmta.name}?",
        sentences=(ACTIONS[action][1],),
        button=action.capitalize(),
        back=f"{AT}/{vmta_id}",
        danger=action in ("complete", "skip"),
    )
    return confirm(request, asked)


@post("/vmtas/{vmta_id:str}/warmup/{action:str}", opt=WRITE, status_code=200)
async def act(request: AnyRequest, system: TheSystem, principal: Caller, vmta_id: Id, action: Action) -> Page:
    """Do it."""
    do, _, words = ACTIONS[action]
    await do(system, principal, vmta_id)
    return see(request, f"{AT}/{vmta_id}", words)


PAGES = [plan, start, ask, act]
