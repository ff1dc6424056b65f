"""One Lua 5.4 state, confined to what kumod's Lua offers, driven from Python."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import resources
from typing import Any, NamedTuple
from weakref import WeakMethod

import lupa.lua54 as lupa  # type: ignore[import-untyped]

from postmta_ctl.luavm.convert import ENCODING, Converter, to_bytes, type_name
from postmta_ctl.luavm.errors import PolicyError

# Few enough that calls into Python between two checks take milliseconds, many enough that the checks take nothing.
_BUDGET_CHECK_INSTRUCTIONS = 10_000


class Place(NamedTuple):
    """Where in the policy a call stands."""

    file: str | None
    line: int | None


NOWHERE = Place(None, None)


class Machine:
    """A Lua state with the sandbox of ``prelude.lua``.

    ``host`` supplies the Python side of the sandbox: print, clock, refusals, the fields of userdata. Python objects
    have no other attributes in Lua.
    """

    def __init__(
        self,
        host: object,
        *,
        package_path: str,
        time_limit: float,
    ) -> None:
        lua: Any = lupa.LuaRuntime(
            encoding=ENCODING,
            unpack_returned_tuples=True,
            register_eval=False,
            register_builtins=False,
            attribute_handlers=(_no_attribute, _no_attribute),
        )
        self._lua = lua
        self._time_limit = time_limit
        self._deadline = float("inf")
        self._reached: Callable[[str, int, int], None] = _nobody
        hooks = {name.removeprefix("host_"): getattr(host, name) for name in dir(host) if name.startswith("host_")}
        hooks["out_of_time"] = _weakly(self._check_time)
        hooks["reached"] = _weakly(self._tell_reached)
        prelude = resources.files(__package__).joinpath("prelude.lua").read_text(encoding="utf-8")
        self._api = lua.execute(prelude, lua.table_from(hooks))
        self.converter = Converter(self._make_table, self._api.is_empty_list)
        self._api.complete_userdata(host)
        self._api.confine(package_path)
        self._api.set_budget(_BUDGET_CHECK_INSTRUCTIONS)

    def _make_table(self, value: object) -> Any:
        return self._api.empty_list() if value == [] else self._lua.table_from(value)

    def place(self) -> Place:
        """The policy line that is running now."""
        found = self._api.place()
        return Place(*found) if isinstance(found, tuple) else NOWHERE

    def invoke(self, function: Any, *args: object) -> tuple[object, ...]:
        """All values that ``function`` returns, none included.

        Raises:
            PolicyError: the function failed.
            Rejected: it called ``kumo.reject``.
        """
        outermost = self._deadline == float("inf")
        if outermost:
            self._deadline = time.thread_time() + self._time_limit
        try:
            succeeded, _count, *values = self._api.invoke(function, *args)
        finally:
            if outermost:
                self._deadline = float("inf")
        if succeeded:
            return tuple(values)
        if not isinstance(values[0], BaseException):
            raise PolicyError("lua_error", f"the error raised is a {type_name(values[0])}", *self.place())
        raise values[0]

    def _check_time(self) -> None:
        if time.thread_time() > self._deadline:
            file, line = self.place()
            raise PolicyError("timeout", f"the policy computed for more than {self._time_limit:g} s", file, line)

    def watch(self, reached: Callable[[str, int, int], None]) -> None:
        """From now on tell the lines of policy files that run: file, line of the function's definition, line.

        Lua's line hook is set outside of the sandbox, whose ``debug`` library is gone; a policy cannot notice it.
        """
        self._reached = reached
        self._api.watch(_BUDGET_CHECK_INSTRUCTIONS)

    def _tell_reached(self, file: str, defined: int, line: int) -> None:
        self._reached(file, defined, line)

    def compile(self, source: bytes, name: str) -> Any:
        """The chunk as a function.

        Raises:
            PolicyError: ``lua_syntax``.
        """
        compiled = self._api.compile(source, name)
        if isinstance(compiled, tuple):
            raise syntax_error(str(compiled[1]), name)
        return compiled

    def bytecode(self, chunk: Any) -> bytes:
        """A compiled chunk in Lua's binary form, line numbers included."""
        return to_bytes(self._api.dump(chunk))

    def global_names(self) -> frozenset[str]:
        """The names that are defined globally."""
        return frozenset(self._api.global_names().values())

    def lua_function(self, function: Callable[..., object]) -> Any:
        """A Python callable as a function of Lua's own, for policies that look at ``type``."""
        return self._api.lua_function(function)

    def module(self, name: str) -> Any:
        """An empty module table that refuses what is not defined in it."""
        return self._api.module(name)

    def define(self, module: Any, name: str, function: Callable[..., object]) -> None:
        """Put a function into a module."""
        self._api.define(module, name, function)

    def define_constant(self, module: Any, name: str, value: object) -> None:
        """Put a constant or a submodule into a module."""
        self._api.define_constant(module, name, value)

    def provide(self, name: str, module: Any) -> None:
        """Make ``require(name)`` give that module."""
        self._api.provide(name, module)

    def set_global(self, name: str, value: object) -> None:
        """Define a global past the strictness of the sandbox."""
        self._api.set_global(name, value)


def _weakly(method: Callable[..., None]) -> Callable[..., None]:
    """The method, for Lua to keep: Lua must not keep alive what keeps Lua alive."""
    reference = WeakMethod(method)

    def call(*args: object) -> None:
        target = reference()
        if target is not None:
            target(*args)

    return call


def _nobody(_file: str, _defined: int, _line: int) -> None:
    """Who is told before anybody watches."""


def _no_attribute(*_access: object) -> object:
    raise AttributeError("Python objects have no attributes here")


def syntax_error(text: str, name: str) -> PolicyError:
    """Lua's ``chunk:LINE: message``; the chunk name may have been shortened, so it is replaced by the file's."""
    place, _, message = text.partition(": ")
    line = place.rpartition(":")[2]
    return PolicyError("lua_syntax", message or text, name, int(line) if line.isdigit() else None)
