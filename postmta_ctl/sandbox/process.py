"""One sandbox node as a process: bind, say so, serve until told to stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import sys
from contextlib import suppress
from typing import Any

from aiohttp import web

from postmta_ctl.luavm import PolicyError
from postmta_ctl.sandbox.app import application
from postmta_ctl.sandbox.node import VERSION
from postmta_ctl.sandbox.options import Options
from postmta_ctl.sandbox.service import NoListener, Service
from postmta_ctl.sandbox.spool import SpoolError

_REQUESTS_END_WITHIN = 3.0


def run(options: Options) -> int:
    """Run a node until it is told to stop.

    Returns:
        The exit status: 0, or of ``sysexits.h`` CONFIG for a policy that does not start, UNAVAILABLE for an address
        that is taken, CANTCREAT for a spool that cannot be opened.
    """
    # The node's thread is nearly always busy; at the default of 5 ms it would keep the event loop waiting for the
    # interpreter several times a request.
    sys.setswitchinterval(0.0005)
    try:
        return asyncio.run(_serve(options))
    except (PolicyError, NoListener) as error:
        return _fail(os.EX_CONFIG, f"the policy in {options.policy_dir} does not start: {error}")
    except SpoolError as error:
        return _fail(os.EX_CANTCREAT, str(error))
    except OSError as error:
        return _fail(os.EX_UNAVAILABLE, f"cannot listen on {options.host}:{options.port}: {error.strerror}")


def _fail(status: int, text: str) -> int:
    print(f"sandbox: {text}", file=sys.stderr)
    return status


async def _serve(options: Options) -> int:
    if not (options.policy_dir / "init.lua").exists():
        raise PolicyError("no_policy", "there is no init.lua; publish a policy first")
    service = Service(options)
    runner = web.AppRunner(
        application(service), access_log=None, handler_cancellation=True, shutdown_timeout=_REQUESTS_END_WITHIN
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, options.host, options.port, backlog=1024).start()
        await service.start()
        host, port = runner.addresses[0][:2]
        _say("sandbox node listening", url=f"http://{host}:{port}", node_id=service.node.id, version=VERSION)
        await _told_to_stop(service.failed)
        service.is_stopping = True
    finally:
        await runner.cleanup()
        await service.stop()
    return 0


def _say(event: str, **fields: object) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


async def _told_to_stop(failed: asyncio.Event) -> None:
    """Return at SIGTERM, SIGINT, when the pipe on standard input closes, or when the node has failed."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    waiting: list[asyncio.Task[Any]] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    waiting += [asyncio.create_task(stop.wait()), asyncio.create_task(failed.wait())]
    if _has_parent():
        waiting.append(asyncio.create_task(_parent_gone()))
    _, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _has_parent() -> bool:
    """Whether standard input is a pipe that somebody holds; a terminal or /dev/null says nothing."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


async def _parent_gone() -> None:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    try:
        while await reader.read(4096):
            pass
    finally:
        transport.close()
