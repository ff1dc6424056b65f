"""A node that takes every injection at once, as cheap as it can be: a process of its own that counts recipients."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@contextmanager
def instant_node() -> Iterator[str]:
    """Its URL, while the block lasts."""
    with subprocess.Popen([sys.executable, "-m", "bench.instant_node"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


class _Node(asyncio.Protocol):
    """One connection: each request is answered as ``POST /api/inject/v1`` is, with all of its recipients taken."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._received = bytearray()

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self._received, 0, end)
            length = end + 4 + int(found[1] if found else 0)
            if len(self._received) < length:
                return
            count = self._received.count(b'"email":', end, length)
            del self._received[:length]
            answer = b'{"success_count":%d,"fail_count":0,"failed_recipients":[],"errors":[]}' % count
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(answer)
            self._transport.write(head + answer)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Node, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
