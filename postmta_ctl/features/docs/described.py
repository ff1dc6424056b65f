"""Structs as their source describes them: fields with types, defaults, and the words that stand below each."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

import msgspec


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a struct."""

    name: str
    type: str
    """As the source has it."""
    default: Any
    """``msgspec.NODEFAULT``: it is needed."""
    words: str
    """Empty: its name says it."""


def fields_of(struct: type[msgspec.Struct]) -> list[Field]:
    """The fields of a struct, those of its bases included, in their order."""
    sources = _sources(struct)
    found = []
    for one in msgspec.structs.fields(struct):
        kind, words = sources[one.name]
        default = one.default if one.default_factory is msgspec.NODEFAULT else one.default_factory()
        found.append(Field(name=one.encode_name, type=kind, default=default, words=words))
    return found


def _sources(struct: type[msgspec.Struct]) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for base in reversed(struct.__mro__):
        if issubclass(base, msgspec.Struct) and base.__module__.startswith("postmta_ctl."):
            found |= _source_of(base)
    return found


def _source_of(struct: type[msgspec.Struct]) -> dict[str, tuple[str, str]]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(struct))).body[0]
    assert isinstance(tree, ast.ClassDef)
    found: dict[str, tuple[str, str]] = {}
    name = ""
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
            found[name] = (ast.unparse(node.annotation), "")
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and name:
            found[name] = (found[name][0], inspect.cleandoc(str(node.value.value)).replace("\n", " "))
        else:
            name = ""
    return found
