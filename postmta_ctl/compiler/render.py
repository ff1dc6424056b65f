"""From tables to files. A template prints; what it prints goes through the one quoting filter, always."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jinja2

from postmta_ctl import resources
from postmta_ctl.compiler.build import BundleTables, build
from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.lua import literal
from postmta_ctl.compiler.model import PolicyModel
from postmta_ctl.compiler.names import shard_file
from postmta_ctl.compiler.tsa import AUTOMATION_FILE

_OF_DAEMONS = {"tsa_init.lua.j2", "generated/tsa.lua.j2"}
"""What only a policy with TSA daemons has."""


def render(model: PolicyModel) -> Bundle:
    """The bundle of a model that is free of errors. Equal models give equal bytes, whatever their order.

    Raises:
        LuaLiteralError: a value has no Lua literal; ``compiler.check`` finds these first.
    """
    return render_tables(build(model))


def render_tables(tables: BundleTables) -> Bundle:
    """The files that carry these tables: Lua from the templates, hand-written Lua, shards of data."""
    variables = {name: getattr(tables, name) for name in tables.__struct_fields__}
    files = {f"postmta/{path.name}": path.read_bytes() for path in resources.policy_dir().glob("*.lua")}
    for name in _environment().list_templates(extensions=["j2"]):
        if tables.tsa is None and name in _OF_DAEMONS:
            continue
        text = _environment().get_template(name).render(variables)
        files[name.removesuffix(".j2")] = text.encode()
    for number, shard in enumerate(tables.domains):
        files[shard_file("domains", number)] = shard_text(shard)
    if tables.tsa is not None:
        files[AUTOMATION_FILE] = shard_text(tables.automation)
    return Bundle.of(files)


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(resources.templates_dir()),
        undefined=jinja2.StrictUndefined,
        # Not a filter that a template could forget: every {{ … }} is printed through it.
        finalize=literal,
        autoescape=False,  # noqa: S701 - Lua, not HTML
        keep_trailing_newline=True,
    )


def shard_text(value: dict[str, Any]) -> bytes:
    """A shard as it lies in its file: an entry's change is a few lines of a diff."""
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()
