"""Values that are good for a while: what a process need not ask the database for each time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_MOST = 10_000


class Recent(Generic[T]):
    """Holds one value for ``seconds``, by a clock that nobody sets."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._value: T | None = None
        self._good_until = 0.0

    def get(self) -> T | None:
        """The value; None when there is none, or it is too old."""
        return self._value if time.monotonic() < self._good_until else None

    def set(self, value: T) -> None:
        """Hold this one from now on."""
        self._value, self._good_until = value, time.monotonic() + self._seconds

    def clear(self) -> None:
        """Hold none."""
        self._value, self._good_until = None, 0.0


class RecentByKey(Generic[T]):
    """Holds values for ``seconds`` at most, and only while the version that they were found at is the newest."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._version = -1
        self._values: dict[Hashable, tuple[float, T]] = {}

    def get(self, key: Hashable, version: int) -> T | None:
        """The value; None when there is none, or it is too old."""
        until, value = self._values.get(key, (0.0, None))
        return value if version == self._version and time.monotonic() < until else None

    def set(self, key: Hashable, value: T, version: int) -> None:
        """Hold this one, which was looked for at that version or later."""
        if version != self._version or len(self._values) >= _MOST:
            self._values.clear()
            self._version = version
        self._values[key] = (time.monotonic() + self._seconds, value)


class Shared(Generic[T]):
    """Finds something out once for all who ask for it at the same time."""

    def __init__(self) -> None:
        self._asked: dict[Hashable, asyncio.Task[T]] = {}

    async def find(self, key: Hashable, find: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What is found, or raise what is raised; whoever stops waiting takes nothing away from the others."""
        if (asked := self._asked.get(key)) is None:
            asked = self._asked[key] = asyncio.create_task(find())
            asked.add_done_callback(lambda _: self._asked.pop(key))
        return await asyncio.shield(asked)
