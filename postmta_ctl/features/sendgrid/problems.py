"""Errors in the form in which SendGrid answers them."""

from __future__ import annotations

import re

import msgspec
import structlog
from litestar import Response
from litestar.exceptions import HTTPException

from postmta_ctl.errors import DomainNotVerified, FieldError, InvalidRequest, PostMTAError
from postmta_ctl.features.sendgrid.schemas import MailSend, Problem, Problems
from postmta_ctl.web import AnyRequest, translated

log = structlog.get_logger(__name__)

_SHARED = {
    "from": "from",
    "subject": "subject",
    "text": "content",
    "html": "content",
    "headers": "headers",
    "attachments": "attachments",
    "tags": "categories",
    "metadata": "custom_args",
    "pool": "ip_pool_name",
    "send_at": "send_at",
    "template_id": "template_id",
}
"""Fields of our message that all personalizations share → SendGrid's name; the others are those of one."""
_RENAMED = {"variables": "dynamic_template_data", "content_type": "type", "file_name": "filename"}
_FIRST = re.compile(r"^\w+")
_INDEX = re.compile(r"\[(\d+)\]")


def of_message(error: PostMTAError, index: int, request: MailSend) -> PostMTAError:
    """What is wrong with the message of a personalization, its fields named as they were in the request."""
    if isinstance(error, DomainNotVerified):
        return InvalidRequest.of("from", error.detail.removeprefix("from: "), code=error.code)
    if not error.errors:
        return error
    told = tuple(msgspec.structs.replace(one, field=_renamed(one.field, index, request)) for one in error.errors)
    return InvalidRequest(error.detail, code=error.code, errors=told)


def _renamed(field: str, index: int, request: MailSend) -> str:
    first = _FIRST.match(field)
    name = first[0] if first else field
    rest = field[len(name) :]
    for ours, theirs in _RENAMED.items():
        rest = rest.replace(f".{ours}", f".{theirs}")
    if name == "reply_to":
        return f"reply_to_list{rest}" if request.reply_to_list else "reply_to"
    if request.template_id and name in ("subject", "text", "html"):
        # They are the template's: what is wrong is what it was filled in with.
        return f"personalizations[{index}].dynamic_template_data"
    shared = _SHARED.get(name)
    return f"{shared}{rest}" if shared else f"personalizations[{index}].{_RENAMED.get(name, name)}{rest}"


def answer(request: AnyRequest, error: PostMTAError) -> Response[bytes]:
    """An error of ours. What we call 422 is 400 there."""
    told = error.errors or (FieldError(field="", message=error.detail, code=error.code),)
    body = Problems(
        errors=[
            Problem(message=one.message, field=_INDEX.sub(r".\1", one.field) or None, error_id=one.code) for one in told
        ],
        id=request.scope.get("state", {}).get("request_id"),
    )
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    status = 400 if error.status == 422 else error.status
    return Response(msgspec.json.encode(body), status_code=status, media_type="application/json", headers=headers)


def answer_http(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    """An error of Litestar's."""
    return answer(request, translated(error))


def answer_unexpected(request: AnyRequest, error: Exception) -> Response[bytes]:
    """A bug of ours: the log gets all of it, the caller the request id."""
    log.error("unexpected error", exc_info=error)
    return answer(request, PostMTAError("An unexpected error occurred; quote the id when you report it."))
