"""``/console/queues``: what waits on the nodes, and holding, releasing and flushing it."""

from typing import Any, Literal

from litestar import get, post
from litestar.params import FromPath, FromQuery

from postmta_ctl.console import queue_words
from postmta_ctl.console.forms import by_field, posted, read
from postmta_ctl.console.guard import needs
from postmta_ctl.console.queue_words import EXPIRIES, Touched
from postmta_ctl.console.rendering import Confirmation, Page, confirm, fragment, page, see
from postmta_ctl.errors import InvalidRequest, NotFound
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.queues import actions, service
from postmta_ctl.features.queues.names import tenant_queue
from postmta_ctl.features.queues.order import read_order
from postmta_ctl.features.queues.schemas import HoldRequest
from postmta_ctl.features.queues.service import Filters
from postmta_ctl.system import System
from postmta_ctl.web import AnyRequest, Caller, TheSystem

READ, WRITE = needs("queues:read"), needs("queues:write")
AT = "/console/queues"
Text = FromQuery[str]
Action = FromPath[Literal["flush", "hold", "release"]]
_HELD = {"yes": True, "no": False}


@get("/queues", opt=READ)
async def queues(request: AnyRequest, domain: Text = "", held: Text = "", sort: Text = "") -> Page:
    """The page stands at once; nodes are asked by its parts."""
    return page(request, "queues/list.html", asked={"domain": domain, "held": held, "sort": sort})


@get("/queues/table", opt=READ)
async def table(
    *,
    request: AnyRequest,
    system: TheSystem,
    principal: Caller,
    domain: Text = "",
    held: Text = "",
    sort: Text = "",
    cursor: Text = "",
) -> Page:
    """The queues that hold mail or are held."""
    filters = Filters(domain=domain.strip().lower() or None, held=_HELD.get(held))
    order = read_order(sort or "-size")
    found = await service.list_queues(system, principal, filters, limit=50, cursor=cursor or None, order=order)
    return fragment(
        request,
        "queues/table.html",
        found=found,
        here=AT,
        is_search=bool(domain or held),
        may_act="queues:write" in principal.scopes,
    )


@get("/queues/sums", opt=READ)
async def sums(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """By provider and vMTA."""
    return fragment(request, "queues/sums.html", status_of=await service.status(system, principal))


@get("/queues/{action:str}", opt=WRITE)
async def ask(request: AnyRequest, system: TheSystem, principal: Caller, action: Action, queue: FromQuery[str]) -> Page:
    """What the action would do, with the number of messages."""
    what = await _touched(system, principal, queue)
    if action == "hold":
        return _hold_form(request, what, {})
    asked = Confirmation(
        title=f"{action.capitalize()} {queue}?",
        sentences=queue_words.before(action, what),
        button=f"{action.capitalize()} the queue",
        back=AT,
        fields={"queue": queue},
        danger=False,
    )
    return confirm(request, asked)


def _hold_form(request: AnyRequest, what: Touched, values: dict[str, str], error: InvalidRequest | None = None) -> Page:
    context: dict[str, Any] = {"what": what, "sentences": queue_words.before("hold", what), "expiries": EXPIRIES}
    errors = by_field(error) if error else {}
    return page(request, "queues/hold.html", status=422 if error else 200, values=values, errors=errors, **context)


@post("/queues/{action:str}", opt=WRITE, status_code=200)
async def act(request: AnyRequest, system: TheSystem, principal: Caller, action: Action) -> Page:
    """Do it, and say what came of it."""
    fields = await posted(request)
    queue = fields.get("queue", "")
    try:
        data = _hold_request(fields, system) if action == "hold" else None
        done = await actions.act(system, principal, queue, action, data)
    except InvalidRequest as error:
        return _hold_form(request, await _touched(system, principal, queue), fields, error)
    return see(request, AT, queue_words.after(done))


def _hold_request(fields: dict[str, str], system: System) -> HoldRequest:
    reason = {"reason": fields["reason"]} if "reason" in fields else {}
    return read(reason | {"expires_at": queue_words.expiry(fields.get("for", ""), system.now())}, HoldRequest)


async def _touched(system: System, principal: Principal, name: str) -> Touched:
    """What waits in a queue that may be acted on.

    Raises:
        NotFound: It is none of the organization's, nor is it an operator who asks.
    """
    queue = tenant_queue(name)
    if queue is None or not (principal.is_operator or queue.organization == principal.organization):
        raise NotFound("There is no such queue.")
    filters = Filters(domain=queue.domain, everybody=principal.is_operator)
    found = await service.list_queues(
        system, principal, filters, limit=service.MAX_LIMIT, cursor=None, order=read_order("-size")
    )
    return queue_words.touched(queue, found.data, found.nodes)


PAGES = [queues, table, sums, ask, act]
