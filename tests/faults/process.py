"""The life of a process, simulated: parts and an event loop of its own over a database that outlives it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from postmta_ctl.crash_points import CrashPoint
from postmta_ctl.system import System

T = TypeVar("T")
PATIENCE_SECONDS = 5
"""For connections that are given back."""


class Died(BaseException):
    """The process ends here: nothing of ours catches this, and what is not committed is undone."""


def _complain(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """That a death is nobody's result is expected."""
    if not isinstance(context.get("exception"), Died):
        loop.default_exception_handler(context)


class Process:
    """Does work until it dies; what it held in memory is gone then.

    Args:
        compose: Makes the parts, told whom to call at crash points.
    """

    def __init__(self, compose: Callable[[Callable[[CrashPoint], None]], System]) -> None:
        self._compose = compose
        self.crash_at: CrashPoint | None = None
        self._begin()

    def _begin(self) -> None:
        self._is_dead = False
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_complain)
        self._death: asyncio.Future[None] = self._loop.create_future()
        self._system = self._compose(self._reach)

    def _reach(self, point: CrashPoint) -> None:
        if point == self.crash_at:
            self.crash_at, self._is_dead = None, True
            self._loop.call_soon_threadsafe(self._death.set_result, None)
            raise Died

    def do(self, work: Callable[[System], Coroutine[Any, Any, T]]) -> T | None:
        """What the work returns; nothing if the process died of it, and then a new one has begun."""
        task = self._loop.create_task(work(self._system))
        self._loop.run_until_complete(asyncio.wait({task, self._death}, return_when=asyncio.FIRST_COMPLETED))
        if not self._is_dead:
            return task.result()
        if task.done():
            assert isinstance(task.exception(), Died)
        self.end()
        self._begin()
        return None

    def end(self) -> None:
        """Leave nothing of it."""
        self._loop.run_until_complete(self._cancelled())
        self._loop.close()

    async def _cancelled(self) -> None:
        if tasks := self._others():
            for task in tasks:
                if not _gives_back_a_connection(task):
                    task.cancel()
            await asyncio.wait(tasks, timeout=PATIENCE_SECONDS)
        rest = self._others()
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await self._system.db.close()

    def _others(self) -> set[asyncio.Task[Any]]:
        return asyncio.all_tasks(self._loop) - {asyncio.current_task(self._loop)}  # type: ignore[arg-type]


def _gives_back_a_connection(task: asyncio.Task[Any]) -> bool:
    """Whether it is SQLAlchemy's own task, which it shields from being cancelled.

    Cancelled by itself it would leave a connection to the garbage collector, whose warning fails a later test.
    """
    return getattr(task.get_coro(), "__qualname__", "") == "AsyncConnection.close"
