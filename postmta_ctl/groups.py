"""Doing together what arrives together.

While one group is being worked on the next one gathers, so nobody waits for a timer: a request that is alone is done
at once, and the busier it gets, the larger the groups become. A group is half of those who are about, so that while it
is worked on the others get their answers and come with what is next, and neither waits for the other.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Groups(Generic[Item, Result]):
    """Gathers items and hands them to one piece of work at a time.

    Args:
        limit: The most items of a group.
        at_once: Groups that are worked on at a time, where one can make use of what the others wait for.
    """

    def __init__(self, limit: int, at_once: int = 1) -> None:
        self._limit, self._at_once = limit, at_once
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._worked_on = 0

    def __len__(self) -> int:
        """How many items wait for their group to begin."""
        return len(self._waiting)

    async def do(self, item: Item, work: Callable[[list[Item]], Awaitable[Sequence[Result | Exception]]]) -> Result:
        """Have the item done with those that wait beside it, and return or raise what came of it.

        Whoever stops waiting takes nothing away from the others: the item is done all the same.

        Args:
            item: What is to be done.
            work: Does a group; a result or an exception for each item. What it raises is everybody's.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._workers = {one for one in self._workers if not one.done()}
        if len(self._workers) < self._at_once:
            # A context of its own: what it logs is not about the request that happened to be first.
            self._workers.add(asyncio.create_task(self._work_off(work), context=contextvars.Context()))
        return await future

    async def drain(self) -> None:
        """Wait until nothing is waiting."""
        if busy := [one for one in self._workers if not one.done()]:
            await asyncio.wait(busy)

    async def _work_off(self, work: Callable[[list[Item]], Awaitable[Sequence[Result | Exception]]]) -> None:
        size = self._share(len(self._waiting))
        while self._waiting:
            size = min(self._limit, len(self._waiting), size)
            group = [self._waiting.popleft() for _ in range(size)]
            self._worked_on += 1
            try:
                results = await work([item for item, _ in group])
            except Exception as error:
                results = [error] * len(group)
            finally:
                self._worked_on -= 1
            for (_, future), result in zip(group, results, strict=True):
                _settle(future, result)
            # Those of this group are about to come again.
            size = self._share((len(self._waiting) + size + 1) // 2)

    def _share(self, number: int) -> int:
        """What is one group's of so many items, which are shared with the groups that may begin beside it."""
        return -(-number // (self._at_once - self._worked_on))


def _settle(future: asyncio.Future[Result], result: Result | Exception) -> None:
    if future.done():
        return  # who asked has gone
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
