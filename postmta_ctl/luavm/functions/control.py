"""``kumo.api``, and messages that a policy makes itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import uuid_utils

from postmta_ctl.luavm.addresses import EnvelopeAddress
from postmta_ctl.luavm.control import ControlKind, NodeControl
from postmta_ctl.luavm.convert import to_bytes
from postmta_ctl.luavm.errors import not_simulated
from postmta_ctl.luavm.message import Message

if TYPE_CHECKING:
    from postmta_ctl.luavm.vm import Vm

_ADD: dict[ControlKind, str] = {"suspend": "suspend", "bounce": "bounce", "suspend_ready_q": "suspend"}


def _control(vm: Vm) -> NodeControl:
    if vm.node.control is None:
        raise not_simulated("kumo.api without a node behind it")
    return vm.node.control


def _functions(kind: ControlKind, verb: str) -> dict[str, Callable[..., object]]:
    return {
        f"kumo.api.admin.{kind}.list": lambda vm: [dict(entry) for entry in _control(vm).entries(kind)],
        f"kumo.api.admin.{kind}.{verb}": lambda vm, request: _control(vm).add(kind, request),
        f"kumo.api.admin.{kind}.delete": lambda vm, entry_id: _control(vm).remove(kind, entry_id),
    }


def make_message(vm: Vm, sender: str, recipient: str, body: str) -> Message:
    """A message that did not come from outside."""
    for address in (sender, recipient):
        EnvelopeAddress.parse(address)
    return Message(uuid_utils.uuid1().hex, sender, [recipient], to_bytes(body), clock=vm.node.clock)


def inject_message(vm: Vm, message: Message, _deferred_spool: Any) -> None:
    """Queue it: recorded on the node, for whoever drives it to deliver."""
    vm.node.injected.append(message)


FUNCTIONS: dict[str, Callable[..., object]] = {
    "kumo.api.inject.inject_v1": lambda vm, request: dict(_control(vm).inject(request)),
    "kumo.make_message": make_message,
    "kumo.inject_message": inject_message,
    **{name: function for kind, verb in _ADD.items() for name, function in _functions(kind, verb).items()},
}
