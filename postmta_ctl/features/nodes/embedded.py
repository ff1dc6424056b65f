"""The embedded node: a sandbox in a process of its own, started with the API and stopped with it.

To everything else it is a node like any other. It ends by itself when the pipe to its standard input closes, so it
does not outlive a control plane that was killed.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from postmta_ctl.compiler.node_files import current_release
from postmta_ctl.errors import PostMTAError
from postmta_ctl.features.nodes import queries, service, watch
from postmta_ctl.features.nodes.queries import NodeRow
from postmta_ctl.features.nodes.schemas import NodeCreate
from postmta_ctl.features.nodes.service import SANDBOX
from postmta_ctl.features.policy.jobs import AUTHOR
from postmta_ctl.features.policy.publish import catch_up, publish
from postmta_ctl.system import System

log = structlog.get_logger(__name__)

GRACE_SECONDS = 10.0
"""How long a stop waits for the process before killing it."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_STABLE_SECONDS = 60.0
"""A process that ran this long did not fail at its start: the next pause is short again."""
_LOOK_SECONDS = 0.1
_LOOKS = 150


@asynccontextmanager
async def running(system: System) -> AsyncIterator[None]:
    """Have the embedded node, with a policy, while the block lasts."""
    node_id = await _ensure(system)
    try:
        await _ensure_policy(system)
    except PostMTAError as error:
        # The API must come up all the same: it is how the configuration at fault is mended.
        log.error("the embedded node has no policy", detail=error.detail)
    stop = asyncio.Event()
    supervisor = asyncio.create_task(_supervise(system, node_id, stop))
    try:
        yield
    finally:
        stop.set()
        await supervisor


async def _ensure(system: System) -> str:
    """Id of the embedded node, whose row is made on first use and kept in step with its surroundings."""
    folder = (system.settings.data_dir / SANDBOX).absolute()
    async with system.db.reading() as connection:
        row = await queries.by_name(connection, SANDBOX)
    if row is None:
        data = NodeCreate(name=SANDBOX, admin_url=_free_url(), policy_dir=str(folder))
        return (await service.add(system, data, kind=SANDBOX)).node.id
    changes: dict[str, object] = {"policy_dir": str(folder)}
    if not _is_free(row.admin_url):
        changes["admin_url"] = _free_url()
    if current_release(folder) is None:
        # A folder that was moved or cleared: its files are written again.
        changes["published_release"] = None
    async with system.db.transaction() as connection:
        await queries.change(connection, row.id, **changes)
    return row.id


async def _ensure_policy(system: System) -> None:
    """Write a policy into its folder: the newest release, or the first there ever was."""
    never = system.now() + timedelta(days=1)
    await catch_up(system, seen_after=never)
    if current_release(system.settings.data_dir / SANDBOX) is None:
        await publish(system, author=AUTHOR, reason="first release, for the embedded node")


def _free_url() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def _is_free(url: str) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", urlsplit(url).port or 0))
        except OSError:
            return False
    return True


async def _supervise(system: System, node_id: str, stop: asyncio.Event) -> None:
    """Keep the process running until told to stop; one that dies comes back, later each time."""
    loop = asyncio.get_running_loop()
    pause = _FIRST_PAUSE
    while not stop.is_set():
        row = await _row(system, node_id)
        if current_release(Path(row.policy_dir)) is not None:
            started = loop.time()
            await _run(system, row, stop)
            pause = _FIRST_PAUSE if loop.time() - started > _STABLE_SECONDS else min(pause * 2, _LONGEST_PAUSE)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)


async def _row(system: System, node_id: str) -> NodeRow:
    async with system.db.reading() as connection:
        row = await queries.by_id(connection, node_id)
    if row is None:
        raise LookupError("the embedded node was removed from the database")
    return row


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
        row = await _row(system, row.id)
        await watch.look_at(system, row)
        seen = (await _row(system, row.id)).last_seen_at
        if seen is not None and seen >= started:
            system.node_addresses.clear()
            return


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), GRACE_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
