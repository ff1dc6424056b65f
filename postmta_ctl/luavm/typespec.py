"""The catalogue's type expressions, such as ``list<string|struct:ResolvedAddress>``, as small trees.

Expressions that only describe (``{limit,remaining}``, ``EgressPathConfig + x``) become :class:`Anything`.
"""

from __future__ import annotations

import re
from functools import cache

import msgspec

SCALARS = frozenset(
    [
        *("bool", "string", "bytes", "int", "float", "u8", "u16", "u32", "u64", "i32", "i64", "usize"),
        *("path", "url", "ip", "socketaddr", "hostport", "datetime", "duration", "throttle", "limit", "min_free"),
        *("cidrset", "keysource", "regex", "uuid", "function", "nil", "table"),
    ]
)
_NAME = re.compile(r"[A-Za-z_][\w.]*")


class Scalar(msgspec.Struct, frozen=True):
    """One of :data:`SCALARS`."""

    name: str


class ListOf(msgspec.Struct, frozen=True):
    """A Lua sequence of ``item``."""

    item: TypeSpec


class MapOf(msgspec.Struct, frozen=True):
    """A Lua table from ``key`` to ``value``."""

    key: TypeSpec
    value: TypeSpec


class Named(msgspec.Struct, frozen=True):
    """An enum, an options struct or a kind of userdata, by its name in the catalogue."""

    name: str


class OneOf(msgspec.Struct, frozen=True):
    """Any of several types."""

    choices: tuple[TypeSpec, ...]


class Anything(msgspec.Struct, frozen=True):
    """Whatever can be written as JSON."""


TypeSpec = Scalar | ListOf | MapOf | Named | OneOf | Anything


@cache
def parse_type(text: str) -> TypeSpec:
    """The tree of a type expression; what the grammar does not cover is :class:`Anything`."""
    choices = tuple(_parse_single(part) for part in _split(text, "|"))
    return choices[0] if len(choices) == 1 else OneOf(choices)


def _parse_single(text: str) -> TypeSpec:
    name, _, inner = text.partition("<")
    if inner.endswith(">"):
        return _parse_generic(name, inner[:-1])
    for prefix in ("enum:", "struct:"):
        text = text.removeprefix(prefix)
    if text in SCALARS:
        return Scalar(text)
    return Named(text) if _NAME.fullmatch(text) and text != "any" else Anything()


def _parse_generic(name: str, inner: str) -> TypeSpec:
    match name:
        case "list":
            return ListOf(parse_type(inner))
        case "map":
            key, value = _split(inner, ",")
            return MapOf(parse_type(key), parse_type(value))
        case "cidrmap":
            return MapOf(Scalar("cidr"), parse_type(inner))
        case "table":
            return Named(inner)
        case _:
            return Anything()


def _split(text: str, separator: str) -> list[str]:
    """Split outside of ``<…>`` and ``{…}``."""
    parts, depth, start = [], 0, 0
    for index, character in enumerate(text):
        depth += (character in "<{") - (character in ">}")
        if character == separator and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    return [part.strip() for part in [*parts, text[start:]]]
