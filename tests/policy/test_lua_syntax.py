"""Every Lua file of the repository is Lua 5.4, be it ours, rendered, or an example."""

from __future__ import annotations

from pathlib import Path

import pytest
from lupa.lua54 import LuaRuntime, LuaSyntaxError

ROOT = Path(__file__).parents[2]
SOURCES = [
    path.relative_to(ROOT)
    for folder in ("kumo_policy", "examples", "postmta_ctl", "tests/policy/golden")
    for path in sorted((ROOT / folder).rglob("*.lua"))
]


def test_there_is_lua_to_check() -> None:
    assert {path.parts[0] for path in SOURCES} == {"kumo_policy", "examples", "postmta_ctl", "tests"}


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_it_compiles(path: Path) -> None:
    assert LuaRuntime().compile((ROOT / path).read_text(encoding="utf-8"), name=str(path).encode()) is not None


def test_a_broken_file_would_be_found() -> None:
    with pytest.raises(LuaSyntaxError):
        LuaRuntime().compile("return {")
