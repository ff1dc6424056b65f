"""Runs the jobs of :mod:`postmta_ctl.workers.schedule`, each in a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import structlog

from postmta_ctl.errors import Busy
from postmta_ctl.system import System
from postmta_ctl.workers.schedule import Job

log = structlog.get_logger(__name__)

GRACE_SECONDS = 20.0
"""How long a stop waits for runs that are under way; what they hold is leased and found again after a kill."""


@asynccontextmanager
async def running(system: System, jobs: Sequence[Job]) -> AsyncIterator[None]:
    """Run the jobs while the block lasts; leaving it lets each finish the run it is in."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(_loop(system, job, stop), name=job.name) for job in jobs]
    try:
        yield
    finally:
        stop.set()
        await _finish(tasks)


async def _finish(tasks: list[asyncio.Task[None]]) -> None:
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=GRACE_SECONDS)
    for task in late:
        log.warning("job cut off by the stop", job=task.get_name())
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)


async def _loop(system: System, job: Job, stop: asyncio.Event) -> None:
    while not stop.is_set():
        more = False
        try:
            more = bool(await job.run(system))
        except Busy:
            # Another process, or a request, is at it.
            log.debug("job left to whoever is at it", job=job.name)
        except Exception:
            # A job that fails is tried again at its next turn: nothing else may stop because of it.
            log.exception("job failed", job=job.name)
        if not more:
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), job.every)
