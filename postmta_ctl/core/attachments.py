"""Attachments, checked for what KumoMTA's message builder does with them.

The builder encodes every attachment in base64 and writes its file name twice: as ``filename`` of
Content-Disposition (RFC 2183) in a quoted string or by RFC 2231, and as ``name`` of Content-Type. It copies content
type and content id as given, and a quoted file name without a look at line breaks. So these are checked here.
"""

from __future__ import annotations

import re

import msgspec

from postmta_ctl.core.errors import InputError

MAX_FILE_NAME = 255
"""Characters; what file systems take."""

_TOKEN = r"[A-Za-z0-9!#$&^_.+-]+"
_PARAMETER = rf"\s*;\s*(?!name\b)({_TOKEN})=(?:{_TOKEN}|\"[ !#-\[\]-~]*\")"
_CONTENT_TYPE = re.compile(rf"(?P<type>{_TOKEN})/(?P<subtype>{_TOKEN})(?:{_PARAMETER})*", re.IGNORECASE)
_MAX_CONTENT_TYPE = 200
_CONTENT_ID = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.@-]{1,200}")
_NOT_IN_A_FILE_NAME = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\"/\\]")


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """One file that travels with a message. With a content id it is inline: the HTML shows it as ``cid:…``."""

    data: bytes
    content_type: str = "application/octet-stream"
    file_name: str | None = None
    content_id: str | None = None
    """Without angle brackets (RFC 2392)."""


def check_attachment(attachment: Attachment) -> Attachment:
    """Check one attachment and give it in normal form: content id without brackets, content type trimmed.

    Raises:
        InputError: ``attachment_file_name``, ``attachment_content_type`` or ``attachment_content_id``, with the
            field's name.
    """
    return Attachment(
        data=attachment.data,
        content_type=_content_type(attachment.content_type.strip()),
        file_name=None if attachment.file_name is None else _file_name(attachment.file_name),
        content_id=None if attachment.content_id is None else _content_id(attachment.content_id),
    )


def _file_name(name: str) -> str:
    # Quotes and backslashes are legal, but the builder writes them unescaped into the ``name`` of a non-ASCII name.
    if not name or len(name) > MAX_FILE_NAME or name in {".", ".."} or _NOT_IN_A_FILE_NAME.search(name):
        message = f"1 to {MAX_FILE_NAME} characters, without controls, quotes, slashes and backslashes"
        raise InputError("attachment_file_name", message, field="file_name")
    return name


def _content_type(value: str) -> str:
    form = _CONTENT_TYPE.fullmatch(value) if len(value) <= _MAX_CONTENT_TYPE else None
    if form is None:
        message = "expected type/subtype, with parameters other than name if any (RFC 2045 §5.1)"
        raise InputError("attachment_content_type", message, field="content_type")
    if form["type"].lower() in {"multipart", "message"}:
        # RFC 2045 §6.4: composite types take no base64, and the builder knows no other encoding.
        message = "multipart and message types cannot be attached; use application/octet-stream"
        raise InputError("attachment_content_type", message, field="content_type")
    return value


def _content_id(value: str) -> str:
    bare = value[1:-1] if value.startswith("<") and value.endswith(">") else value
    if not _CONTENT_ID.fullmatch(bare):
        message = "1 to 200 characters of a message id (RFC 2392), without angle brackets"
        raise InputError("attachment_content_id", message, field="content_id")
    return bare
