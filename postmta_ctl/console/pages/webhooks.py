"""``/console/webhooks``: endpoints, and what was delivered to them."""

from typing import get_args

from litestar import get, post
from litestar.params import FromPath, FromQuery

from postmta_ctl.console.forms import by_field, lines, posted, read
from postmta_ctl.console.guard import needs
from postmta_ctl.console.rendering import Confirmation, Page, confirm, page, see
from postmta_ctl.core.event_types import EVENT_TYPES
from postmta_ctl.errors import Conflict, InvalidRequest
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.webhooks import log, service
from postmta_ctl.features.webhooks.schemas import DeliveryStatus, RotateSecret, WebhookCreate, WebhookUpdate
from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.versions import Condition
from postmta_ctl.system import System
from postmta_ctl.web import AnyRequest, Caller, Paging, TheSystem

READ, WRITE = needs("webhooks:read"), needs("webhooks:write")
AT = "/console/webhooks"
STATUSES = get_args(DeliveryStatus)
Id = FromPath[str]


@get("/webhooks", opt=READ)
async def webhooks(request: AnyRequest, system: TheSystem, principal: Caller, paging: Paging) -> Page:
    """The organization's endpoints."""
    return await _list(request, system, principal, paging)


async def _list(
    request: AnyRequest,
    system: System,
    principal: Principal,
    paging: PageRequest,
    values: dict[str, str] | None = None,
    error: InvalidRequest | Conflict | None = None,
) -> Page:
    return page(
        request,
        "webhooks/list.html",
        status=error.status if error else 200,
        found=await service.list_webhooks(system, principal, paging),
        known=EVENT_TYPES,
        values=values or {},
        may_act="webhooks:write" in principal.scopes,
        errors=by_field(error) if error else {},
    )


@post("/webhooks", opt=WRITE, status_code=200)
async def create(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Add an endpoint, and show its secret this once."""
    fields = await posted(request)
    given = fields | {"events": lines(fields.get("events", "")) or None}
    try:
        made = await service.create(system, principal, read(given, WebhookCreate))
    except (InvalidRequest, Conflict) as error:
        return await _list(request, system, principal, PageRequest(), fields, error)
    back = f"{AT}/{made.webhook.id}"
    return page(request, "people/secret.html", what=f"The secret of {made.webhook.url}", secret=made.secret, back=back)


@get("/webhooks/{webhook_id:str}", opt=READ)
async def show(
    *,
    request: AnyRequest,
    system: TheSystem,
    principal: Caller,
    webhook_id: Id,
    paging: Paging,
    status: FromQuery[str] = "",
) -> Page:
    """The endpoint and its deliveries, each with its attempts."""
    kept = next((one for one in STATUSES if one == status), None)
    found = await log.list_deliveries(system, principal, webhook_id, paging, status=kept, kind=None)
    return page(
        request,
        "webhooks/show.html",
        webhook=await service.get(system, principal, webhook_id),
        found=found,
        statuses=STATUSES,
        status_asked=status,
        may_act="webhooks:write" in principal.scopes,
    )


@post("/webhooks/{webhook_id:str}/test", opt=WRITE, status_code=200)
async def send_test(request: AnyRequest, system: TheSystem, principal: Caller, webhook_id: Id) -> Page:
    """Send a test event, and say what came of it."""
    sent = await log.send_test(system, principal, webhook_id)
    return see(request, f"{AT}/{webhook_id}", f"The test event {sent.status}; the answer stands below.")


@post("/webhooks/{webhook_id:str}/switch", opt=WRITE, status_code=200)
async def switch(request: AnyRequest, system: TheSystem, principal: Caller, webhook_id: Id) -> Page:
    """Enable or disable it."""
    data = read(await posted(request), WebhookUpdate)
    done = await service.update(system, principal, webhook_id, data, Condition())
    return see(request, f"{AT}/{webhook_id}", "It is enabled." if done.enabled else "It is disabled.")


@post("/webhooks/{webhook_id:str}/deliveries/{delivery_id:str}/replay", opt=WRITE, status_code=200)
async def replay(request: AnyRequest, system: TheSystem, principal: Caller, webhook_id: Id, delivery_id: Id) -> Page:
    """Send a delivery once more."""
    sent = await log.replay(system, principal, webhook_id, delivery_id)
    return see(request, f"{AT}/{webhook_id}", f"{sent.type} is sent once more, with the same id.")


@get("/webhooks/{webhook_id:str}/secret", opt=WRITE)
async def ask_to_rotate(request: AnyRequest, system: TheSystem, principal: Caller, webhook_id: Id) -> Page:
    """What a new secret means."""
    one = await service.get(system, principal, webhook_id)
    asked = Confirmation(
        title="Give the endpoint a new secret?",
        sentences=(f"Requests to {one.url} are signed with the present one as well for a day.",),
        button="Make a new secret",
        back=f"{AT}/{webhook_id}",
        danger=False,
    )
    return confirm(request, asked)


@post("/webhooks/{webhook_id:str}/secret", opt=WRITE, status_code=200)
async def rotate(request: AnyRequest, system: TheSystem, principal: Caller, webhook_id: Id) -> Page:
    """Make the secret, and show it this once."""
    made = await service.rotate_secret(system, principal, webhook_id, RotateSecret())
    back = f"{AT}/{webhook_id}"
    return page(request, "people/secret.html", what=f"The secret of {made.webhook.url}", secret=made.secret, back=back)


@get("/webhooks/{webhook_id:str}/delete", opt=WRITE)
async def ask_to_delete(request: AnyRequest, system: TheSystem, principal: Caller, webhook_id: Id) -> Page:
    """What is lost."""
    one = await service.get(system, principal, webhook_id)
    asked = Confirmation(
        title="Delete the endpoint?",
        sentences=(f"{one.url} is told of nothing more. What waits for it is dropped, and the log of its deliveries.",),
        button="Delete the endpoint",
        back=f"{AT}/{webhook_id}",
    )
    return confirm(request, asked)


@post("/webhooks/{webhook_id:str}/delete", opt=WRITE, status_code=200)
async def delete(request: AnyRequest, system: TheSystem, principal: Caller, webhook_id: Id) -> Page:
    """Delete it."""
    await service.delete(system, principal, webhook_id, Condition())
    return see(request, AT, "The endpoint is deleted.")


PAGES = [
    webhooks,
    create,
    show,
    send_test,
    switch,
    replay,
    ask_to_rotate,
    rotate,
    ask_to_delete,
    delete,
]
