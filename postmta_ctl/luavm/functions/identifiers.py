"""``kumo.uuid``, and facts about the machine."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable

import uuid_utils

from postmta_ctl.luavm.errors import LuaProblem
from postmta_ctl.luavm.userdata import Userdata


class Uuid(Userdata):
    """A UUID in any of its spellings."""

    lua_type = "Uuid"

    def __init__(self, value: str) -> None:
        try:
            self._uuid = uuid.UUID(value)
        except ValueError as error:
            raise LuaProblem("bad_value", f"{value!r} is not a UUID") from error

    def __str__(self) -> str:
        return str(self._uuid)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Uuid) and str(other) == str(self)

    def __hash__(self) -> int:
        return hash(self._uuid)

    def field_hyphenated(self) -> str:
        """With hyphens."""
        return str(self._uuid)

    def field_simple(self) -> str:
        """Without hyphens."""
        return self._uuid.hex

    def field_braced(self) -> str:
        """In braces."""
        return f"{{{self._uuid}}}"

    def field_urn(self) -> str:
        """As a URN."""
        return self._uuid.urn

    def field_bytes(self) -> bytes:
        """The 16 bytes."""
        return self._uuid.bytes


FUNCTIONS: dict[str, Callable[..., object]] = {
    "kumo.uuid.parse": lambda _vm, text: Uuid(text),
    "kumo.uuid.new_v1": lambda _vm: Uuid(str(uuid.uuid1())),
    "kumo.uuid.new_v4": lambda _vm: Uuid(str(uuid.uuid4())),
    "kumo.uuid.new_v6": lambda _vm: Uuid(str(uuid_utils.uuid6())),
    "kumo.uuid.new_v7": lambda _vm: Uuid(str(uuid_utils.uuid7())),
    "kumo.available_parallelism": lambda _vm: os.cpu_count() or 1,
}
