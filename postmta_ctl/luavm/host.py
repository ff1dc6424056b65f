"""The Python side of the sandbox: what the prelude asks for while a policy runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar
from weakref import ref

from postmta_ctl.luavm.arguments import alive
from postmta_ctl.luavm.catalogue import catalogue, hint
from postmta_ctl.luavm.errors import LuaProblem, PolicyError, not_simulated
from postmta_ctl.luavm.userdata import Userdata

if TYPE_CHECKING:
    from postmta_ctl.luavm.context import Context

T = TypeVar("T")
_OPTIONAL_GLOBALS = frozenset(["_VALIDATING_CONFIG", "_KUMO_CURRENT_EVENT"])
_PLACE_PREFIX = re.compile(r"^[^\n]*?:\d+: ")


class Host:
    """Callbacks of one context; each ``host_x`` is ``host.x`` in the prelude."""

    def __init__(self, vm: Context) -> None:
        self._reference = ref(vm)

    @property
    def _vm(self) -> Context:
        return alive(self._reference)

    def host_get_field(self, target: object, key: object) -> object:
        """``target.key`` for any Python object that Lua holds."""
        if not isinstance(target, Userdata):
            raise self._vm.located(LuaProblem("wrong_type", f"cannot look up {key} in an error or a function"))
        try:
            return self._vm.to_lua(target.lua_index(self._vm, key))
        except LuaProblem as problem:
            raise self._vm.located(problem) from problem

    def host_set_field(self, target: object, key: object, value: object) -> None:
        """``target.key = value``."""
        if not isinstance(target, Userdata):
            raise self._vm.located(LuaProblem("wrong_type", f"cannot set {key} of an error or a function"))
        try:
            target.lua_newindex(self._vm, key, value)
        except LuaProblem as problem:
            raise self._vm.located(problem) from problem

    def host_lua_error(self, message: str, file: str | None, line: int | None) -> PolicyError:
        """The exception for an error raised by Lua itself."""
        return self._vm.policy_error("lua_error", _PLACE_PREFIX.sub("", message, count=1), file, line)

    def host_unknown_function(self, module: str, name: object) -> None:
        """A module was asked for what it does not have."""
        known = [path.removeprefix(f"{module}.") for path in catalogue().functions if path.startswith(f"{module}.")]
        message = f"{module}.{name} does not exist{hint(str(name), known)}"
        raise self._vm.located(LuaProblem("unknown_function", message))

    def host_module_changed(self, module: str, name: object) -> None:
        """Something was put into one of KumoMTA's modules."""
        message = f"{module}.{name} is assigned; KumoMTA's modules are not ours"
        raise self._vm.located(LuaProblem("accidental_global", message))

    def host_undefined_global(self, name: str) -> None:
        """A global was read that nobody defined."""
        if name not in _OPTIONAL_GLOBALS:
            raise self._vm.located(LuaProblem("undefined_global", f"{name} is not defined"))

    def host_accidental_global(self, name: str) -> None:
        """A global was assigned: globals live as long as one Lua context, so it is a mistake or a trap."""
        raise self._vm.located(LuaProblem("accidental_global", f"{name} is assigned as a global; write local {name}"))

    def host_forbidden(self, what: str) -> None:
        """A library function that must not run here."""
        raise self._vm.located(not_simulated(what))

    def host_print(self, *values: object) -> None:
        """``print``: KumoMTA's process output, here a line of the node's log."""
        self._vm.log("print", values)

    def host_getenv(self, name: str) -> str | None:
        """``os.getenv`` of the node's environment, never of ours."""
        return self._vm.node.environ.get(name)

    def host_now(self) -> int:
        """Seconds since 1970 by the node's clock."""
        return int(self._vm.node.clock.now().timestamp())

    def host_clock(self) -> float:
        """``os.clock``."""
        return self._vm.node.clock.now().timestamp()

    def host_length(self, target: object, *_same: object) -> int:
        """``#target``."""
        return self._guarded(lambda: self._userdata(target).lua_len())

    def host_pairs(self, target: object) -> tuple[object, object]:
        """Keys and values of ``pairs(target)``, as two lists."""
        entries = self._guarded(lambda: list(self._userdata(target).lua_pairs()))
        return self._vm.to_lua([key for key, _ in entries]), self._vm.to_lua([value for _, value in entries])

    def host_equals(self, left: object, right: object) -> bool:
        """``left == right``."""
        return left == right

    def host_less(self, left: object, right: object) -> bool:
        """``left < right``; only times and spans have an order."""
        try:
            return bool(left < right)  # type: ignore[operator]
        except TypeError as error:
            raise self._vm.located(LuaProblem("lua_error", str(error))) from error

    def host_operate(self, operator: str, left: object, right: object) -> object:
        """``left + right`` or ``left - right``."""
        target = left if isinstance(left, Userdata) else right
        return self._guarded(lambda: self._userdata(target).lua_operator(operator, left, right))

    def host_close(self, target: object) -> None:
        """End of a ``<close>`` variable."""
        self._guarded(lambda: self._userdata(target).lua_close())

    def _userdata(self, target: object) -> Userdata:
        if not isinstance(target, Userdata):
            raise LuaProblem("wrong_type", "an error or a function is not a table")
        return target

    def _guarded(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except LuaProblem as problem:
            raise self._vm.located(problem) from problem
