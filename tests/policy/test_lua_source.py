"""Every Lua file of a bundle, read as Lua 5.4 reads it, and the rules of the house for them."""

from __future__ import annotations

import re

import lupa.lua54 as lupa
import pytest

from postmta_ctl.compiler.bundle import Bundle


@pytest.fixture(scope="module")
def sources(bundle: Bundle) -> dict[str, str]:
    return {path: content.decode() for path, content in bundle.files.items() if path.endswith(".lua")}


def test_every_file_is_lua(sources: dict[str, str]) -> None:
    compiler = lupa.LuaRuntime(unpack_returned_tuples=True).eval("function(source, name) return load(source, name) end")
    for path, source in sources.items():
        compiled = compiler(source, f"@{path}")
        assert not isinstance(compiled, tuple), compiled


def test_events_are_registered_in_one_place(sources: dict[str, str]) -> None:
    assert [path for path, source in sources.items() if "kumo.on(" in source] == ["postmta/init.lua"]


def test_modules_are_required_at_the_top_only(sources: dict[str, str]) -> None:
    for path, source in sources.items():
        if path != "init.lua":
            assert all(
                re.match(r"local \w+ = require '[\w.]+'$", line) for line in source.splitlines() if "require" in line
            )


def test_generated_files_are_data(sources: dict[str, str]) -> None:
    lua = lupa.LuaRuntime()
    for path, source in sources.items():
        if path.startswith("generated/"):
            table = lua.eval("function(source) return load(source, 'data', 't', {})() end")(source)
            assert lupa.lua_type(table) == "table", path
