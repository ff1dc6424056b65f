"""``/console/vmtas``: the addresses mail leaves from."""

from typing import Any

from litestar import get, post
from litestar.params import FromPath

from postmta_ctl.console.forms import by_field, lines, posted, read
from postmta_ctl.console.guard import needs
from postmta_ctl.console.rendering import Confirmation, Page, confirm, fragment, page, see
from postmta_ctl.console.warmup_view import course
from postmta_ctl.errors import Conflict, InvalidRequest
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.vmtas import pausing, queue_status, service
from postmta_ctl.features.vmtas.schemas import PauseRequest, Vmta, VmtaCreate, VmtaSwitched, VmtaUpdate
from postmta_ctl.features.warmup import schedules
from postmta_ctl.features.warmup import status as warmups
from postmta_ctl.store.versions import Condition
from postmta_ctl.system import System
from postmta_ctl.web import AnyRequest, Caller, Paging, TheSystem

READ, WRITE = needs("vmtas:read"), needs("vmtas:write")
AT = "/console/vmtas"
PUBLISHED = "Nodes know it with the next release."
Id = FromPath[str]


@get("/vmtas", opt=READ)
async def vmtas(request: AnyRequest, system: TheSystem, principal: Caller, paging: Paging) -> Page:
    """The organization's vMTAs."""
    found = await service.list_vmtas(system, principal, paging)
    return page(request, "vmtas/list.html", found=found, may_act="vmtas:write" in principal.scopes)


