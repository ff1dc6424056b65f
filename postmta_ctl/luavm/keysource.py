"""KumoMTA's KeySource: where key material comes from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from postmta_ctl.luavm.convert import to_bytes, type_name
from postmta_ctl.luavm.errors import LuaProblem, not_simulated

if TYPE_CHECKING:
    from postmta_ctl.luavm.vm import Vm


def load_key(vm: Vm, source: str | dict[str, Any]) -> bytes:
    """The bytes that a file, ``key_data`` or an event of the policy gives.

    Raises:
        LuaProblem: ``file_error`` or ``wrong_result``; ``not_simulated`` for HashiCorp Vault.
    """
    if isinstance(source, str):
        return read_file(source)
    if "key_data" in source:
        return to_bytes(source["key_data"])
    if "event_name" in source:
        return _from_event(vm, source["event_name"], source["event_args"])
    raise not_simulated("a key from HashiCorp Vault")


def read_file(name: str) -> bytes:
    """The bytes of a file.

    Raises:
        LuaProblem: ``file_error``.
    """
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise LuaProblem("file_error", f"cannot read {name}: {error.strerror}") from error


def _from_event(vm: Vm, event: str, args: list[Any]) -> bytes:
    answer = vm.dispatch(event, *args)
    if answer is None:
        raise LuaProblem("missing_handler", f"no handler for the key source event {event}")
    if not isinstance(answer[0], str):
        raise LuaProblem("wrong_result", f"{event} must return the key as a string, not a {type_name(answer[0])}")
    return to_bytes(answer[0])
