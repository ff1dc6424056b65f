"""The header section of a message, edited without touching what is not edited."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.header import Header, decode_header, make_header
from email.headerregistry import Address, AddressHeader
from email.policy import default as _policy

import msgspec

from postmta_ctl.luavm.errors import LuaProblem

_BLANK_LINE = re.compile(rb"\r?\n\r?\n|\A\r?\n")
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
_BARE_BREAK = re.compile(r"\r\n(?![ \t])|\r(?!\n)|(?<!\r)\n(?![ \t])|\0")


class HeaderField(msgspec.Struct, frozen=True):
    """One header as it stands in the message: folding and line ending included."""

    name: str
    raw: bytes

    @property
    def raw_value(self) -> bytes:
        """What follows the colon, still folded and encoded."""
        match = _FIELD.match(self.raw)
        return match[2] if match else b""

    @property
    def value(self) -> str:
        """The value unfolded and with encoded words decoded (RFC 5322 section 2.2.3, RFC 2047)."""
        text = re.sub(r"\r?\n(?=[ \t])", "", self.raw_value.decode("utf-8", "surrogateescape")).strip()
        try:
            return str(make_header(decode_header(text))) if "=?" in text else text
        except (LookupError, UnicodeError, ValueError):
            return text

    def is_named(self, name: str) -> bool:
        """Header names are the same in any case."""
        return self.name.lower() == name.lower()


def split_message(data: bytes) -> tuple[list[HeaderField], bytes]:
    """The header fields and the body; a message without an empty line is all headers."""
    match = _BLANK_LINE.search(data)
    head, body = (data[: match.start()], data[match.end() :]) if match else (data, b"")
    lines = re.findall(rb"[^\n]+(?:\n[ \t][^\n]*)*", head)
    return [_field(line) for line in lines], body


def join_message(fields: Iterable[HeaderField], body: bytes) -> bytes:
    """The message of these fields and that body."""
    return b"".join(field.raw + b"\r\n" for field in fields) + b"\r\n" + body


def make_field(name: str, value: str, *, encode: bool = True) -> HeaderField:
    """A new header; text that is not ASCII becomes encoded words unless ``encode`` is off.

    Raises:
        LuaProblem: ``bad_value`` when the name is not a header name or the value would start another header.
    """
    if not re.fullmatch(r"[!-9;-~]+", name):
        raise LuaProblem("bad_value", f"{name!r} is not a header name")
    if _BARE_BREAK.search(value):
        raise LuaProblem("bad_value", f"the value of {name} holds a line break that does not fold")
    if encode and not value.isascii():
        value = Header(value, "utf-8", maxlinelen=75, header_name=name).encode(linesep="\r\n")
    return HeaderField(name, f"{name}: {value}".encode("utf-8", "surrogateescape"))


def parse_addresses(value: str) -> tuple[Address, ...]:
    """The mailboxes of an address header (RFC 5322 section 3.4), display names decoded."""
    header = _policy.header_factory("To", value)
    return tuple(header.addresses) if isinstance(header, AddressHeader) else ()


def _field(raw: bytes) -> HeaderField:
    line = raw.rstrip(b"\r")
    match = _FIELD.match(line)
    return HeaderField(match[1].decode("ascii") if match else "", line)
