"""Connections: metadata of an inbound one, and the outbound ones that a policy builds itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from postmta_ctl.luavm.convert import is_function, type_name
from postmta_ctl.luavm.errors import Rejected
from postmta_ctl.luavm.userdata import Userdata

if TYPE_CHECKING:
    from postmta_ctl.luavm.context import Context
    from postmta_ctl.luavm.message import Message


class ConnectionMeta(Userdata):
    """What is known of an inbound connection; copied into the meta of its messages."""

    lua_type = "ConnectionMetaData"

    def __init__(self, meta: Mapping[str, Any] | None = None, auth_info: Mapping[str, Any] | None = None) -> None:
        self.meta = dict(meta or {})
        self.auth_info = dict(auth_info or {})

    def lua_get_meta(self, _vm: Context, name: str) -> object:
        """A value, nil when unset."""
        return self.meta.get(name)

    def lua_set_meta(self, _vm: Context, name: str, value: object) -> None:
        """Set a value; it must be JSON-able."""
        self.meta[name] = value

    def lua_auth_info(self, _vm: Context) -> dict[str, Any]:
        """Who the peer is."""
        return self.auth_info


class LuaConnection:
    """The table that a ``custom_lua`` constructor returned, as KumoMTA uses it: one per connection.

    A rejected send comes back as :class:`Rejected`: 4xx tries the batch again later, 5xx loses it.
    """

    def __init__(self, vm: Context, constructor: str, table: Any) -> None:
        self._vm = vm
        self._constructor = constructor
        self._table = table

    def send(self, message: Message) -> str | Rejected:
        """Deliver one message (``batch_size`` 1); the text is the success response."""
        return self._call("send", message)

    def send_batch(self, messages: Sequence[Message]) -> str | Rejected:
        """Deliver a batch (``batch_size`` above 1)."""
        return self._call("send_batch", list(messages))

    def close(self) -> None:
        """Tell the connection that it is over; its ``close`` is optional."""
        if is_function(self._table["close"]):
            self._vm.call(self._constructor, self._table["close"], self._table)

    def _call(self, method: str, argument: object) -> str | Rejected:
        function = self._table[method]
        if not is_function(function):
            raise self._vm.handler_error("wrong_result", self._constructor, f"the connection has no {method}")
        try:
            values = self._vm.call(self._constructor, function, self._table, self._vm.to_lua(argument))
        except Rejected as rejected:
            return rejected
        answer = values[0] if values else None
        if not isinstance(answer, str):
            message = f"{method} must return the text of the response, not a {type_name(answer)}"
            raise self._vm.handler_error("wrong_result", self._constructor, message)
        return answer
