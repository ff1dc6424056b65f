"""Lua values to plain Python values (what JSON can hold) and back.

Lua strings are bytes. They become ``str`` by UTF-8 with surrogate escapes, registered as a codec of its own, so that
text is ordinary text in Python and any other byte string still goes there and back unchanged.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping
from typing import Any

import lupa.lua54 as lupa  # type: ignore[import-untyped]

from postmta_ctl.luavm.errors import LuaProblem
from postmta_ctl.luavm.userdata import SerializedUserdata, Userdata

ENCODING = "postmta_lua"
Plain = Any
"""None, bool, int, float, str, list or dict of the same."""


def _encode(text: str, _errors: str = "strict") -> tuple[bytes, int]:
    return text.encode("utf-8", "surrogateescape"), len(text)


def _decode(data: Any, _errors: str = "strict") -> tuple[str, int]:
    return bytes(data).decode("utf-8", "surrogateescape"), len(data)


def _find_codec(name: str) -> codecs.CodecInfo | None:
    return codecs.CodecInfo(_encode, _decode, name=ENCODING) if name == ENCODING else None


codecs.register(_find_codec)


def to_bytes(value: str | bytes) -> bytes:
    """The bytes of a string that came from Lua."""
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")


def to_text(value: bytes) -> str:
    """A byte string in the form in which strings come from Lua."""
    return value.decode("utf-8", "surrogateescape")


def is_lua_table(value: object) -> bool:
    """True for a table of Lua itself, not for userdata that behaves like one."""
    return bool(lupa.lua_type(value) == "table")


def is_function(value: object) -> bool:
    """True for what ``kumo.on`` and ``kumo.memoize`` may be given; our own functions come back as Python ones."""
    return lupa.lua_type(value) == "function" or (callable(value) and not isinstance(value, Userdata))


_TYPE_NAMES = {type(None): "nil", bool: "boolean", int: "integer", float: "float", str: "string", bytes: "string"}


def type_name(value: object) -> str:
    """The word for a value's type in messages, as Lua users know it."""
    if isinstance(value, Userdata):
        return value.lua_type
    return _TYPE_NAMES.get(type(value)) or str(lupa.lua_type(value) or "function")


def entries(value: object) -> dict[Any, Any] | None:
    """The entries of a Lua table, or of userdata that can be iterated; None for everything else."""
    if is_lua_table(value):
        return dict(value.items())  # type: ignore[attr-defined]
    if isinstance(value, SerializedUserdata):
        return dict(value.lua_pairs())
    return None


def split_sequence(table: Mapping[Any, Any]) -> tuple[list[Any], dict[Any, Any]]:
    """The values at 1, 2, 3 … and the rest."""
    items: list[Any] = []
    while len(items) + 1 in table:
        items.append(table[len(items) + 1])
    return items, {key: value for key, value in table.items() if not _is_position(key, len(items))}


def _is_position(key: object, length: int) -> bool:
    return isinstance(key, int) and not isinstance(key, bool) and 1 <= key <= length


class Converter:
    """Conversions that need a Lua state: it makes the tables and knows the mark of an empty list."""

    def __init__(self, make_table: Callable[[object], Any], is_empty_list: Callable[[object], bool]) -> None:
        self._make_table = make_table
        self._is_empty_list = is_empty_list

    def to_lua(self, value: Plain) -> Any:
        """Tables for lists and dicts, everything else as it is; an entry with None vanishes, as in Lua."""
        if isinstance(value, Mapping):
            return self._make_table({key: self.to_lua(item) for key, item in value.items() if item is not None})
        if isinstance(value, list):
            return self._make_table([self.to_lua(item) for item in value])
        return value

    def to_plain(self, value: object) -> Plain:
        """The JSON-like form of a Lua value.

        Raises:
            LuaProblem: ``wrong_type`` for functions, threads and opaque userdata, ``mixed_table`` for a table with
                both positions and names, of which KumoMTA would drop the names.
        """
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, bytes):
            return to_text(value)
        table = entries(value)
        if table is None:
            raise LuaProblem("wrong_type", f"a {type_name(value)} cannot be written as JSON")
        return self._table_to_plain(value, table)

    def _table_to_plain(self, value: object, table: dict[Any, Any]) -> Plain:
        items, rest = split_sequence(table)
        if items and rest:
            raise LuaProblem("mixed_table", f"a table with positions and names ({next(iter(rest))!s}) is ambiguous")
        if items or (not rest and is_lua_table(value) and self._is_empty_list(value)):
            return [self.to_plain(item) for item in items]
        return {self._key(key): self.to_plain(item) for key, item in rest.items()}

    def _key(self, key: object) -> object:
        if isinstance(key, str | int) and not isinstance(key, bool):
            return key
        raise LuaProblem("wrong_type", f"a {type_name(key)} cannot be a key")
