"""Background jobs: they run side by side, survive their failures, and stop in good order."""

from __future__ import annotations

import asyncio
from typing import Any

from postmta_ctl.workers.runner import running
from postmta_ctl.workers.schedule import Job


class Counting:
    """A job that counts its runs, and does what it is told at each."""

    def __init__(self, *results: Any) -> None:
        self.runs = 0
        self.finished = 0
        self._results = list(results)

    async def __call__(self, system: Any) -> bool | None:
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


async def test_a_job_runs_at_once_and_again_while_more_is_waiting(system: Any) -> None:
    run = Counting(True, True, False)
    async with running(system, [job(run)]):
        await asyncio.sleep(0.05)
    assert run.runs == 3


async def test_a_job_that_fails_is_tried_again(system: Any) -> None:
    run = Counting(RuntimeError("x"), RuntimeError("y"))
    async with running(system, [job(run, every=0.01)]):
        await asyncio.sleep(0.2)
    assert run.finished >= 1


async def test_a_slow_job_keeps_no_other_back(system: Any) -> None:
    slow, fast = Counting(0.2), Counting()
    async with running(system, [job(slow), job(fast, every=0.01)]):
        await asyncio.sleep(0.1)
        assert fast.runs > 3
        assert slow.finished == 0


async def test_a_stop_waits_for_the_run_under_way(system: Any) -> None:
    run = Counting(0.2)
    async with running(system, [job(run)]):
        await asyncio.sleep(0.01)
    assert (run.runs, run.finished) == (1, 1)
