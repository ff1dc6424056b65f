"""Messages of any origin, parsed however broken they are, within bounds of time and memory.

The parser of the standard library takes time by lines times depth, and nests calls by depth; so both are counted
before it begins.
"""

from __future__ import annotations

import codecs
import re
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message

from postmta_ctl.core.errors import InputError

MAX_CONTAINERS = 25
"""Multiparts and messages within."""
_MAX_HEADER_VALUE = 10_000
_MAX_FIELD = 4096
"""Octets of a MIME field: its parameters are parsed in a time that grows by the square of their number."""
_LONG_FIELD = re.compile(
    rb"(?:\A|[\r\n])content-(?:type|disposition)[ \t]*:(?=(?:[^\r\n]|\r?\n[ \t]|\r[ \t]){%d})" % _MAX_FIELD,
    re.IGNORECASE,
)
_CONTAINER = re.compile(rb"multipart/|message/", re.IGNORECASE)
_NO_CHARSETS = frozenset({"punycode", "idna", "unicode_escape", "raw-unicode-escape", "undefined"})
"""Codecs of Python that are no charsets of mail; some take time by the square of the length."""


def parse(raw: bytes, *, max_lines: int) -> Message:
    """Parse a message.

    Raises:
        InputError: ``message_too_complex``.
    """
    if raw.count(b"\n") + raw.count(b"\r") > 2 * max_lines or len(_CONTAINER.findall(raw)) > MAX_CONTAINERS:
        words = f"more than {max_lines} lines or {MAX_CONTAINERS} multiparts"
        raise InputError("message_too_complex", words)
    if _LONG_FIELD.search(raw):
        raise InputError("message_too_complex", f"a MIME field has more than {_MAX_FIELD} octets")
    try:
        return message_from_bytes(raw, policy=policy.compat32)
    except RecursionError:
        raise InputError("message_too_complex", "the message is nested too deeply") from None


def file_name(part: Message) -> str:
    """The file name of a part, decoded; empty if it has none."""
    try:
        return decoded(part.get_filename() or "")
    except (LookupError, ValueError):
        return ""


def content(part: Message) -> bytes:
    """The content of a part that is no container, its transfer encoding undone as far as that goes."""
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def text(part: Message, limit: int) -> str:
    """The first octets of a text, decoded by its charset; what the charset does not have is replaced."""
    data = content(part)[:limit]
    try:
        return _sound(data.decode(_charset(part), "replace"))
    except (LookupError, ValueError):
        return data.decode("utf-8", "replace")


def unfolded(value: str) -> str:
    """A header value in one line (RFC 5322 §2.2.3), octets that are no UTF-8 replaced."""
    flat = re.sub(r"\r?\n(?=[ \t])", "", value[:_MAX_HEADER_VALUE])
    return flat.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def decoded(value: str) -> str:
    """A header value as people see it (RFC 2047); one that cannot be decoded as it stands."""
    visible = unfolded(value)
    try:
        return _sound(str(make_header(decode_header(visible))))
    except (HeaderParseError, LookupError, ValueError):
        return visible


def _sound(text: str) -> str:
    """The text without lone surrogates, which UTF-7 can bring in and no answer of ours could carry."""
    return text.encode("utf-8", "replace").decode()


def _charset(part: Message) -> str:
    try:
        name = codecs.lookup(part.get_content_charset() or "utf-8").name
    except (LookupError, ValueError):
        return "utf-8"
    return "utf-8" if name in _NO_CHARSETS else name
