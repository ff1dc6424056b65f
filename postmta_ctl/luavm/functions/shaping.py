"""``kumo.shaping`` and ``tsa``: what a TSA daemon's policy does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from postmta_ctl.luavm.errors import LuaProblem, not_simulated
from postmta_ctl.luavm.functions.declarations import keep, start_listener
from postmta_ctl.luavm.keysource import read_file
from postmta_ctl.luavm.userdata import Userdata

if TYPE_CHECKING:
    from postmta_ctl.luavm.vm import Vm


class Shaping(Userdata):
    """Shaping files as they were read; what follows from them is not simulated."""

    lua_type = "Shaping"
    is_memoizable = True

    def __init__(self, files: list[dict[str, Any]]) -> None:
        self.files = files

    def lua_get_errors(self, _vm: Vm) -> list[str]:
        """None: what cannot be read is an error at once."""
        return []

    def lua_get_warnings(self, _vm: Vm) -> list[str]:
        """None."""
        return []


def load(_vm: Vm, paths: list[str], _options: dict[str, Any] | None) -> Shaping:
    """Read JSON files.

    Raises:
        LuaProblem: ``file_error``, or ``bad_value`` for one that is no JSON object.
    """
    return Shaping([_read(path) for path in paths])


def _read(path: str) -> dict[str, Any]:
    if not path.endswith(".json"):
        raise not_simulated("a shaping file that is not JSON")
    try:
        value = json.loads(read_file(path))
    except ValueError as error:
        raise LuaProblem("bad_value", f"not JSON: {error}", path) from error
    if not isinstance(value, dict):
        raise LuaProblem("bad_value", "must hold an object", path)
    return value


FUNCTIONS: dict[str, Callable[..., object]] = {
    "kumo.shaping.load": load,
    "tsa.start_http_listener": start_listener("http"),
    "tsa.configure_tsa_db_path": keep("tsa.configure_tsa_db_path"),
}
