"""The process around the node: an event loop for HTTP and timers, one thread for the node, some for log hooks."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar, TypeVarTuple

from postmta_ctl.luavm import Clock
from postmta_ctl.sandbox.admin import Admin
from postmta_ctl.sandbox.auth import Gate
from postmta_ctl.sandbox.dispatcher import Dispatcher
from postmta_ctl.sandbox.durations import SECOND
from postmta_ctl.sandbox.hooks import HookConnection, HookQueue, Hooks
from postmta_ctl.sandbox.inspection import Inspector
from postmta_ctl.sandbox.node import Node
from postmta_ctl.sandbox.options import Options
from postmta_ctl.sandbox.reports import Reports

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

MAX_CONNECTIONS = 2
"""Threads for one log hook, whatever its path allows."""
_LONGEST_SLEEP = 10.0
_LOOK_SECONDS, _DRAIN_LOOKS = 0.02, 150
"""A stop goes on with what is due for three seconds."""


class NoListener(Exception):
    """The policy starts no HTTP listener, so there is nothing to serve."""


class Service:
    """A node with its threads. :meth:`start` it, then serve :mod:`postmta_ctl.sandbox.app` in front of it."""

    def __init__(self, options: Options, clock: Clock | None = None) -> None:
        self.node = Node(options, clock)
        listeners = [each for each in self.node.runtime.listeners if each.kind == "http"]
        if not listeners:
            self.node.close()
            raise NoListener("the policy starts no HTTP listener")
        self.listener = listeners[0]
        self.gate = Gate(self.listener, self.node)
        self.hooks = Hooks(self.node, self._hook_has_work)
        self.dispatcher = Dispatcher(self.node, self.hooks, Reports(self.node))
        self.admin = Admin(self.node, self.dispatcher)
        self.inspector = Inspector(self.node, self.hooks)
        self.is_stopping = False
        self.failed = asyncio.Event()
        """Set when the node can no longer work."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="node")
        self._wakeup = asyncio.Event()
        self._events: dict[str, asyncio.Event] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        """Queue what the spool holds, and begin to deliver."""
        self._loop = asyncio.get_running_loop()
        await self.call(self._load)
        self._run(self._dispatch())

    def _load(self) -> None:
        for mail in self.node.spool.messages():
            self.node.enqueue(mail)

    async def call(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Do something in the node's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        """Have something done until the stop; if it ends before, by an error, that ends the process."""
        task = asyncio.create_task(work)
        task.add_done_callback(lambda _: self.failed.set())
        self._tasks.append(task)

    def wake(self) -> None:
        """There may be something to deliver."""
        self._wakeup.set()

    async def _dispatch(self) -> None:
        while True:
            self._wakeup.clear()
            due = await self.call(self.dispatcher.run)
            for line in self.node.take_log():
                print(f"sandbox: {line.level}: {line.text}", file=sys.stderr, flush=True)
            pause = _LONGEST_SLEEP if due is None else min((due - self.node.now()) / SECOND, _LONGEST_SLEEP)
            if pause > 0:
                await _happens(self._wakeup, pause)

    # -- log hooks ----------------------------------------------------------------------------------------------

    def _hook_has_work(self, hook: HookQueue) -> None:
        """Called in the node's thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._wake_hook, hook)

    def _wake_hook(self, hook: HookQueue) -> None:
        if hook.name not in self._events:
            self._events[hook.name] = asyncio.Event()
            for _ in range(min(hook.connection_limit, MAX_CONNECTIONS)):
                self._run(self._serve_hook(hook))
        self._events[hook.name].set()

    async def _serve_hook(self, hook: HookQueue) -> None:
        """One connection of a hook, for ever: closed when idle, so that the next one runs the policy of its day."""
        connection = HookConnection(hook, self.node)
        event = self._events[hook.name]
        while True:
            batch = await self.call(self.hooks.take, hook)
            if batch:
                outcome = await self._in_hook_thread(connection.deliver, batch)
                await self.call(self.hooks.settle, hook, batch, outcome, connection.session, self.dispatcher)
                self.wake()
                continue
            event.clear()
            if not hook.waiting and not await _happens(event, hook.idle_timeout):
                await self._in_hook_thread(connection.close)
                await event.wait()

    @staticmethod
    async def _in_hook_thread(function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Do something that may take long, in a thread that does not keep the process from ending."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def work() -> None:
            try:
                result = function(*args)
            except BaseException as error:
                tell(done.set_exception, error)
            else:
                tell(done.set_result, result)

        def tell(setter: Callable[[Any], None], value: object) -> None:
            with suppress(RuntimeError):  # the loop has ended, nobody waits
                loop.call_soon_threadsafe(lambda: None if done.cancelled() else setter(value))

        threading.Thread(target=work, name="hook", daemon=True).start()
        return await done

    # -- the end ------------------------------------------------------------------------------------------------

    def _is_idle(self) -> bool:
        """Whether nothing is due and no hook has anything left to do."""
        due = self.node.queues.next_due()
        return not any(hook.waiting or hook.busy for hook in self.hooks) and (due is None or due > self.node.now())

    async def stop(self) -> None:
        """Deliver what is due, for a moment; the rest stays in the spool.

        Raises:
            Exception: what the node failed with, if that is why it stops.
        """
        self.is_stopping = True
        for _ in range(_DRAIN_LOOKS):
            if self.failed.is_set() or await self.call(self._is_idle):
                break
            await asyncio.sleep(_LOOK_SECONDS)
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.call(self.node.close)
        self._thread.shutdown(wait=True)
        for result in ended:
            if isinstance(result, Exception):
                raise result


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, but no longer than that."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
