"""``/api/v1/messages``."""

from datetime import datetime
from typing import Annotated

from litestar import Response, Router, get, post, put
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, QueryParameter

from postmta_ctl.features.messages import cancelling, service, simulation
from postmta_ctl.features.messages.idempotency import Answer, idempotency
from postmta_ctl.features.messages.queries import Filters
from postmta_ctl.features.messages.schemas import (
    Accepted,
    BatchAccepted,
    BatchRequest,
    Cancelled,
    Message,
    Scheduled,
    ScheduleRequest,
    SendRequest,
    Summary,
)
from postmta_ctl.features.messages.simulation_schemas import Simulation
from postmta_ctl.store.paging import Page
from postmta_ctl.web import AnyRequest, Caller, Paging, TheSystem, parts_of, scope, sortable

IdempotencyKey = Annotated[str | None, HeaderParameter(name="Idempotency-Key")]


@post(
    "/send",
    opt=scope("messages:send") | {"errors": ("402", "409", "503")},
    status_code=202,
    summary="Send a single email message",
    responses={202: ResponseSpec(data_container=Accepted, description="Accepted, on durable storage")},
)
async def send_message(
    request: AnyRequest, data: JSONBody[SendRequest], idempotency_key: IdempotencyKey = None
) -> Response[bytes]:
    """202 means that the message survives a crash of this service. Send an Idempotency-Key to retry safely."""
    once = idempotency(idempotency_key, "messages/send", await request.body())
    return _answered(await service.send(*parts_of(request), data, once))


@post(
    "/batch",
    opt=scope("messages:send") | {"judges_items": True, "errors": ("402", "409", "503")},
    status_code=202,
    summary="Send up to 100 messages in one request",
    responses={202: ResponseSpec(data_container=BatchAccepted, description="A result for each message")},
)
async def send_batch(
    request: AnyRequest, data: JSONBody[BatchRequest], idempotency_key: IdempotencyKey = None
) -> Response[bytes]:
    """Look at each result: 202 says that the batch was judged, not that all of it was accepted."""
    body = await request.body()
    once = idempotency(idempotency_key, "messages/batch", body)
    # JSON has no other way to write U+0000, and this is quicker than to look at each text.
    found = await service.send_batch(*parts_of(request), data, once, may_hold_nul=b"\\u0000" in body)
    return _answered(found)


def _answered(answer: Answer) -> Response[bytes]:
    headers = {"Idempotent-Replayed": "true"} if answer.is_replay else None
    return Response(answer.body, status_code=202, media_type="application/json", headers=headers)


@get(
    "/", opt=scope("messages:read") | sortable("subject", "status"), summary="List messages with pagination and filters"
)
async def list_messages(
    *,
    system: TheSystem,
    principal: Caller,
    paging: Paging,
    status: FromQuery[str | None] = None,
    sender: Annotated[str | None, QueryParameter(name="from")] = None,
    to: FromQuery[str | None] = None,
    domain: FromQuery[str | None] = None,
    tag: FromQuery[str | None] = None,
    batch_id: FromQuery[str | None] = None,
    created_after: FromQuery[datetime | None] = None,
    created_before: FromQuery[datetime | None] = None,
) -> Page[Summary]:
    """Newest first. All filters that are given must hold; ``domain`` is that of the From address."""
    filters = Filters(
        status=status,
        sender=sender,
        to=to,
        domain=domain,
        tag=tag,
        batch_id=batch_id,
        created_after=created_after,
        created_before=created_before,
    )
    return await service.list_messages(system, principal, filters, paging)


@get("/{message_id:str}", opt=scope("messages:read"), summary="Get message by ID")
async def get_message(system: TheSystem, principal: Caller, message_id: FromPath[str]) -> Message:
    """With its recipients and the time line, each entry with the receiver's own reply."""
    return await service.get(system, principal, message_id)


@post("/simulate-delivery", opt=scope("messages:send"), status_code=200, summary="Simulate delivery for testing")
async def simulate_delivery(system: TheSystem, principal: Caller, data: JSONBody[SendRequest]) -> Simulation:
    """What would happen to this message by the published policy: no mail leaves, and nothing is stored or charged.

    Receivers are simulated and say so (``sandbox``): what real ones do, only they know.
    """
    return await simulation.simulate(system, principal, data)


@post("/{message_id:str}/cancel", opt=scope("messages:send"), status_code=200, summary="Cancel a queued message")
async def cancel_message(system: TheSystem, principal: Caller, message_id: FromPath[str]) -> Cancelled:
    """What waits here is cancelled at once; what a node has is ``pending`` until the node says so. May be repeated."""
    return await cancelling.cancel_message(system, principal, message_id)


@put("/{message_id:str}/schedule", opt=scope("messages:send"), summary="Reschedule a message")
async def reschedule_message(
    system: TheSystem, principal: Caller, message_id: FromPath[str], data: JSONBody[ScheduleRequest]
) -> Scheduled:
    """While all of it waits here; 409 ``too_late`` from then on."""
    return await cancelling.reschedule(system, principal, message_id, data)


router = Router(
    "/api/v1/messages",
    route_handlers=[
        send_message,
        send_batch,
        list_messages,
        get_message,
        simulate_delivery,
        cancel_message,
        reschedule_message,
    ],
    tags=["Messages"],
)
