"""``msg:check_fix_conformance``: what mail systems stumble over, found and partly mended."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime

from postmta_ctl.luavm.errors import LuaProblem, not_simulated
from postmta_ctl.luavm.headers import join_message, make_field, split_message

_MAX_LINE = 998
"""Characters of a line without its CRLF (RFC 5322 section 2.1.1)."""


def _lacks(name: str) -> Callable[[bytes], bool]:
    return lambda data: not any(field.is_named(name) for field in split_message(data)[0])


_CHECKS: dict[str, Callable[[bytes], bool]] = {
    "MISSING_COLON_VALUE": lambda data: any(not field.name for field in split_message(data)[0]),
    "NAME_ENDS_WITH_SPACE": lambda data: any(re.match(rb"[!-9;-~]+[ \t]+:", f.raw) for f in split_message(data)[0]),
    "NON_CANONICAL_LINE_ENDINGS": lambda data: re.search(rb"(?<!\r)\n|\r(?!\n)", data) is not None,
    "LINE_TOO_LONG": lambda data: any(len(line) > _MAX_LINE for line in re.split(rb"\r\n|\n", data)),
    "NEEDS_TRANSFER_ENCODING": lambda data: not data.isascii(),
    "MISSING_DATE_HEADER": _lacks("Date"),
    "MISSING_MESSAGE_ID_HEADER": _lacks("Message-ID"),
    "MISSING_MIME_VERSION": _lacks("MIME-Version"),
}
_HEADER_FIXES = {
    "MISSING_DATE_HEADER": "Date",
    "MISSING_MESSAGE_ID_HEADER": "Message-ID",
    "MISSING_MIME_VERSION": "Mime-Version",
}


def check_and_fix(data: bytes, checks: str, fixes: str, now: datetime, message_id: str) -> tuple[bytes, str | None]:
    """The mended message, and the problems among ``checks`` that ``fixes`` did not cover.

    Raises:
        LuaProblem: ``bad_value`` for a flag that KumoMTA does not know, ``not_simulated`` for a mending that is
            needed and has no counterpart here.
    """
    wanted = {"Date": format_datetime(now), "Message-ID": message_id, "Mime-Version": "1.0"}
    for flag in _flags(fixes):
        if _CHECKS[flag](data):
            data = _fix(flag, data, wanted)
    found = [flag for flag in _flags(checks) if _CHECKS[flag](data)]
    return data, "|".join(found) or None


def _flags(text: str) -> list[str]:
    flags = [flag.strip() for flag in text.split("|") if flag.strip()]
    for flag in flags:
        if flag not in _CHECKS:
            raise LuaProblem("bad_value", f"{flag} is not a conformance flag")
    return flags


def _fix(flag: str, data: bytes, wanted: dict[str, str]) -> bytes:
    if flag == "NON_CANONICAL_LINE_ENDINGS":
        return re.sub(rb"\r\n|\n|\r", b"\r\n", data)
    if flag not in _HEADER_FIXES:
        raise not_simulated(f"check_fix_conformance mending {flag}")
    name = _HEADER_FIXES[flag]
    fields, body = split_message(data)
    return join_message([*fields, make_field(name, wanted[name])], body)
