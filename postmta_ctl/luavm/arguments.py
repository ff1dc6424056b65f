"""Calls from Lua into the stand-in: arguments counted and checked, results handed back, faults given their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import ref

from postmta_ctl.luavm.catalogue import Argument, Function
from postmta_ctl.luavm.convert import type_name
from postmta_ctl.luavm.decode import Decoder
from postmta_ctl.luavm.errors import LuaProblem, not_simulated
from postmta_ctl.luavm.typespec import Scalar, parse_type
from postmta_ctl.luavm.userdata import Userdata

if TYPE_CHECKING:
    from postmta_ctl.luavm.context import Context

C = TypeVar("C")
Implementation = Callable[..., object]
"""Called with the context and the decoded arguments."""


def bind(vm: Context, function: Function, implementation: Implementation | None) -> Callable[..., object]:
    """The callable that Lua sees under the function's name.

    Lua keeps it alive, and the context keeps Lua alive: it may hold the context only weakly.
    """
    reference = ref(vm)

    def call(*args: object) -> object:
        vm = alive(reference)
        try:
            vm.check_event(function)
            if vm.trace is not None:
                vm.trace.called(function.name, args, vm.machine.place())
            decoded = decode_arguments(vm.decoder, function, args)
            if implementation is None:
                raise not_simulated(function.name)
            result = implementation(vm, *decoded)
        except LuaProblem as problem:
            raise vm.located(problem, function.name) from problem
        return () if function.returns is None else vm.to_lua(result)

    return call


def bind_method(vm: Context, lua_type: str, method: Function) -> Callable[..., object]:
    """The callable behind ``object:method``; the object is its first argument."""
    name = f"{lua_type}:{method.name}"
    reference = ref(vm)

    def call(*args: object) -> object:
        vm = alive(reference)
        try:
            target = args[0] if args else None
            if vm.trace is not None:
                vm.trace.called(name, args[1:], vm.machine.place())
            if not isinstance(target, Userdata) or target.lua_type != lua_type:
                raise LuaProblem("wrong_type", f"call it as object:{method.name}(…), with a colon")
            decoded = decode_arguments(vm.decoder, method, args[1:])
            implementation = getattr(target, f"lua_{method.name}", None)
            if implementation is None:
                raise not_simulated(name)
            result = implementation(vm, *decoded)
        except LuaProblem as problem:
            raise vm.located(problem, name) from problem
        return () if method.returns is None else vm.to_lua(result)

    return call


def alive(reference: ref[C]) -> C:
    """The context that runs; it cannot be gone while Lua calls."""
    vm = reference()
    if vm is None:
        raise RuntimeError("the Lua context is gone")
    return vm


def decode_arguments(decoder: Decoder, function: Function, args: Sequence[object]) -> list[Any]:
    """The arguments checked against the catalogue; optional ones that are left out become None."""
    args = _counted(function, args)
    decoded: list[Any] = []
    for position, argument in enumerate(function.args):
        if argument.variadic:
            return [*decoded, *args[position:]]
        value = args[position] if position < len(args) else None
        try:
            decoded.append(_decode(decoder, argument, value))
        except LuaProblem as problem:
            # The options table of a function is what its only argument is: its name says nothing.
            raise problem if argument.struct else problem.under(argument.name) from problem
    return decoded


def _counted(function: Function, args: Sequence[object]) -> Sequence[object]:
    while function.max_args is not None and len(args) > function.max_args and args[-1] is None:
        args = args[:-1]
    if len(args) < function.min_args or (function.max_args is not None and len(args) > function.max_args):
        wanted = str(function.min_args)
        if function.max_args != function.min_args:
            wanted = f"{wanted} to {function.max_args}" if function.max_args else f"at least {wanted}"
        raise LuaProblem("wrong_argument_count", f"takes {wanted} arguments, got {len(args)}")
    return args


def _decode(decoder: Decoder, argument: Argument, value: object) -> Any:
    if value is None and argument.optional:
        return None
    if argument.struct:
        return decoder.struct(argument.struct, value)
    spec = parse_type(argument.type)
    if spec in (Scalar("string"), Scalar("bytes")):
        return _text(value)
    return decoder.decode(spec, value)


def _text(value: object) -> str:
    """Arguments, unlike options, take a number for a string, as Lua's own functions do."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise LuaProblem("wrong_type", f"expected a string, not a {type_name(value)}")
    return value if isinstance(value, str) else _number_text(value)


def _number_text(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    text = f"{value:.14g}"
    return text if any(mark in text for mark in ".en") else f"{text}.0"
