"""Background jobs: they run side by side, survive their failures, and stop in good order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from postmta_ctl.workers.runner import running
from postmta_ctl.workers.schedule import Job

NO_SYSTEM: Any = None
"""These jobs ask nothing of it."""


class Counting:
    """A job that counts its runs, and does what it is told at each."""

    def __init__(self, *results: Any) -> None:
        self.runs = 0
        self.finished = 0
        self._results = list(results)

    async def __call__(self, _system: Any) -> bool | None:
        self.runs += 1
        result = self._results.pop(0) if self._results else None
        if isinstance(result, Exception):
            raise result
        if isinstance(result, float):
            await asyncio.sleep(result)
            result = None
        self.finished += 1
        return result


def job(run: Counting, every: float = 100.0) -> Job:
    return Job(name="job", every=every, run=run)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what must come, however busy the machine is."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_job_runs_at_once_and_again_while_more_is_waiting() -> None:
    run = Counting(True, True, False)
    async with running(NO_SYSTEM, [job(run)]):
        await until(lambda: run.runs == 3)
        await asyncio.sleep(0.05)
    assert run.runs == 3


async def test_a_job_that_fails_is_tried_again() -> None:
    run = Counting(RuntimeError("x"), RuntimeError("y"))
    async with running(NO_SYSTEM, [job(run, every=0.01)]):
        await until(lambda: run.finished >= 1)
    assert run.runs >= 3


async def test_a_slow_job_keeps_no_other_back() -> None:
    slow, fast = Counting(1.0), Counting()
    async with running(NO_SYSTEM, [job(slow), job(fast, every=0.01)]):
        await until(lambda: fast.runs > 3)
        assert slow.finished == 0


async def test_a_stop_waits_for_the_run_under_way() -> None:
    run = Counting(0.2)
    async with running(NO_SYSTEM, [job(run)]):
        await until(lambda: run.runs == 1)
    assert (run.runs, run.finished) == (1, 1)
