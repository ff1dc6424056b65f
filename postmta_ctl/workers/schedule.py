"""The one list of what runs in the background, and how often."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from postmta_ctl.system import System


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Something done again and again. Each run is one transaction, or several that may each stand alone."""

    name: str
    every: float
    """Seconds between the end of a run and the next."""
    run: Callable[[System], Awaitable[bool | None]]
    """True means that more is waiting: the next run follows at once."""


JOBS: tuple[Job, ...] = ()
