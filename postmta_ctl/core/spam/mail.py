"""A message as the rules look at it: parsed leniently, since it is the broken ones that matter."""

from __future__ import annotations

import re
from datetime import datetime
from email.message import Message
from itertools import islice

import msgspec

from postmta_ctl.core import lenient_mime
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.spam.html_facts import HtmlFacts, read_html

MAX_SIZE = 5 * 1024 * 1024
"""Octets: larger messages are not judged. Filters skip them at a tenth of this or less."""
MAX_LINES = 200_000
_MAX_HEADERS = 1000
_MAX_TEXT = 1024 * 1024


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """The facts about one message."""

    judged_at: datetime
    size: int
    headers: tuple[tuple[str, str], ...]
    """Names in lower case, values unfolded and not decoded, in their order."""
    longest_line: int
    """Octets, without its end."""
    has_mixed_line_ends: bool
    has_raw_8bit_header: bool
    text: str | None
    """The first text/plain body; None: there is none."""
    html: HtmlFacts | None
    attachments: tuple[str, ...]
    """File names."""

    def first(self, name: str) -> str | None:
        """The first field of this name, as people see it."""
        value = self.field(name)
        return None if value is None else lenient_mime.decoded(value)

    def field(self, name: str) -> str | None:
        """The first field of this name as it stands: what is read by a syntax must be read before it is decoded."""
        return next((value for one, value in self.headers if one == name), None)

    def count(self, name: str) -> int:
        """How many fields have this name."""
        return sum(one == name for one, _ in self.headers)

    @property
    def words(self) -> str:
        """What a reader reads, in either body."""
        return " ".join(part for part in (self.text, self.html.visible if self.html else None) if part)


def read_mail(raw: bytes, now: datetime) -> Mail:
    """Take a message apart, to be judged as of ``now``.

    Raises:
        InputError: ``message_empty``, ``message_too_large`` or ``message_too_complex``.
    """
    if not raw.strip():
        raise InputError("message_empty", "there is no message")
    if len(raw) > MAX_SIZE:
        raise InputError("message_too_large", f"at most {MAX_SIZE} octets are judged; this has {len(raw)}")
    message = lenient_mime.parse(raw, max_lines=MAX_LINES)
    bodies = _Bodies(message)
    headers = islice(message.raw_items(), _MAX_HEADERS)
    return Mail(
        judged_at=now,
        size=len(raw),
        headers=tuple((name.lower(), lenient_mime.unfolded(str(value))) for name, value in headers),
        longest_line=max(len(line.rstrip(b"\r")) for line in raw.split(b"\n")),
        has_mixed_line_ends=0 < raw.count(b"\r\n") < raw.count(b"\n"),
        has_raw_8bit_header=not re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0].isascii(),
        text=bodies.text,
        html=None if bodies.html is None else read_html(bodies.html),
        attachments=tuple(bodies.attachments),
    )


class _Bodies:
    def __init__(self, message: Message) -> None:
        self.text: str | None = None
        self.html: str | None = None
        self.attachments: list[str] = []
        for part in message.walk():
            if not part.is_multipart():
                self._take(part)

    def _take(self, part: Message) -> None:
        name, kind = lenient_mime.file_name(part), part.get_content_type()
        if name or part.get_content_disposition() == "attachment":
            self.attachments.append(name)
        elif kind == "text/plain" and self.text is None:
            self.text = lenient_mime.text(part, _MAX_TEXT)
        elif kind == "text/html" and self.html is None:
            self.html = lenient_mime.text(part, _MAX_TEXT)
