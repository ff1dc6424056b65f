"""``POST /v3/mail/send``."""

from typing import Annotated

from litestar import Response, Router, post
from litestar.exceptions import HTTPException
from litestar.params import HeaderParameter

from postmta_ctl.errors import PostMTAError
from postmta_ctl.features.sendgrid import problems, service
from postmta_ctl.web import AnyRequest, Caller, TheSystem, scope


@post("/mail/send", opt=scope("messages:send"), status_code=202)
async def mail_send(
    request: AnyRequest,
    system: TheSystem,
    principal: Caller,
    idempotency_key: Annotated[str | None, HeaderParameter(name="Idempotency-Key")] = None,
) -> Response[bytes]:
    """202 and ``X-Message-Id``; 200 where ``sandbox_mode`` asked for a check only."""
    encoding = request.headers.get("content-encoding", "").strip().lower()
    body = service.unzipped(await request.body(), encoding, limit=system.settings.max_body_bytes)
    sent = await service.send(system, principal, body, idempotency_key)
    headers = {} if sent.is_sandboxed else {"X-Message-Id": sent.message_id}
    return Response(b"", media_type="text/plain", status_code=200 if sent.is_sandboxed else 202, headers=headers)


# SendGrid's reference describes it; our document describes our API.
router = Router(
    "/v3",
    route_handlers=[mail_send],
    include_in_schema=False,
    exception_handlers={
        PostMTAError: problems.answer,
        HTTPException: problems.answer_http,
        Exception: problems.answer_unexpected,
    },
)
