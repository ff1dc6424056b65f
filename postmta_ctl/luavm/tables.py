"""A Lua file that is data: ``return { … }``, read without anything of KumoMTA around it."""

from __future__ import annotations

from postmta_ctl.luavm.convert import Plain, is_lua_table
from postmta_ctl.luavm.errors import LuaProblem, PolicyError
from postmta_ctl.luavm.machine import Machine

_TIME_LIMIT_SECONDS = 2.0


def read_table(source: bytes, name: str) -> Plain:
    """What the file returns, as JSON could say it; an empty table is an empty object.

    Args:
        source: The file's text.
        name: For messages.

    Raises:
        PolicyError: It does not compile, fails, computes for too long, or returns something else than a table of data.
    """
    machine = Machine(object(), package_path="", time_limit=_TIME_LIMIT_SECONDS)
    chunk = machine.compile(source, name)
    try:
        values = machine.invoke(chunk)
    except PolicyError as error:
        raise PolicyError("not_data", "running it failed; such a file is a table and nothing else", name) from error
    if len(values) != 1 or not is_lua_table(values[0]):
        raise PolicyError("not_data", "must return one table", name)
    try:
        return machine.converter.to_plain(values[0])
    except (LuaProblem, RecursionError) as problem:
        reason = problem.message if isinstance(problem, LuaProblem) else "nested too deeply"
        raise PolicyError("not_data", reason, name) from problem
