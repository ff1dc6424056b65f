"""Keeping the process of the embedded node running.

The process ends by itself when the pipe to its standard input closes, so it does not outlive a control plane that
was killed.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from postmta_ctl.compiler.node_files import current_release
from postmta_ctl.features.nodes import queries, watch
from postmta_ctl.features.nodes.queries import NodeRow
from postmta_ctl.system import System

log = structlog.get_logger(__name__)

GRACE_SECONDS = 10.0
"""How long a stop waits for the process before killing it."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_STABLE_SECONDS = 60.0
"""A process that ran this long did not fail at its start: the next pause is short again."""
_LOOK_SECONDS = 0.1
_LOOKS = 150


async def supervise(system: System, node_id: str, stop: asyncio.Event) -> None:
    """Keep the process running until told to stop; one that dies comes back, later each time."""
    loop = asyncio.get_running_loop()
    pause = _FIRST_PAUSE
    while not stop.is_set():
        started = loop.time()
        try:
            has_run = await _turn(system, node_id, stop)
        except Exception:
            # No trouble of one turn may leave the node down for good.
            log.exception("the embedded node could not be started")
            has_run = True
        if loop.time() - started > _STABLE_SECONDS:
            pause = _FIRST_PAUSE
        elif has_run:
            pause = min(pause * 2, _LONGEST_PAUSE)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)


async def _turn(system: System, node_id: str, stop: asyncio.Event) -> bool:
    """Run the process if there is a node with a policy for it to run; false if there is not."""
    row = await _row(system, node_id)
    if row is None or current_release(Path(row.policy_dir)) is None:
        return False
    await _run(system, row, stop)
    return True


async def _row(system: System, node_id: str) -> NodeRow | None:
    async with system.db.reading() as connection:
        return await queries.by_id(connection, node_id)


async def _run(system: System, row: NodeRow, stop: asyncio.Event) -> None:
    """Run the process once, until it ends or is told to."""
    words = command(row, system.settings.sandbox_time_scale)
    process = await asyncio.create_subprocess_exec(*words, stdin=asyncio.subprocess.PIPE, start_new_session=True)
    log.info("embedded node started", pid=process.pid, admin_url=row.admin_url)
    ended, stopped = asyncio.create_task(process.wait()), asyncio.create_task(stop.wait())
    looking = asyncio.create_task(_look_until_up(system, row))
    try:
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (stopped, looking):
            task.cancel()
        await asyncio.gather(stopped, looking, return_exceptions=True)
        await _end(process)
    if not stop.is_set():
        log.warning("embedded node ended by itself", status=process.returncode)


def command(row: NodeRow, time_scale: float) -> list[str]:
    """The command line of the sandbox."""
    options = {"--policy-dir": row.policy_dir, "--listen": urlsplit(row.admin_url).netloc}
    options |= {"--time-scale": str(time_scale)}
    return [sys.executable, "-m", "postmta_ctl.sandbox", *(word for option in options.items() for word in option)]


async def _look_until_up(system: System, row: NodeRow) -> None:
    """Mail can be injected once the node has said what it runs: do not leave that to the next turn of the watch."""
    started = system.now()
    for _ in range(_LOOKS):
        await asyncio.sleep(_LOOK_SECONDS)
        await watch.look_at(system, row)
        seen = await _row(system, row.id)
        if seen is None or (seen.last_seen_at is not None and seen.last_seen_at >= started):
            system.node_addresses.clear()
            return
        row = seen


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), GRACE_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
