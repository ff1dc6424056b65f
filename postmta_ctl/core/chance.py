"""Chance for ids, drawn for many of them at a time.

Asking the system lets go of the interpreter's lock. A thread that does so for each of many ids gives others the lock
as often, and waits for it each time.
"""

from __future__ import annotations

import os
from threading import Lock

_OCTETS = 4096
"""Drawn at a time."""


class Chance:
    """Random digits, each given out once. They lie in memory before: what must not be guessed is for ``secrets``."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._drawn = ""
        self._used = 0
        # Two processes must not give out the same, and whoever held the lock is not in the new one.
        os.register_at_fork(after_in_child=self._forget)

    def digits(self, number: int) -> str:
        """So many hexadecimal digits, lower case."""
        with self._lock:
            if number > len(self._drawn) - self._used:
                self._drawn, self._used = os.urandom(max(_OCTETS, number)).hex(), 0
            start = self._used
            self._used += number
            return self._drawn[start : self._used]

    def _forget(self) -> None:
        self._lock, self._drawn, self._used = Lock(), "", 0


chance = Chance()
"""Of this process."""
