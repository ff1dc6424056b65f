"""From an injection's content to the bytes of a message, for one recipient after the other.

Like KumoMTA's builder: header values in ASCII stay as given but for folding, others are encoded as a whole, addresses
included; ``To`` and ``Date`` are added when absent, ``Message-ID`` never. MIME boundaries and the choice of transfer
encodings are our own.
"""

from __future__ import annotations

import binascii
import re
import secrets
from collections.abc import Mapping, Sequence
from email.header import Header
from email.utils import format_datetime, formataddr
from typing import Any

from postmta_ctl.luavm import Clock
from postmta_ctl.sandbox.requests import Address, Attachment, Content, InjectV1Request, Recipient
from postmta_ctl.sandbox.templates import RenderError, Templates

_LINE = 75
"""Characters of a header line after folding."""
_LONGEST_WORD = 900
_HEADER_NAME = re.compile(r"[!-9;-~]+")
_SPACE = re.compile(r"[ \t\r\n]+")
_BODIES = (("text_body", "text/plain"), ("amp_html_body", "text/x-amp-html"), ("html_body", "text/html"))


class ContentError(Exception):
    """Content from which no message can be built, whoever the recipient."""


class Composer:
    """The content of one request, ready to be made into messages.

    Raises:
        ContentError: no body, or an attachment that is not base64.
        TemplateSyntaxError: a field is no template.
    """

    def __init__(self, request: InjectV1Request, clock: Clock) -> None:
        self._clock = clock
        self._substitutions = request.substitutions
        self._templates = Templates(expand=request.template_dialect == "Jinja")
        self._content = request.content
        self._headers: dict[str, str] = {}
        self._attachments: list[bytes] = []
        self._inline: list[bytes] = []
        if isinstance(self._content, str):
            self._templates.add("content", self._content)
        else:
            self._prepare(self._content)

    def _prepare(self, content: Content) -> None:
        if content.text_body is None and content.html_body is None:
            raise ContentError("at least one of text_body and/or html_body must be given")
        self._headers = _all_headers(content)
        for name, value in self._headers.items():
            self._templates.add(f"headers[{name}]", value)
        for field, _ in _BODIES:
            text = getattr(content, field)
            if text is not None:
                self._templates.add(field, text)
        for attachment in content.attachments:
            (self._inline if attachment.content_id else self._attachments).append(_attachment(attachment))

    def compose(self, recipient: Recipient) -> bytes:
        """The message for one recipient, lines ending in CRLF.

        Raises:
            RenderError: a template fails for him, or what comes out has no header section.
        """
        values = self._values(recipient)
        if isinstance(self._content, str):
            return _whole_message(self._templates.render("content", values))
        return self._build(self._content, recipient, values)

    def _values(self, recipient: Recipient) -> dict[str, Any]:
        predefined = {"email": recipient.email, "to_header": _to_header(recipient)}
        if recipient.name is not None:
            predefined["name"] = recipient.name
        return {**self._substitutions, **predefined, **recipient.substitutions}

    def _build(self, content: Content, recipient: Recipient, values: Mapping[str, Any]) -> bytes:
        rendered = {name: self._templates.render(f"headers[{name}]", values) for name in self._headers}
        present = {name.lower() for name in rendered}
        if "to" not in present:
            rendered["To"] = _to_header(recipient)
        if "date" not in present:
            rendered["Date"] = format_datetime(self._clock.now())
        lines = [header_line(name, value) for name, value in sorted(rendered.items())]
        return "".join([*lines, "Mime-Version: 1.0\r\n"]).encode("ascii") + self._body(content, values)

    def _body(self, content: Content, values: Mapping[str, Any]) -> bytes:
        parts = [
            _text_part(kind, self._templates.render(field, values))
            for field, kind in _BODIES
            if getattr(content, field) is not None
        ]
        body = _multipart("alternative", parts)
        return _multipart("mixed", [_multipart("related", [body, *self._inline]), *self._attachments])


def _all_headers(content: Content) -> dict[str, str]:
    """The headers given one by one and those that have fields of their own, which win."""
    headers = dict(content.headers)
    own = {"From": _mailbox(content.from_), "Reply-To": _mailbox(content.reply_to), "Subject": content.subject}
    for name in [*headers, *(name for name, value in own.items() if value is not None)]:
        if not _HEADER_NAME.fullmatch(name):
            raise ContentError(f"{name!r} is not the name of a header")
    return headers | {name: value for name, value in own.items() if value is not None}


