"""Variable envelope return paths: ``b+<recipient>@<bounce host>`` names the recipient that a report is about.

A recipient's id has 36 characters, and with it the ``Original-Mail-From`` line of a complaint (RFC 5965) is long
enough to be folded by whoever writes it, which KumoMTA does not read back. So the address holds the same 128 bits as
26 letters and digits: base32 (RFC 4648, section 6), in lower case since the case of a local part is not safe on its
way. The Lua side is ``kumo_policy/verp.lua``. Addresses of mail that left in the long form are read as well.
"""

from __future__ import annotations

import base64
import re
import uuid

PREFIX = "b+"

_SHORT = re.compile(r"[A-Z2-7]{26}")
_LOCAL_PART = re.compile(r"b\+([A-Za-z0-9-]{1,64})@", re.IGNORECASE)


def local_part(rid: str) -> str:
    """The local part for a recipient; an id that is no UUID stands in it as it is."""
    try:
        octets = uuid.UUID(rid).bytes
    except ValueError:
        return PREFIX + rid
    return PREFIX + base64.b32encode(octets).decode().rstrip("=").lower()


def read(address: str) -> str | None:
    """The recipient that an envelope sender names, whatever happened to its case; None if it names none."""
    form = _LOCAL_PART.match(address)
    if form is None:
        return None
    named = form[1]
    return _from_short(named.upper()) or (named.lower() if _is_uuid(named) else named)


def _from_short(text: str) -> str | None:
    if not _SHORT.fullmatch(text):
        return None
    return str(uuid.UUID(bytes=base64.b32decode(text + "======")))


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
