"""``/console/messages``: finding a message, and all that happened to it."""

from typing import Any

import msgspec
from litestar import get, post
from litestar.params import FromPath, FromQuery

from postmta_ctl.console.forms import by_field, lines, posted, read
from postmta_ctl.console.guard import needs
from postmta_ctl.console.rendering import Confirmation, Page, confirm, fragment, page, see
from postmta_ctl.core.ids import is_id, new_id
from postmta_ctl.core.status import ORDER, PARTIAL, TERMINAL
from postmta_ctl.errors import InvalidRequest, PostMTAError
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.explain import past
from postmta_ctl.features.messages import cancelling, service
from postmta_ctl.features.messages.idempotency import idempotency
from postmta_ctl.features.messages.queries import Filters
from postmta_ctl.features.messages.schemas import Accepted, Message, SendRequest
from postmta_ctl.store.paging import Page as Found
from postmta_ctl.system import System
from postmta_ctl.web import AnyRequest, Caller, Paging, TheSystem

READ, SEND = needs("messages:read"), needs("messages:send")
STATUSES = (*ORDER, PARTIAL)
Text = FromQuery[str]


@get("/messages", opt=READ)
async def messages(
    *,
    request: AnyRequest,
    system: TheSystem,
    principal: Caller,
    paging: Paging,
    to: Text = "",
    sender: Text = "",
    tag: Text = "",
    status: Text = "",
    id: Text = "",  # noqa: A002 - a field of the form
) -> Page:
    """The newest, or those that are searched for; an id leads to its message."""
    if is_id(id.strip()):
        return see(request, f"/console/messages/{id.strip()}")
    asked = {"to": to.strip(), "sender": sender.strip(), "tag": tag.strip(), "status": status}
    try:
        if id.strip():
            raise InvalidRequest.of("id", "an id looks like 0193a5b2-7c40-7000-8f3a-5e1d2c4b6a79")
        filters = Filters(
            to=asked["to"] or None, sender=asked["sender"] or None, tag=asked["tag"] or None, status=status or None
        )
        found, errors = await service.list_messages(system, principal, filters, paging), {}
    except InvalidRequest as error:
        found, errors = Found([]), by_field(error)
    asked["id"] = id
    return page(
        request,
        "messages/list.html",
        status=422 if errors else 200,
        errors=errors,
        found=found,
        asked=asked,
        statuses=STATUSES,
        is_search=any(asked.values()),
    )


@get("/messages/new", opt=SEND)
async def compose(request: AnyRequest, system: TheSystem) -> Page:
    """A form for a single message, such as a test."""
    # The key makes one message of a form that is sent twice.
    return page(request, "messages/new.html", values={"once": new_id(system.now())})


@post("/messages/new", opt=SEND, status_code=200)
async def send(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Send it, and follow it."""
    fields = await posted(request)
    try:
        accepted = await send_form(system, principal, fields)
    except PostMTAError as error:
        return page(request, "messages/new.html", status=error.status, values=fields, errors=by_field(error))
    return see(request, f"/console/messages/{accepted.id}", "The message is accepted.")


async def send_form(system: System, principal: Principal, fields: dict[str, str]) -> Accepted:
    """What ``POST /api/v1/messages/send`` does, with the fields of a form.

    Raises:
        PostMTAError: As there.
    """
    body: dict[str, Any] = {name: text for name, text in fields.items() if name != "once"}
    body |= {name: lines(fields[name]) for name in ("to", "tags") if name in fields}
    request = read({"to": []} | body, SendRequest)
    once = idempotency(fields.get("once"), "messages/send", msgspec.json.encode(body, order="sorted"))
    answer = await service.send(system, principal, request, once)
    return msgspec.json.decode(answer.body, type=Accepted)


@get("/messages/{message_id:str}", opt=READ)
async def message(request: AnyRequest, system: TheSystem, principal: Caller, message_id: FromPath[str]) -> Page:
    """One message; what happens to it appears by itself."""
    return page(request, "messages/message.html", **_shown(await service.get(system, principal, message_id)))


@get("/messages/{message_id:str}/progress", opt=READ)
async def progress(request: AnyRequest, system: TheSystem, principal: Caller, message_id: FromPath[str]) -> Page:
    """Its recipients and time line."""
    return fragment(request, "messages/progress.html", **_shown(await service.get(system, principal, message_id)))


@get("/messages/{message_id:str}/explanation", opt=READ)
async def explanation(request: AnyRequest, system: TheSystem, principal: Caller, message_id: FromPath[str]) -> Page:
    """Why it went where it went; the policy that took it in runs for this."""
    found = await past.explain(system, principal, message_id, None)
    # The release is known once a node's record of the reception has come.
    is_early = any(one.release is None and one.status not in TERMINAL for one in found.recipients)
    return fragment(request, "messages/explanation.html", found=found, is_early=is_early)


def _shown(found: Message) -> dict[str, Any]:
    is_over = all(one.status in TERMINAL for one in found.recipients)
    return {
        "message": found,
        "is_over": is_over,
        "waiting": sum(one.status not in TERMINAL for one in found.recipients),
    }


@get("/messages/{message_id:str}/cancel", opt=SEND)
async def ask_to_cancel(request: AnyRequest, system: TheSystem, principal: Caller, message_id: FromPath[str]) -> Page:
    """What cancelling would do."""
    found = await service.get(system, principal, message_id)
    waiting = sum(one.status not in TERMINAL for one in found.recipients)
    asked = Confirmation(
        title="Cancel the message?",
        sentences=(
            f"It will not be sent to {waiting} of its {len(found.recipients)} recipients: those whose fate is open.",
            "What a node has already is discarded there; its log tells when. What is under way now may still arrive.",
        ),
        button="Cancel the message",
        back=f"/console/messages/{message_id}",
    )
    return confirm(request, asked)


@post("/messages/{message_id:str}/cancel", opt=SEND, status_code=200)
async def cancel(request: AnyRequest, system: TheSystem, principal: Caller, message_id: FromPath[str]) -> Page:
    """Cancel what is not sent yet."""
    done = await cancelling.cancel_message(system, principal, message_id)
    words = {"too_late": "It is too late: nothing was left to cancel.", "pending": "The nodes are asked to discard it."}
    return see(request, f"/console/messages/{message_id}", words.get(done.result, f"Result: {done.result}."))


PAGES = [messages, compose, send, message, progress, explanation, ask_to_cancel, cancel]