@get("/vmtas/new", opt=WRITE)
async def new(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """The form of a new vMTA."""
    return await _form(request, system, principal, {})


async def _form(
    request: AnyRequest,
    system: System,
    principal: Principal,
    values: dict[str, str],
    error: InvalidRequest | Conflict | None = None,
) -> Page:
    known = await schedules.list_schedules(system, principal)
    return page(
        request,
        "vmtas/new.html",
        status=error.status if error else 200,
        values=values,
        schedules=[one.name for one in known.data],
        errors=by_field(error) if error else {},
    )


@post("/vmtas/new", opt=WRITE, status_code=200)
async def create(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Add it."""
    fields = await posted(request)
    given = _with_nodes({name: text for name, text in fields.items() if name != "schedule"})
    if "schedule" in fields:
        given["warmup"] = {"schedule": fields["schedule"]}
    try:
        made = await service.create(system, principal, read(given, VmtaCreate))
    except (InvalidRequest, Conflict) as error:
        return await _form(request, system, principal, fields, error)
    return see(request, f"{AT}/{made.id}", f"{made.name} is added. {PUBLISHED}")


def _with_nodes(fields: dict[str, str]) -> dict[str, Any]:
    return fields | {"nodes": lines(fields["nodes"])} if "nodes" in fields else dict[str, Any](fields)


@get("/vmtas/{vmta_id:str}", opt=READ)
async def show(request: AnyRequest, system: TheSystem, principal: Caller, vmta_id: Id) -> Page:
    """Address, warm-up with its course and decisions, and what waits."""
    return await _page(request, system, principal, vmta_id)


async def _page(
    request: AnyRequest,
    system: System,
    principal: Principal,
    vmta_id: str,
    values: dict[str, str] | None = None,
    error: InvalidRequest | Conflict | None = None,
) -> Page:
    vmta = await service.get(system, principal, vmta_id)
    warmup = await warmups.status(system, principal, vmta_id)
    return page(
        request,
        "vmtas/show.html",
        status=error.status if error else 200,
        vmta=vmta,
        warmup=warmup,
        plot=course(warmup),
        values=_values(vmta) if values is None else values,
        may_act="vmtas:write" in principal.scopes,
        errors=by_field(error) if error else {},
    )


def _values(vmta: Vmta) -> dict[str, str]:
    return {
        "ip_address": vmta.ip_address,
        "ipv6_address": vmta.ipv6_address or "",
        "ehlo_domain": vmta.ehlo_domain,
        "nodes": ", ".join(vmta.nodes),
    }


def _addresses(vmta: Vmta) -> str:
    return " and ".join(filter(None, (vmta.ip_address, vmta.ipv6_address)))


@get("/vmtas/{vmta_id:str}/waiting", opt=READ)
async def waiting(request: AnyRequest, system: TheSystem, principal: Caller, vmta_id: Id) -> Page:
    """What waits for it at the nodes, which are asked."""
    found = await queue_status.queue_of(system, principal, vmta_id)
    return fragment(request, "vmtas/waiting.html", found=found)


@post("/vmtas/{vmta_id:str}/change", opt=WRITE, status_code=200)
async def change(request: AnyRequest, system: TheSystem, principal: Caller, vmta_id: Id) -> Page:
    """Give it another address or name."""
    fields = await posted(request)
    # A field that was emptied: there is no second address any more.
    emptied = {"ipv6_address": None} if "ipv6_address" in await request.form() else {}
    try:
        given = {"nodes": []} | emptied | _with_nodes(fields)
        await service.update(system, principal, vmta_id, read(given, VmtaUpdate), Condition())
    except (InvalidRequest, Conflict) as error:
        return await _page(request, system, principal, vmta_id, fields, error)
    return see(request, f"{AT}/{vmta_id}", f"It is changed. {PUBLISHED}")


@get("/vmtas/{vmta_id:str}/pause", opt=WRITE)
async def ask_to_pause(request: AnyRequest, system: TheSystem, principal: Caller, vmta_id: Id) -> Page:
    """What a pause does."""
    vmta = await service.get(system, principal, vmta_id)
    asked = Confirmation(
        title=f"Pause {vmta.name}?",
        sentences=(
            f"Nothing more leaves from {_addresses(vmta)} until it is resumed; what waits for it stays where it is.",
            "Other mail of the organization leaves by its other vMTAs.",
        ),
        button="Pause the vMTA",
        back=f"{AT}/{vmta_id}",
        ask=(("reason", "Reason"),),
    )
    return confirm(request, asked)


@post("/vmtas/{vmta_id:str}/pause", opt=WRITE, status_code=200)
async def pause(request: AnyRequest, system: TheSystem, principal: Caller, vmta_id: Id) -> Page:
    """Let nothing leave from it."""
    data = read(await posted(request), PauseRequest)
    done = await pausing.pause_by_request(system, principal, vmta_id, data)
    return see(request, f"{AT}/{vmta_id}", _told("is paused", done))


@post("/vmtas/{vmta_id:str}/resume", opt=WRITE, status_code=200)
async def resume(request: AnyRequest, system: TheSystem, principal: Caller, vmta_id: Id) -> Page:
    """Let mail leave again."""
    done = await pausing.resume_by_request(system, principal, vmta_id)
    return see(request, f"{AT}/{vmta_id}", _told("is resumed", done))


def _told(what: str, done: VmtaSwitched) -> str:
    missing = [one.node for one in done.nodes if not one.ok]
    rest = f" No answer yet from {', '.join(missing)}, told again by itself." if missing else ""
    return f"{done.vmta.name} {what}.{rest}"


@get("/vmtas/{vmta_id:str}/delete", opt=WRITE)
async def ask_to_delete(request: AnyRequest, system: TheSystem, principal: Caller, vmta_id: Id) -> Page:
    """What is lost."""
    vmta = await service.get(system, principal, vmta_id)
    asked = Confirmation(
        title=f"Delete {vmta.name}?",
        sentences=(
            f"With the next release nothing leaves from {_addresses(vmta)} any more.",
            "Its warm-up and the decisions about it are gone.",
        ),
        button="Delete the vMTA",
        back=f"{AT}/{vmta_id}",
    )
    return confirm(request, asked)


@post("/vmtas/{vmta_id:str}/delete", opt=WRITE, status_code=200)
async def delete(request: AnyRequest, system: TheSystem, principal: Caller, vmta_id: Id) -> Page:
    """Delete it."""
    vmta = await service.get(system, principal, vmta_id)
    await service.delete(system, principal, vmta_id, Condition())
    return see(request, AT, f"{vmta.name} is deleted.")


PAGES = [
    vmtas,
    new,
    create,
    show,
    waiting,
    change,
    ask_to_pause,
    pause,
    resume,
    ask_to_delete,
    delete,
]
