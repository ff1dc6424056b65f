"""A value that is good for a while: what a process need not ask the database for each time."""

from __future__ import annotations

import time
from typing import Generic, TypeVar

T = TypeVar("T")


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
