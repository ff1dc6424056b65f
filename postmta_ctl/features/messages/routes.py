"""``/api/v1/messages``."""

from typing import Annotated

from litestar import Response, Router, get, post
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody

from postmta_ctl.features.messages import service
from postmta_ctl.features.messages.schemas import Accepted, BatchAccepted, BatchRequest, Message, SendRequest, Summary
from postmta_ctl.store.paging import Page
from postmta_ctl.web import AnyRequest, Caller, Paging, TheSystem, scope

IdempotencyKey = Annotated[str | None, HeaderParameter(name="Idempotency-Key")]


@post(
    "/send",
    opt=scope("messages:send"),
    status_code=202,
    summary="Send a single email message",
    responses={202: ResponseSpec(data_container=Accepted, description="Accepted, on durable storage")},
)
async def send_message(
    request: AnyRequest,
    system: TheSystem,
    principal: Caller,
    data: JSONBody[SendRequest],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """202 means that the message survives a crash of this service. Send an Idempotency-Key to retry safely."""
    once = service.idempotency(idempotency_key, "messages/send", await request.body())
    return _answered(await service.send(system, principal, data, once))


@post(
    "/batch",
    opt=scope("messages:send"),
    status_code=202,
    summary="Send up to 100 messages in one request",
    responses={202: ResponseSpec(data_container=BatchAccepted, description="A result for each message")},
)
async def send_batch(
    request: AnyRequest,
    system: TheSystem,
    principal: Caller,
    data: JSONBody[BatchRequest],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Look at each result: 202 says that the batch was judged, not that all of it was accepted."""
    once = service.idempotency(idempotency_key, "messages/batch", await request.body())
    return _answered(await service.send_batch(system, principal, data, once))


def _answered(answer: service.Answer) -> Response[bytes]:
    headers = {"Idempotent-Replayed": "true"} if answer.is_replay else None
    return Response(answer.body, status_code=202, media_type="application/json", headers=headers)


@get("/", opt=scope("messages:read"), summary="List messages with pagination and filters")
async def list_messages(
    system: TheSystem, principal: Caller, paging: Paging, status: FromQuery[str | None] = None
) -> Page[Summary]:
    """Newest first; ``status`` keeps those of one status."""
    return await service.list_messages(system, principal, status, paging)


@get("/{message_id:str}", opt=scope("messages:read"), summary="Get message by ID")
async def get_message(system: TheSystem, principal: Caller, message_id: FromPath[str]) -> Message:
    """With its recipients and the time line, each entry with the receiver's own reply."""
    return await service.get(system, principal, message_id)


router = Router(
    "/api/v1/messages", route_handlers=[send_message, send_batch, list_messages, get_message], tags=["Messages"]
)
