"""Load by HTTP/1.1 keep-alive connections, as cheap as it can be: a process of its own that only moves bytes.

Reads what to do as JSON from standard input, and writes what came of it to standard output.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import cycle, islice
from typing import cast

import msgspec
import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What to send, and how."""

    port: int
    requests: list[bytes]
    """Whole requests; each connection sends them in turn, again and again."""
    connections: int
    seconds: float
    once: bool = False
    """Every request is sent once, by whichever connection is free; it must be over within ``seconds``."""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    answers: dict[str, int]
    """How many of each status."""
    began: float
    """By the clock of ``time.perf_counter``, which all processes share."""
    seconds: float
    cpu: float
    """Seconds of CPU that the load itself took."""


def load(task: Task) -> Done:
    """Run it in a process of its own."""
    command = [sys.executable, "-m", "bench.load"]
    done = subprocess.run(command, input=msgspec.json.encode(task), stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=Done)


class _Client(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, requests: Iterator[bytes], answers: Counter[str]) -> None:
        self._requests, self._answers = requests, answers
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self.open = True
        self.done = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def _next(self) -> None:
        assert self._transport is not None
        if (request := next(self._requests, None)) is None:
            self.done.set()
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        found = _LENGTH.search(self._received, 0, end)
        if len(self._received) < end + 4 + int(found[1] if found else 0):
            return
        self._answers[self._received[9:12].decode()] += 1
        self._received.clear()
        if self.open:
            self._next()


async def _run(task: Task) -> Done:
    loop = asyncio.get_running_loop()
    answers: Counter[str] = Counter()
    shared = iter(task.requests)
    started, cpu = time.perf_counter(), time.process_time()
    clients = []
    for number in range(task.connections):
        own = shared if task.once else islice(cycle(task.requests), number % len(task.requests), None)
        _, client = await loop.create_connection(partial(_Client, own, answers), "127.0.0.1", task.port)
        clients.append(client)
    with suppress(TimeoutError):
        async with asyncio.timeout(task.seconds):
            await asyncio.gather(*(client.done.wait() for client in clients))
    seconds = time.perf_counter() - started
    for client in clients:
        client.open = False
    counted = dict(answers)
    await asyncio.sleep(0.3)
    return Done(answers=counted, began=started, seconds=seconds, cpu=time.process_time() - cpu)


if __name__ == "__main__":
    sys.stdout.buffer.write(
        msgspec.json.encode(uvloop.run(_run(msgspec.json.decode(sys.stdin.buffer.read(), type=Task))))
    )
