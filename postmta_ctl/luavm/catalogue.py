"""The catalogue of KumoMTA's Lua surface: events, functions, option structs, enums, methods.

Read once from ``lua-api.json`` (collected from KumoMTA's reference documentation and checked in a running kumod).
Everything the VM refuses or accepts follows from this data.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class Argument(msgspec.Struct, frozen=True, kw_only=True):
    """One positional argument of a function, a method or an event handler."""

    name: str
    type: str = "any"
    struct: str | None = None
    optional: bool = False
    variadic: bool = False


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """A function or a method as policies call it."""

    name: str = ""
    args: list[Argument] = []
    returns: str | list[str] | None = None
    min_args: int = 0
    max_args: int | None = None
    only_in: list[str] = []
    alias_of: str | None = None
    process: str = "kumod"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event a policy may handle; user-named ones have a ``<…>`` in their name."""

    name: str = ""
    args: list[Argument] = []
    returns: str | list[str] | None = None
    may_register_many: bool = False
    returns_userdata_only: bool = False
    process: str = "kumod"
    naming: str = "fixed"


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One field of an options table."""

    type: str
    default: Any = None
    required: bool = False
    nullable: bool = False


class OptionStruct(msgspec.Struct, frozen=True, kw_only=True):
    """An options table; ``fields`` holds those of flattened structs as well."""

    name: str = ""
    deny_unknown_fields: bool = False
    fields: dict[str, Option] = {}
    flatten: list[str] = []


class Userdata(msgspec.Struct, frozen=True, kw_only=True):
    """A type of object that KumoMTA hands to policies."""

    name: str = ""
    methods: dict[str, Function] = {}
    fields: dict[str, str] = {}


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """The whole surface, by name."""

    events: dict[str, Event]
    functions: dict[str, Function]
    structs: dict[str, OptionStruct]
    enums: dict[str, Any]
    userdata: dict[str, Userdata]
    builtin_caches: frozenset[str]


@cache
def catalogue() -> Catalogue:
    """The catalogue, read on first use and kept."""
    text = resources.files(__package__).joinpath("lua-api.json").read_text(encoding="utf-8")
    raw = json.loads(text)
    structs = _named(raw["structs"], OptionStruct)
    return Catalogue(
        events=_named(raw["events"], Event),
        functions=_named(raw["functions"], Function),
        structs={name: _flattened(struct, structs) for name, struct in structs.items()},
        enums=raw["enums"],
        userdata={name: _userdata(name, value) for name, value in raw["userdata"].items()},
        builtin_caches=frozenset(raw["lruttl_caches"]["capacity"]),
    )


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that looks most like ``name``, when one does."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return matches[0] if matches else None


def hint(name: str, known: Iterable[str]) -> str:
    """`` (did you mean X?)`` or nothing, for the end of an error message."""
    match = nearest(name, known)
    return f" (did you mean {match}?)" if match else ""


def _named(raw: Mapping[str, Any], kind: type[T]) -> dict[str, T]:
    return {name: msgspec.convert({**value, "name": name}, kind) for name, value in raw.items()}


def _userdata(name: str, raw: Mapping[str, Any]) -> Userdata:
    return Userdata(name=name, methods=_named(raw.get("methods", {}), Function), fields=raw.get("fields", {}))


def _flattened(struct: OptionStruct, structs: Mapping[str, OptionStruct]) -> OptionStruct:
    fields = dict(struct.fields)
    for other in struct.flatten:
        fields.update(structs[other].fields)
    return msgspec.structs.replace(struct, fields=fields)
