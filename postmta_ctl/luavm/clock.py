"""Time as the node under test sees it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the VM asks for the time. ``sleep`` is called where a policy would block."""

    def now(self) -> datetime:
        """The present moment, aware and in UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let that much time go by."""
        ...


class SystemClock:
    """Real time."""

    def now(self) -> datetime:
        """The present moment in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Block the calling thread."""
        time.sleep(seconds)


class ManualClock:
    """A clock that stands still until it is moved; sleeping moves it, so a simulated day costs nothing."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        """The moment the clock was last moved to."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Move on instead of waiting."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self._now += timedelta(seconds=seconds)
