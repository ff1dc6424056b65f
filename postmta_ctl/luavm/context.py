"""One Lua context: the policy's top level has run in it, and its events can be fired.

kumod keeps a pool of such contexts and throws them away at an epoch change; what outlives a context is in
:class:`~postmta_ctl.luavm.node.NodeRuntime`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from postmta_ctl.luavm.arguments import bind, bind_method
from postmta_ctl.luavm.catalogue import Event, Function, catalogue
from postmta_ctl.luavm.convert import type_name
from postmta_ctl.luavm.decode import Decoder
from postmta_ctl.luavm.errors import LuaProblem, PolicyError, Rejected
from postmta_ctl.luavm.functions import FUNCTIONS
from postmta_ctl.luavm.host import Host
from postmta_ctl.luavm.machine import NOWHERE, Machine, Place
from postmta_ctl.luavm.trace import Trace

if TYPE_CHECKING:
    from postmta_ctl.luavm.node import NodeRuntime


class Handler(msgspec.Struct, frozen=True):
    """A function registered for an event, and where."""

    function: Any
    place: Place


class Context:
    """A loaded policy. Made by :meth:`NodeRuntime.context`.

    Attributes:
        raised: the latest errors that the policy met, also those it caught with ``pcall``.
        handlers: the registered handlers by event.
        trace: what ran since :meth:`watch`; None before.
    """

    def __init__(self, node: NodeRuntime) -> None:
        self.node = node
        self.handlers: dict[str, list[Handler]] = {}
        self.raised: deque[PolicyError] = deque(maxlen=100)
        self.trace: Trace | None = None
        self.uses = 0
        self.epoch = node.epoch
        self._events: list[str] = []
        self._methods: dict[tuple[str, str], object] = {}
        self.machine = Machine(Host(self), package_path=node.package_path, time_limit=node.time_limit)
        self.decoder = Decoder(self.machine.converter)
        self._install_modules()
        if node.validating:
            self.machine.set_global("_VALIDATING_CONFIG", True)
        self._run_top_level()

    # -- the module tree ----------------------------------------------------------------------------------------

    def _install_modules(self) -> None:
        modules: dict[str, Any] = {}
        for path, function in catalogue().functions.items():
            parent, _, name = path.rpartition(".")
            self.machine.define(self._module(modules, parent), name, self._bound(function))
        self.machine.define_constant(modules["kumo"], "version", self.node.version)

    def _bound(self, function: Function) -> Callable[..., object]:
        return bind(self, function, FUNCTIONS.get(function.alias_of or function.name))

    def _module(self, modules: dict[str, Any], path: str) -> Any:
        if path not in modules:
            modules[path] = self.machine.module(path)
            parent, _, name = path.rpartition(".")
            if parent:
                self.machine.define_constant(self._module(modules, parent), name, modules[path])
            else:
                self.machine.provide(path, modules[path])
        return modules[path]

    def method(self, lua_type: str, name: str) -> object:
        """The callable behind a method of userdata, made once per context."""
        key = (lua_type, name)
        if key not in self._methods:
            self._methods[key] = bind_method(self, lua_type, catalogue().userdata[lua_type].methods[name])
        return self._methods[key]

    # -- loading ------------------------------------------------------------------------------------------------

    def _run_top_level(self) -> None:
        path, arguments = self.node.entry_point()
        try:
            source = path.read_bytes()
        except OSError as error:
            raise PolicyError("no_policy", f"cannot read {path}: {error.strerror}") from error
        chunk = self.machine.compile(source, str(path))
        self._guarded(chunk, *arguments)

    def _guarded(self, function: Any, *args: object) -> tuple[object, ...]:
        """Run policy code; whatever it raises leaves as PolicyError with a relative file name, or as Rejected."""
        try:
            return self.machine.invoke(function, *args)
        except PolicyError as error:
            error.file = self.node.relative(error.file)
            raise

    # -- values and errors --------------------------------------------------------------------------------------

    def to_lua(self, value: object) -> Any:
        """Python to Lua; a tuple is several values."""
        if isinstance(value, tuple):
            return tuple(self.machine.converter.to_lua(item) for item in value)
        return self.machine.converter.to_lua(value)

    def to_plain(self, value: object) -> Any:
        """Lua to JSON-like Python."""
        return self.machine.converter.to_plain(value)

    def policy_error(self, code: str, message: str, file: str | None, line: int | None) -> PolicyError:
        """A fault of the policy, remembered in :attr:`raised`."""
        error = PolicyError(code, message, self.node.relative(file), line)
        self.raised.append(error)
        return error

    def located(self, problem: LuaProblem, what: str = "", fallback: Place = NOWHERE) -> PolicyError:
        """The problem as an error at the Lua line that is running; ``fallback`` where none is to be seen."""
        parts = [part for part in (what, problem.path, problem.message) if part]
        place = self.machine.place()
        return self.policy_error(problem.code, ": ".join(parts), *(fallback if place.file is None else place))

    def log(self, level: str, values: Sequence[object]) -> None:
        """A line in the node's log."""
        self.node.log(level, "\t".join(self._shown(value) for value in values))

    def _shown(self, value: object) -> str:
        try:
            plain = self.to_plain(value)
        except LuaProblem:
            return type_name(value)
        return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()

    # -- events -------------------------------------------------------------------------------------------------

    @property
    def current_event(self) -> str | None:
        """The running event; None at top level and between events."""
        return self._events[-1] if self._events else None

    def check_event(self, function: Function) -> None:
        """Refuse a call outside of the events in which it belongs."""
        if function.process not in ("kumod", self.node.process):
            raise LuaProblem("wrong_process", f"belongs into {function.process}, not into {self.node.process}")
        if function.only_in and self.current_event not in function.only_in:
            where = f"event {self.current_event}" if self._events else "the top level"
            raise LuaProblem("wrong_event", f"belongs into {' or '.join(function.only_in)}, not into {where}")

    def has_handler(self, event: str) -> bool:
        """Whether the policy registered something for the event."""
        return event in self.handlers

    def fire(self, event: str, *args: object) -> object:
        """Fire an event with Python values and give its first result as a Lua or plain value.

        Returns:
            The value, None when nobody answered, or :class:`Rejected` when the policy called ``kumo.reject``.

        Raises:
            PolicyError: a handler failed.
        """
        try:
            answer = self.dispatch(event, *args)
        except Rejected as rejected:
            return rejected
        return answer[0] if answer else None

    def dispatch(self, event: str, *args: object) -> tuple[object, ...] | None:
        """All values of the handler that answered; None when there is no handler or each passed on.

        Handlers of an event that allows many run in order of registration until one returns at least one value; an
        explicit nil is a value. The only handler of any other event always answers, if only with nil.
        """
        handlers = self.handlers.get(event, ())
        arguments = [self.to_lua(arg) for arg in args]
        with self._running(event):
            for handler in handlers:
                if self.trace is not None:
                    self.trace.begin(event, handler.place)
                values = self._guarded(handler.function, *arguments)
                if values:
                    return values
        return (None,) if handlers and not self.definition(event).may_register_many else None

    def watch(self) -> Trace:
        """Note from now on what runs. Each line costs a call into Python: for single messages, not for load."""
        self.trace = Trace(self.node)
        self.machine.watch(self.trace.reached)
        return self.trace

    def definition(self, event: str) -> Event:
        """The catalogue's entry; for events that policies name themselves, one with a single handler."""
        return catalogue().events.get(event) or Event(name=event, naming="user")

    @contextmanager
    def _running(self, event: str) -> Iterator[None]:
        self.uses += 1
        self._events.append(event)
        self.machine.set_global("_KUMO_CURRENT_EVENT", event)
        try:
            yield
        finally:
            self._events.pop()

    def call(self, event: str, function: Any, *args: object) -> tuple[object, ...]:
        """Call a function of the policy as part of an event."""
        with self._running(event):
            return self._guarded(function, *args)

    def register(self, event: str, function: object) -> None:
        """Add a handler; a second one for an event that takes only one is refused, as in KumoMTA."""
        handlers = self.handlers.setdefault(event, [])
        if handlers and not self.definition(event).may_register_many:
            file, line = handlers[0].place
            place = f"{self.node.relative(file)}:{line}"
            raise LuaProblem("duplicate_handler", f"{event} already has a handler, defined at {place}")
        handlers.append(Handler(function, self.machine.place()))

    def handler_error(self, code: str, event: str, message: str) -> PolicyError:
        """A fault in what the last registered handler of ``event`` gave back."""
        handlers = self.handlers.get(event, [])
        place = handlers[-1].place if handlers else NOWHERE
        return self.policy_error(code, f"{event}: {message}", *place)
