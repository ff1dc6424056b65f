"""``kumo.make_throttle``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from postmta_ctl.luavm.formats import ThrottleSpec, parse_throttle
from postmta_ctl.luavm.message import Message
from postmta_ctl.luavm.throttle import ThrottleResult
from postmta_ctl.luavm.userdata import Userdata

if TYPE_CHECKING:
    from postmta_ctl.luavm.vm import Vm


class Throttle(Userdata):
    """A named rate; its bucket is shared by the whole process."""

    lua_type = "Throttle"

    def __init__(self, name: str, spec: ThrottleSpec) -> None:
        self._key = f"lua-user-throttle-{name}"
        self._spec = spec

    def _take(self, vm: Vm) -> ThrottleResult:
        return vm.node.throttles.throttle(self._key, self._spec)

    def lua_throttle(self, vm: Vm) -> dict[str, Any]:
        """Take one, and tell how it went."""
        return msgspec.structs.asdict(self._take(vm))

    def lua_sleep_if_throttled(self, vm: Vm) -> bool:
        """Take one, waiting as long as that needs; true when it had to wait."""
        waited = False
        while (wait := self._take(vm).retry_after) is not None:
            vm.node.clock.sleep(wait)
            waited = True
        return waited

    def lua_delay_message_if_throttled(self, vm: Vm, message: Message) -> bool:
        """Take one, or put the message off until there is one; true when it was put off."""
        wait = self._take(vm).retry_after
        if wait is not None:
            message.due = vm.node.clock.now() + timedelta(seconds=wait)
        return wait is not None


FUNCTIONS: dict[str, Callable[..., object]] = {
    "kumo.make_throttle": lambda _vm, name, spec: Throttle(name, parse_throttle(spec)),
}
