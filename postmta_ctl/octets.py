"""How many octets may be in memory at a time for one purpose, whoever wants them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Octets:
    """A number of octets that is lent out and comes back.

    What is larger than all of them is lent when nothing else is: it could never be otherwise.

    Args:
        limit: How many there are; at least 1.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._lent = limit, 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def take(self, count: int) -> bool:
        """Take so many now, if there are; who does gives them back."""
        if self._waiting or not self._fits(count):
            return False
        self._lent += count
        return True

    def give_back(self, count: int) -> None:
        """Give back what was taken."""
        self._lent -= count
        while self._waiting and self._fits(self._waiting[0][0]):
            wanted, waiter = self._waiting.popleft()
            if not waiter.done():
                self._lent += wanted
                waiter.set_result(None)

    @asynccontextmanager
    async def lent(self, count: int) -> AsyncIterator[None]:
        """Have so many while the block lasts; waits for them, first come, first served."""
        if not self.take(count):
            await self._wait(count)
        try:
            yield
        finally:
            self.give_back(count)

    async def _wait(self, count: int) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append((count, waiter))
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.give_back(count)
            raise

    def _fits(self, count: int) -> bool:
        return self._lent == 0 or self._lent + count <= self._limit
