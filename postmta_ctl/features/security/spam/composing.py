"""From the body of a request to the octets of a message. Pure."""

from __future__ import annotations

import binascii
from datetime import datetime
from email.encoders import encode_base64
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.policy import compat32

from postmta_ctl.core.addresses import Mailbox, parse_mailbox
from postmta_ctl.core.attachments import Attachment
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.ids import new_id
from postmta_ctl.core.mime import Content, Draft, compose
from postmta_ctl.errors import InvalidRequest
from postmta_ctl.features.fields import Fields
from postmta_ctl.features.security.files import FileIn
from postmta_ctl.features.security.spam.schemas import ScoreRequest

_PARTS = ("sender", "to", "subject", "text", "html", "headers", "attachments")


def message_of(request: ScoreRequest, now: datetime) -> bytes:
    """The message to judge: the one that is given, or what would be sent if these parts were.

    Raises:
        InvalidRequest: There is none, or more than one, or a part cannot be sent.
    """
    has_parts = any(getattr(request, name) for name in _PARTS)
    if (request.raw is not None) + (request.raw_base64 is not None) + has_parts != 1:
        raise InvalidRequest.of("raw", "give exactly one of raw, raw_base64, and the parts of a message")
    if request.raw_base64 is not None:
        return request.raw_base64
    if request.raw is not None:
        return request.raw.encode("utf-8", "replace")
    return _composed(request, now)


def _composed(request: ScoreRequest, now: datetime) -> bytes:
    problems = Fields()
    sender = _mailbox("from", request.sender or "", problems)
    to = [_mailbox(f"to[{index}]", text, problems) for index, text in enumerate(request.to)]
    problems.done()
    assert sender is not None  # else there was a problem
    draft = Draft(
        sender=sender,
        to=tuple(one for one in to if one is not None),
        subject=request.subject,
        text=request.text,
        html=request.html,
        headers=tuple(request.headers.items()),
        attachments=tuple(_attachment(one) for one in request.attachments),
    )
    try:
        content = compose(draft, message_id=f"<{new_id(now)}@{sender.domain}>", date=now)
    except InputError as error:
        raise InvalidRequest.of(error.field, error.message, code=error.code) from None
    return assemble(content)


def _mailbox(field: str, text: str, problems: Fields) -> Mailbox | None:
    try:
        return parse_mailbox(text)
    except InputError as error:
        problems.refuse(field, error.message, code=error.code)
        return None


def _attachment(file: FileIn) -> Attachment:
    return Attachment(
        data=file.content, content_type=file.content_type, file_name=file.filename, content_id=file.content_id
    )


def assemble(content: Content) -> bytes:
    """A message with the structure that KumoMTA's builder gives it: alternatives, and the attachments after them."""
    bodies = [_body(kind, text) for kind, text in (("plain", content.text), ("html", content.html)) if text is not None]
    files = [_file(attachment) for attachment in content.attachments]
    message = _multipart("mixed", [_multipart("alternative", bodies), *files])
    del message["MIME-Version"]
    for name, value in content.headers.items():
        message[name] = value
    message["MIME-Version"] = "1.0"
    return message.as_bytes(policy=compat32.clone(linesep="\r\n"))


def _multipart(subtype: str, parts: list[Message]) -> Message:
    return parts[0] if len(parts) == 1 else MIMEMultipart(subtype, None, parts)


def _body(subtype: str, text: str) -> Message:
    part = MIMENonMultipart("text", subtype, charset="utf-8")
    part["Content-Transfer-Encoding"] = "quoted-printable"
    part.set_payload(binascii.b2a_qp(text.encode("utf-8", "replace")).decode("ascii"))
    return part


def _file(attachment: Attachment) -> Message:
    part = Message()
    part["MIME-Version"] = "1.0"
    part["Content-Type"] = attachment.content_type
    part.set_payload(attachment.data)
    encode_base64(part)
    name = {} if attachment.file_name is None else {"filename": ("utf-8", "", attachment.file_name)}
    part.add_header("Content-Disposition", "attachment", **name)
    return part