def _mailbox(address: Address | None) -> str | None:
    return formataddr((address.name, address.email)) if address else None


def _to_header(recipient: Recipient) -> str:
    # formataddr would encode the name alone; KumoMTA's builder does so with the whole value, later.
    return f'"{recipient.name}" <{recipient.email}>' if recipient.name else f"<{recipient.email}>"


def header_line(name: str, value: str) -> str:
    """A header with its value folded, and encoded if it is not ASCII."""
    text = _one_line(value)
    if not text.isascii():
        encoded = Header(text, "utf-8", maxlinelen=_LINE, header_name=name).encode(linesep="\r\n")
        return f"{name}: {encoded}\r\n"
    if len(name) + len(text) + 2 <= _LINE:
        return f"{name}: {text}\r\n"
    return f"{name}: {_folded(text, len(name) + 2)}\r\n"


def _folded(text: str, offset: int) -> str:
    words = [piece for word in text.split(" ") for piece in _broken(word)]
    lines, length = [words[0]], offset + len(words[0])
    for word in words[1:]:
        if length + 1 + len(word) > _LINE:
            lines.append(word)
            length = 1 + len(word)
        else:
            lines[-1] += f" {word}"
            length += 1 + len(word)
    return "\r\n\t".join(lines)


def _broken(word: str) -> list[str]:
    return [word[i : i + _LONGEST_WORD] for i in range(0, len(word), _LONGEST_WORD)] or [""]


def _text_part(kind: str, text: str) -> bytes:
    body = text.replace("\r\n", "\n").encode("utf-8", "surrogatepass")
    charset = "us-ascii" if body.isascii() else "utf-8"
    encoded = binascii.b2a_qp(body, istext=True).replace(b"\n", b"\r\n")
    head = f'Content-Type: {kind};\r\n\tcharset="{charset}"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
    return head.encode("ascii") + encoded + (b"" if encoded.endswith(b"\r\n") else b"\r\n")


def _attachment(attachment: Attachment) -> bytes:
    try:
        data = binascii.a2b_base64(attachment.data, strict_mode=True) if attachment.base64 else attachment.data.encode()
    except ValueError as error:
        raise ContentError(f"base64 decoding an attachment failed: {error}") from error
    disposition = "inline" if attachment.content_id else "attachment"
    name = f";\r\n\t{_parameter('filename', attachment.file_name)}" if attachment.file_name else ""
    lines = [
        f"Content-Type: {_one_line(attachment.content_type)}",
        "Content-Transfer-Encoding: base64",
        f"Content-Disposition: {disposition}{name}",
        *([f"Content-ID: <{_one_line(attachment.content_id)}>"] if attachment.content_id else []),
    ]
    encoded = binascii.b2a_base64(data, newline=False).decode("ascii")
    rows = [encoded[i : i + 76] for i in range(0, len(encoded), 76)]
    return "\r\n".join([*lines, "", *rows, ""]).encode()


def _one_line(text: str) -> str:
    return _SPACE.sub(" ", text).strip()


def _parameter(name: str, value: str) -> str:
    """A MIME parameter (RFC 2231 when it is not ASCII)."""
    if value.isascii():
        escaped = re.sub(r'(["\\])', r"\\\1", _one_line(value))
        return f'{name}="{escaped}"'
    return f"{name}*=utf-8''" + "".join(chr(c) if chr(c).isalnum() and c < 128 else f"%{c:02X}" for c in value.encode())


def _multipart(subtype: str, parts: Sequence[bytes]) -> bytes:
    """The parts in one; a single part stays what it is."""
    if len(parts) == 1:
        return parts[0]
    boundary = secrets.token_hex(16)
    head = f'Content-Type: multipart/{subtype};\r\n\tboundary="{boundary}"\r\n\r\n'.encode("ascii")
    delimiter = f"--{boundary}\r\n".encode("ascii")
    return head + b"".join(delimiter + part for part in parts) + f"--{boundary}--\r\n".encode("ascii")


def _whole_message(text: str) -> bytes:
    """A message given as text, with CRLF. KumoMTA takes it apart and builds it anew, which is not simulated."""
    data = re.sub(r"\r?\n", "\r\n", text).encode("utf-8", "surrogatepass")
    first = data.partition(b"\r\n")[0]
    if not re.match(rb"[!-9;-~]+[ \t]*:", first):
        raise RenderError("the content does not begin with a header")
    return data
