"""Tag lists, ``a=b; c=d``: the syntax of DKIM and DMARC records (RFC 6376 §3.2)."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_VALUE = re.compile(r"[\x20-\x3a\x3c-\x7e\t\r\n]*")


def parse_tags(text: str) -> dict[str, str]:
    """Read a tag list; the order is kept, white space around names and values is dropped.

    Raises:
        ValueError: A tag has no ``=``, an impossible name or value, or is there twice. The message says which.
    """
    tags: dict[str, str] = {}
    pieces = text.split(";")
    if not pieces[-1].strip():
        pieces.pop()
    for piece in pieces:
        name, equals, value = (part.strip() for part in piece.partition("="))
        if not equals or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"{piece.strip()[:40]!r} is not of the form tag=value")
        if name in tags:
            raise ValueError(f"the tag {name} is there twice")
        tags[name] = value
    return tags
