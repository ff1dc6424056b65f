"""Control planes by fork: importing the product is what a start costs, and here it is paid once.

``python -m tests.faults.forks`` imports everything, and forks a process whenever a line of JSON tells it to. What it
forks is the control plane as ``postmta serve`` runs it: the same application and jobs, Granian's HTTP server, the
database on disk. Only some seams are composed by the line: where it dies, its clock, and its patience with nodes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server
from litestar import Litestar

from postmta_ctl.app import create_app
from postmta_ctl.assembly import create_system
from postmta_ctl.clients.dns import SystemResolver, parse_resolver
from postmta_ctl.clients.kumod import KumodClient
from postmta_ctl.crash_points import CrashPoint
from postmta_ctl.logging import configure_logging
from postmta_ctl.settings import Settings, load
from postmta_ctl.system import utc_now


class Order(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How the next control plane is to be."""

    log: str
    """File that its output is added to."""
    crash_at: CrashPoint | None = None
    passes: int = 0
    """How often it passes that point before it dies there."""
    clock: str | None = None
    """File with the seconds that its clock is ahead of the machine's, read whenever it looks at it."""
    node_timeout: float = 60.0
    """Seconds that it waits for a node's answer."""
    dns: str | None = None
    """Address of a DNS server to ask instead of pretending."""


def main() -> None:
    settings = load()
    # Its parts are made in the process that uses them.
    application = create_app(settings, system=object())  # type: ignore[arg-type]
    # Nobody writes to this pipe: it closes when this process ends, and that is what its children wait for.
    alive, own_end = os.pipe()
    print("ready", flush=True)
    for line in sys.stdin:
        order = msgspec.json.decode(line, type=Order)
        pid = os.fork()
        if pid == 0:
            os.close(own_end)
            Thread(target=_end_after, args=(alive,), daemon=True).start()
            with suppress(BaseException):
                _serve(settings, application, order)
            os._exit(os.EX_SOFTWARE)
        _bury_the_dead()
        print(pid, flush=True)


def _end_after(pipe: int) -> None:
    os.read(pipe, 1)
    os._exit(os.EX_UNAVAILABLE)


def _bury_the_dead() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _serve(settings: Settings, application: Litestar, order: Order) -> None:
    output = os.open(order.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    configure_logging(settings)
    system = create_system(settings)
    application.state.system = replace(
        system,
        resolver=SystemResolver(*parse_resolver(order.dns)) if order.dns else system.resolver,
        reach=_fatal(order),
        now=_clock(order.clock),
        kumod=KumodClient(timeout=order.node_timeout),
    )
    uvloop.run(_until_told(settings, application))


async def _until_told(settings: Settings, application: Any) -> None:
    server = Server(
        application,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        websockets=False,
        log_enabled=False,
        backlog=1024,
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
    await server.serve()


def _fatal(order: Order) -> Callable[[CrashPoint], None]:
    """What kills the process when it has come to the point often enough."""
    seen: Counter[CrashPoint] = Counter()

    def reach(point: CrashPoint) -> None:
        seen[point] += 1
        if point == order.crash_at and seen[point] > order.passes:
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)  # In a thread, the signal may take a moment to end the others.

    return reach


def _clock(file: str | None) -> Callable[[], datetime]:
    if file is None:
        return utc_now
    path = Path(file)
    return lambda: utc_now() + timedelta(seconds=float(path.read_text(encoding="ascii")))


if __name__ == "__main__":
    main()
