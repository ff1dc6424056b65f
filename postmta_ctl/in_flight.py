"""Work that outlives the run of the job that began it: a job starts it now and collects its results in a later run."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Hashable
from typing import Any, Generic, TypeVar

import structlog

T = TypeVar("T")
log = structlog.get_logger(__name__)


class InFlight(Generic[T]):
    """Tasks, each under a key that tells what it works for."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[T], Hashable] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, key: Hashable, work: Coroutine[Any, Any, T]) -> None:
        """Begin a piece of work."""
        self._tasks[asyncio.create_task(work)] = key

    def load(self) -> Counter[Any]:
        """How many there are under each key."""
        return Counter(self._tasks.values())

    async def finished(self, wait: float) -> list[T]:
        """Results that nobody has collected yet; waits up to ``wait`` seconds for the first one."""
        if not self._tasks:
            return []
        done, _ = await asyncio.wait(self._tasks, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
        return self._collected(done)

    async def drain(self, wait: float) -> list[T]:
        """The results of all that ends within ``wait`` seconds; the rest is cut off."""
        if not self._tasks:
            return []
        done, late = await asyncio.wait(self._tasks, timeout=wait)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        found = self._collected(done)
        self._tasks.clear()
        return found

    def _collected(self, done: set[asyncio.Task[T]]) -> list[T]:
        found = []
        for task in done:
            del self._tasks[task]
            if error := task.exception():
                log.error("work in flight failed", exc_info=error)
            else:
                found.append(task.result())
        return found
