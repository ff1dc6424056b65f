"""Python values as Lua source text: the one way a value from the database reaches a rendered policy.

Lua 5.4 strings are bytes. Between double quotes everything but a backslash, a quote and a line break stands for
itself, and ``\\ddd`` (three decimal digits) stands for any byte (Lua 5.4 manual, section 3.1). A string made of
printable ASCII and decimal escapes can therefore hold every byte and ends nowhere but at its own closing quote.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

_INLINE_WIDTH = 96
_INDENT = "  "
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_KEYWORDS = frozenset(
    [
        "and",
        "break",
        "do",
        "else",
        "elseif",
        "end",
        "false",
        "for",
        "function",
        "goto",
        "if",
        "in",
        "local",
        "nil",
        "not",
        "or",
        "repeat",
        "return",
        "then",
        "true",
        "until",
        "while",
    ]
)
_QUOTED_BYTE = [chr(byte) if 0x20 <= byte <= 0x7E and byte not in b'"\\' else f"\\{byte:03d}" for byte in range(256)]


class LuaLiteralError(ValueError):
    """The value has no faithful Lua literal: a NaN, an infinity, a hole in a table or a foreign type."""


def quote(value: str | bytes) -> str:
    """The double-quoted Lua string of these bytes; text is taken as UTF-8.

    Raises:
        LuaLiteralError: the text holds a lone surrogate, which UTF-8 cannot carry.
    """
    if isinstance(value, str):
        try:
            value = value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise LuaLiteralError(f"text is not encodable as UTF-8: {error.reason}") from error
    return '"' + "".join([_QUOTED_BYTE[byte] for byte in value]) + '"'


def literal(value: object, *, depth: int = 0) -> str:
    """The Lua expression that evaluates to ``value``: the same text for equal values, with keys sorted.

    Small flat tables stay on one line, others get a line per item, indented below ``depth`` levels, so that a
    review shows one changed value as one changed line. Integers stay Lua integers and floats Lua floats.

    Raises:
        LuaLiteralError: NaN, infinity, an integer beyond 64 bits, ``None`` inside a table (Lua would drop the
            entry), a key that is neither text nor integer, or any other type.
    """
    if isinstance(value, Mapping):
        return _table(_pairs(value, depth), depth)
    if isinstance(value, list | tuple):
        return _table([_item(item, depth) for item in value], depth)
    return _scalar(value)


def _scalar(value: object) -> str:
    match value:
        case None:
            return "nil"
        case bool():
            return "true" if value else "false"
        case int():
            return _integer(value)
        case float():
            return _float(value)
        case str() | bytes():
            return quote(value)
        case _:
            raise LuaLiteralError(f"no Lua literal for a {type(value).__name__}")


def _integer(value: int) -> str:
    if not -(2**63) <= value < 2**63:
        raise LuaLiteralError(f"{value} does not fit a Lua integer")
    # The digits of the smallest integer alone are read as a float, since the minus is an operator.
    return "math.mininteger" if value == -(2**63) else str(value)


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise LuaLiteralError(f"no Lua literal for {value}")
    return repr(value)


def _item(value: object, depth: int) -> str:
    if value is None:
        raise LuaLiteralError("nil inside a table would make the entry vanish")
    return literal(value, depth=depth + 1)


def _pairs(table: Mapping[object, object], depth: int) -> list[str]:
    return [f"{_key(key)} = {_item(table[key], depth)}" for key in _sorted_keys(table)]


def _sorted_keys(keys: Iterable[object]) -> list[object]:
    """Integers in order before text in byte order, so that the rendering does not hang on insertion order."""
    return sorted(keys, key=lambda key: (isinstance(key, str), key if isinstance(key, int) else 0, str(key)))


def _key(key: object) -> str:
    if isinstance(key, str):
        bare = _IDENTIFIER.match(key) and key not in _KEYWORDS
        return key if bare else f"[{quote(key)}]"
    if isinstance(key, int) and not isinstance(key, bool):
        return f"[{_integer(key)}]"
    raise LuaLiteralError(f"a {type(key).__name__} cannot be a table key here")


def _table(items: list[str], depth: int) -> str:
    inline = "{ " + ", ".join(items) + " }" if items else "{}"
    if len(inline) + len(_INDENT) * depth <= _INLINE_WIDTH and not any(_is_nested(item) for item in items):
        return inline
    margin = _INDENT * (depth + 1)
    return "{\n" + "".join(f"{margin}{item},\n" for item in items) + _INDENT * depth + "}"


def _is_nested(item: str) -> bool:
    return item.endswith("}") and not item.endswith("{}")
