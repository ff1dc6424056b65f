"""Whatever stands in the tables comes out of Lua as it went in, and the same rows make the same bytes."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import lupa.lua54 as lupa
import msgspec
import pytest

from postmta_ctl.compiler.build import BundleTables, build
from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.check import check
from postmta_ctl.compiler.model import PolicyModel
from postmta_ctl.compiler.render import render, render_tables

ATTACKS = [
    '"',
    "'",
    "\\",
    '\\"',
    "]]",
    "]=]",
    "--",
    "\n",
    "\r\n",
    "\x00",
    "{{ 1 }}",
    "{% raw %}",
    "{# #}",
    "müller€😀",
    '" .. os.exit() .. "',
    '"}, os.exit(), {"',
    "]] os.exit() --[[",
]
GENERATED = ("installation", "listeners", "storage", "tenants", "pools", "sources", "data")
EVALUATE = "function(source) return assert(load(source, 'generated', 't', {}))() end"


def changed(value: Any, change: Callable[[str], str]) -> Any:
    """The same structure with every text changed, names of entries included."""
    match value:
        case str():
            return change(value)
        case dict():
            return {change(key): changed(item, change) for key, item in value.items()}
        case list():
            return [changed(item, change) for item in value]
        case _:
            return value


def python(value: Any) -> Any:
    """A Lua table as Python, lists told from maps by their keys."""
    if lupa.lua_type(value) != "table":
        return value.decode() if isinstance(value, bytes) else value
    items = {python(key): python(item) for key, item in value.items()}
    return list(items.values()) if items and list(items) == list(range(1, len(items) + 1)) else items


def empty_as_map(value: Any) -> Any:
    """Lua has one empty table for lists and maps."""
    match value:
        case dict():
            return {key: empty_as_map(item) for key, item in value.items()}
        case list():
            return [empty_as_map(item) for item in value] or {}
        case _:
            return value


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_text_gets_out_of_its_quotes(model: PolicyModel, attack: str) -> None:
    tables = build(model)
    attacked = {name: changed(getattr(tables, name), lambda text: f"{text}{attack}") for name in GENERATED}
    files = render_tables(msgspec.structs.replace(tables, **attacked)).files
    evaluate = lupa.LuaRuntime(encoding=None).eval(EVALUATE)
    for name in GENERATED:
        assert python(evaluate(files[f"generated/{name}.lua"])) == empty_as_map(attacked[name])


@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if "\x00" not in attack])
def test_the_default_root_stays_in_its_quotes(model: PolicyModel, attack: str) -> None:
    init = render_tables(msgspec.structs.replace(build(model), default_root=f"/opt{attack}")).files["init.lua"]
    lua = lupa.LuaRuntime(encoding=None)
    lua.execute("package = { path = '' } function require(name) return { start = function(it) bundle = it end } end")
    lua.execute(init)
    assert lua.globals()[b"bundle"][b"root"].decode() == f"/opt{attack}"


def test_the_shards_hold_the_tables_of_domains(model: PolicyModel) -> None:
    tables: BundleTables = build(model)
    names = {'quote".example': tables.domains[0]["acme.example"], "line\nbreak": {"organization": "]]", "keys": []}}
    files = render_tables(msgspec.structs.replace(tables, domains=(names,))).files
    assert json.loads(files["data/domains/0000.json"]) == names


@pytest.mark.parametrize("seed", range(5))
def test_rows_in_any_order_make_the_same_bytes(model: PolicyModel, bundle: Bundle, seed: int) -> None:
    shuffle = random.Random(seed)

    def shuffled(rows: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(shuffle.sample(rows, len(rows)))

    domains = tuple(msgspec.structs.replace(each, keys=shuffled(each.keys)) for each in shuffled(model.domains))
    other = msgspec.structs.replace(
        model, organizations=shuffled(model.organizations), vmtas=shuffled(model.vmtas), domains=domains
    )
    assert render(other).files == bundle.files
    assert render(other).digest == bundle.digest


@pytest.mark.parametrize("character", ["\x00", "\n", "\r"])
def test_what_could_break_a_line_is_refused_before(model: PolicyModel, character: str) -> None:
    broken = msgspec.structs.replace(model.domains[0], name=f"acme{character}.example")
    codes = [finding.code for finding in check(msgspec.structs.replace(model, domains=(broken,)))]
    assert codes == ["bad-domain", "control-character"]
