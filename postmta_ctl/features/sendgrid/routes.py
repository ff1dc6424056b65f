"""``POST /v3/mail/send``."""

from typing import Annotated

from litestar import Response, Router, post
from litestar.exceptions import HTTPException
from litestar.openapi import ResponseSpec
from litestar.params import HeaderParameter

from postmta_ctl.errors import PostMTAError
from postmta_ctl.features.sendgrid import problems, service
from postmta_ctl.features.sendgrid.mapping import MAPPED
from postmta_ctl.features.sendgrid.refusals import REFUSED
from postmta_ctl.features.sendgrid.schemas import MailSend, Problems
from postmta_ctl.web import AnyRequest, Caller, Form, TheSystem, scope

FORM = Form(
    name="SendGrid",
    body=MailSend,
    errors=Problems,
    statuses=("400", "401", "402", "403", "409", "413", "429", "503"),
    answers={"202": {"X-Message-Id": "Id of the message; of several, the `batch_id` of all."}, "200": {}},
    fields={field: f"`{ours}` of a message of ours." for field, ours in MAPPED.items()}
    | {field: f"Refused with 400 when it is given or turned on: {why}." for field, why in REFUSED.items()},
)


@post(
    "/mail/send",
    opt=scope("messages:send") | {"form": FORM},
    status_code=202,
    summary="Send as by SendGrid's v3 Mail Send",
    response_description="Accepted: on durable storage.",
    responses={200: ResponseSpec(data_container=None, description="It was only judged: sandbox_mode")},
)
async def mail_send(
    request: AnyRequest,
    system: TheSystem,
    principal: Caller,
    idempotency_key: Annotated[str | None, HeaderParameter(name="Idempotency-Key")] = None,
) -> Response[bytes]:
    """For programs that speak SendGrid's API; the guide's page on it has every field, and what becomes of it.

    202 and ``X-Message-Id``; 200 where ``sandbox_mode`` asked for a check only.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    body = service.unzipped(await request.body(), encoding, limit=system.settings.max_body_bytes)
    sent = await service.send(system, principal, body, idempotency_key)
    headers = {} if sent.is_sandboxed else {"X-Message-Id": sent.message_id}
    return Response(b"", media_type="text/plain", status_code=200 if sent.is_sandboxed else 202, headers=headers)


router = Router(
    "/v3",
    route_handlers=[mail_send],
    tags=["SendGrid"],
    exception_handlers={
        PostMTAError: problems.answer,
        HTTPException: problems.answer_http,
        Exception: problems.answer_unexpected,
    },
)
