"""Objects that policies hold but cannot look into: KumoMTA's userdata.

A Python object reaches Lua as userdata only when it is a :class:`Userdata`; Lua then sees exactly the methods and
fields that the catalogue lists for ``lua_type``. A method ``m`` is the Python method ``lua_m``, a field ``f`` is
``field_f``; what the catalogue lists and the class lacks is refused as not simulated.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from postmta_ctl.luavm.catalogue import catalogue, hint
from postmta_ctl.luavm.errors import LuaProblem, not_simulated

if TYPE_CHECKING:
    from postmta_ctl.luavm.context import Context


class Userdata:
    """Base of everything handed to Lua as userdata."""

    lua_type: ClassVar[str]
    is_memoizable: ClassVar[bool] = False
    """True when ``kumo.memoize`` may keep and share it between contexts."""

    def lua_index(self, vm: Context, key: object) -> object:
        """What ``obj.key`` or ``obj:key()`` finds."""
        known = catalogue().userdata[self.lua_type]
        if key in known.methods:
            return vm.method(self.lua_type, str(key))
        if key in known.fields:
            return self._field(str(key))
        raise LuaProblem(
            "unknown_method",
            f"a {self.lua_type} has no {key}{hint(str(key), [*known.methods, *known.fields])}",
        )

    def _field(self, name: str) -> object:
        reader = getattr(self, f"field_{name}", None)
        if reader is None:
            raise not_simulated(f"{self.lua_type}.{name}")
        return reader()

    def lua_newindex(self, _vm: Context, key: object, _value: object) -> None:
        """``obj.key = value``; refused unless a subclass allows it."""
        raise LuaProblem("wrong_type", f"a {self.lua_type} cannot be assigned to (field {key})")

    def lua_pairs(self) -> Iterable[tuple[object, object]]:
        """The entries that ``pairs`` goes through, as Python values."""
        raise LuaProblem("wrong_type", f"a {self.lua_type} cannot be iterated with pairs")

    def lua_len(self) -> int:
        """The value of ``#obj``."""
        raise LuaProblem("wrong_type", f"a {self.lua_type} has no length")

    def lua_operator(self, operator: str, _left: object, _right: object) -> object:
        """``left operator right``, one of the two being ``self``; only ``+`` and ``-`` are ever asked for."""
        raise LuaProblem("wrong_type", f"a {self.lua_type} knows no operator {operator}")

    def lua_close(self) -> None:
        """Called when a ``<close>`` variable holding it goes out of scope."""


class SerializedUserdata(Userdata):
    """Userdata that shows the JSON form of itself: it can be indexed, iterated and given where a table is asked for."""

    def to_plain(self) -> dict[str, object]:
        """The entries as Python values."""
        raise NotImplementedError

    def lua_index(self, vm: Context, key: object) -> object:
        """The entry of that name; methods of the type come first."""
        known = catalogue().userdata[self.lua_type]
        if key in known.methods:
            return super().lua_index(vm, key)
        return self.to_plain().get(key) if isinstance(key, str) else None

    def lua_pairs(self) -> Iterable[tuple[object, object]]:
        """The entries in order of their names."""
        return sorted(self.to_plain().items())
