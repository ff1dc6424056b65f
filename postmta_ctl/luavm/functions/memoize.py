"""``kumo.memoize``: results of a function kept for the whole process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from weakref import ref

from postmta_ctl.luavm.arguments import alive
from postmta_ctl.luavm.catalogue import catalogue
from postmta_ctl.luavm.convert import entries, type_name
from postmta_ctl.luavm.errors import LuaProblem
from postmta_ctl.luavm.userdata import SerializedUserdata, Userdata

if TYPE_CHECKING:
    from postmta_ctl.luavm.vm import Vm


class MemoizedTable(SerializedUserdata):
    """A shared table: reading is free, writing copies its top level for the one who writes.

    ``table.*`` and ``next`` do not work on it, and writes to a table inside of it are lost, as in KumoMTA.
    """

    lua_type = "MemoizedTable"

    def __init__(self, table: dict[Any, Any]) -> None:
        self._table = table
        self._is_shared = True

    def lua_index(self, _vm: Any, key: object) -> object:
        """An entry, nil when there is none."""
        return shared(self._table.get(key)) if isinstance(key, str | int) else None

    def lua_newindex(self, _vm: Any, key: object, value: object) -> None:
        """Set an entry of one's own copy."""
        if self._is_shared:
            self._table, self._is_shared = dict(self._table), False
        self._table[key] = memoizable(value)

    def lua_pairs(self) -> Iterable[tuple[object, object]]:
        """The entries, positions in order."""
        return [(key, shared(value)) for key, value in self._table.items()]

    def lua_len(self) -> int:
        """The number of entries, positions or not."""
        return len(self._table)


def memoize(vm: Vm, function: Any, params: dict[str, Any]) -> Any:
    """A function that calls ``function`` once per arguments (and per epoch, with ``invalidate_with_epoch``)."""
    name = params["name"]
    if name in catalogue().builtin_caches:
        raise LuaProblem("bad_value", f"{name} is a cache of KumoMTA's own: prefix yours with user.", "name")
    cache = vm.node.memo_cache(name, params)
    made_at = vm.machine.place()
    epoch_counts = params["invalidate_with_epoch"] and not params["allow_stale_reads"]

    reference = ref(vm)

    def call(*args: object) -> object:
        vm = alive(reference)
        try:
            key = json.dumps([vm.to_plain(arg) for arg in args], sort_keys=True)
            versioned = (vm.node.epoch if epoch_counts else None, key)
            return vm.to_lua(shared(cache.get_or_make(versioned, lambda _: _result(vm, function, args))))
        except LuaProblem as problem:
            raise vm.located(problem, f"kumo.memoize({name})", made_at) from problem

    return vm.machine.lua_function(call)


def _result(vm: Vm, function: Any, args: tuple[object, ...]) -> Any:
    values = [memoizable(value) for value in vm.machine.invoke(function, *args)]
    return values if len(values) > 1 else next(iter(values), None)


def memoizable(value: object) -> Any:
    """A value that no longer hangs on the Lua context it came from.

    Raises:
        LuaProblem: ``not_memoizable`` for what ``kumo.make_*`` makes, for functions and for signers.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Userdata) and value.is_memoizable:
        return value
    table = entries(value) if not isinstance(value, Userdata) or isinstance(value, MemoizedTable) else None
    if table is None:
        raise LuaProblem("not_memoizable", f"a {type_name(value)} cannot be kept by kumo.memoize")
    return {_key(key): memoizable(item) for key, item in table.items()}


def _key(key: object) -> str | int:
    if isinstance(key, str | int) and not isinstance(key, bool):
        return key
    raise LuaProblem("not_memoizable", f"a {type_name(key)} cannot be a key in a memoized table")


def shared(value: Any) -> Any:
    """A kept value as a context gets it: tables as shared ones, several results as a list."""
    if isinstance(value, list):
        return [shared(item) for item in value]
    return MemoizedTable(value) if isinstance(value, dict) else value


FUNCTIONS: dict[str, Callable[..., object]] = {"kumo.memoize": memoize}
