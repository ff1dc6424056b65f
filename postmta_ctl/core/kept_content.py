"""A message's content as it waits for its injection: already in the form in which a request has it.

A request brings a message as the values of a template's variables (see ``core.inject``). Made once where the message is
accepted, that JSON is copied into the request as it stands: the relay reads and writes no message that needs nothing
done for its recipient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import msgspec

from postmta_ctl.core.attachments import Attachment
from postmta_ctl.core.mime import Content


class KeptContent(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The content of a message, of which only what is asked for is read."""

    header_names: str
    """In order, with a colon between them: one text is read sooner than several."""
    has_text: bool
    has_html: bool
    values: bytes
    """A JSON object: the values of the variables by their names."""
    attachments: tuple[Attachment, ...] = ()

    def opened(self) -> Content:
        """The content itself."""
        values = _read_values(self.values)
        names = split(self.header_names)
        headers = dict(zip(names, map(values.__getitem__, variables(len(names))), strict=True))
        return Content(headers=headers, text=values.get("text"), html=values.get("html"), attachments=self.attachments)


_MAP = 0x80
"""In MessagePack, with the number of its entries."""
_read_values = msgspec.json.Decoder(dict[str, str]).decode
_write_values = msgspec.json.Encoder().encode
_write = msgspec.msgpack.Encoder().encode
_read = msgspec.msgpack.Decoder(KeptContent).decode
_read_earlier = msgspec.msgpack.Decoder(Content).decode


def keep(content: KeptContent) -> bytes:
    """What is stored of it."""
    return _write(content)


def read(stored: bytes) -> KeptContent:
    """What was stored."""
    # An earlier version kept the content itself, which is a map.
    return kept(_read_earlier(stored)) if stored[0] & 0xF0 == _MAP else _read(stored)


def kept(content: Content) -> KeptContent:
    """It, in the form in which it is kept."""
    names = tuple(sorted(content.headers))
    values = values_of(names, content.headers, content.text, content.html)
    has_text, has_html = content.text is not None, content.html is not None
    return KeptContent(":".join(names), has_text, has_html, _write_values(values), content.attachments)


def values_of(names: Sequence[str], headers: Mapping[str, str], text: str | None, html: str | None) -> dict[str, str]:
    """The values of the template's variables, where header fields have these names in this order."""
    values = dict(zip(variables(len(names)), map(headers.__getitem__, names), strict=True))
    if text is not None:
        values["text"] = text
    if html is not None:
        values["html"] = html
    return values


def split(header_names: str) -> tuple[str, ...]:
    """The names of header fields that were kept; none of them has a colon, or is empty (RFC 5322 §2.2)."""
    return tuple(header_names.split(":")) if header_names else ()


@cache
def variables(count: int) -> tuple[str, ...]:
    """Names of the variables that stand for header fields; a message has some sixty at most."""
    return tuple(f"h{index}" for index in range(count))
