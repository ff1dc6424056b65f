"""``kumo.on`` and what a handler says besides its result: rejections, log lines, failed validation."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from postmta_ctl.luavm.catalogue import catalogue, hint, nearest
from postmta_ctl.luavm.errors import LuaProblem, Rejected

if TYPE_CHECKING:
    from postmta_ctl.luavm.vm import Vm

_TEMPLATED = re.compile(r"log_disposition_.+|make\..+\.log_hook|make\..+\.tsa\.kumomta")


def on(vm: Vm, name: str, function: object) -> None:
    """Register a handler.

    KumoMTA takes any name and never fires a misspelt one, so names it does not know are refused unless the policy
    refers to them somewhere else as the name of an event of its own.
    """
    if vm.current_event not in (None, "main"):
        raise LuaProblem("registration_in_handler", f"{name} must be registered at top level, not in an event")
    _check_name(vm, name)
    vm.register(name, function)


def _check_name(vm: Vm, name: str) -> None:
    known = {event: entry for event, entry in catalogue().events.items() if entry.naming != "user"}
    if name in known:
        if known[name].process != vm.node.process:
            message = f"{name} is an event of {known[name].process}, not of {vm.node.process}"
            raise LuaProblem("wrong_process", message)
        return
    if _TEMPLATED.fullmatch(name):
        return
    misspelt = nearest(name, known, cutoff=0.85)
    if misspelt or (_written_here(vm, name) and vm.node.mentions(name) < 2):
        raise LuaProblem("unknown_event", f"{name} is not an event of KumoMTA{hint(name, known)}")


def _written_here(vm: Vm, name: str) -> bool:
    """Whether the registering line spells the name out; otherwise it comes from a variable others may use too."""
    file, line = vm.machine.place()
    return file is not None and line is not None and name in vm.node.source_line(file, line)


def get_event_registrars(vm: Vm, name: str) -> list[list[str]]:
    """Where the handlers of an event were registered."""
    return [[f"{handler.place.file}:{handler.place.line}"] for handler in vm.handlers.get(name, [])]


def reject(_vm: Vm, code: int, message: str) -> None:
    """End the event with an SMTP reply."""
    if not 400 <= code <= 599:
        raise LuaProblem("bad_value", f"{code} is not a 4xx or 5xx reply code", "code")
    raise Rejected(code, message)


def disconnect(_vm: Vm, code: int, message: str, _disposition: str | None) -> None:
    """The same, and close the SMTP session."""
    raise Rejected(code, message, disconnect=True)


def validation_failed(vm: Vm) -> None:
    """Make ``--validate`` fail."""
    vm.node.validation_failed = True


def sleep(vm: Vm, seconds: float) -> None:
    """Let time pass."""
    vm.node.clock.sleep(seconds)


def _logger(level: str) -> Callable[..., None]:
    def log(vm: Vm, *values: Any) -> None:
        vm.log(level, values)

    return log


FUNCTIONS: dict[str, Callable[..., object]] = {
    "kumo.on": on,
    "kumo.get_event_registrars": get_event_registrars,
    "kumo.reject": reject,
    "kumo.disconnect": disconnect,
    "kumo.validation_failed": validation_failed,
    "kumo.sleep": sleep,
    "kumo.time.sleep": sleep,
    "kumo.bump_config_epoch": lambda vm: vm.node.bump_epoch(),
    "kumo.traceback": lambda _vm, _level: [],
    **{f"kumo.log_{level}": _logger(level) for level in ("error", "info", "warn", "debug")},
}
