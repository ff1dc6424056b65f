"""Two proxies on loopback: by SOCKS5 (RFC 1928), and by HAProxy's PROXY protocol, version 2.

Both connect to where they are asked to, from the address that they are asked for, and note what that was.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_BIND, _CONNECT = 2, 1
_IPV4, _IPV6 = 1, 4


@dataclass
class Proxy:
    """What it was asked for, by the source address that it went out from."""

    port: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Source, and ``ip:port`` of the destination."""

    @property
    def server(self) -> str:
        return f"127.0.0.1:{self.port}"


Accept = Callable[[Proxy, Streams], Awaitable[Streams]]


@contextmanager
def serving(accept: Accept) -> Iterator[Proxy]:
    """Serve from a thread of its own while the block lasts; ``accept`` shakes hands and connects onwards."""
    proxy, loop, stop = Proxy(), asyncio.new_event_loop(), asyncio.Event()
    started = threading.Event()

    async def main() -> None:
        server = await asyncio.start_server(partial(_serve, accept, proxy), "127.0.0.1", 0)
        proxy.port = server.sockets[0].getsockname()[1]
        started.set()
        async with server:
            await stop.wait()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(main())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


async def _serve(accept: Accept, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with closing(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
        onward_reader, onward_writer = await accept(proxy, (reader, writer))
        with closing(onward_writer):
            await asyncio.gather(_pump(reader, onward_writer), _pump(onward_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while some := await reader.read(65536):
        writer.write(some)
        await writer.drain()
    writer.close()


async def haproxy(proxy: Proxy, streams: Streams) -> Streams:
    """The header says where from and where to, then comes what is to be passed on."""
    reader, _ = streams
    assert await reader.readexactly(12) == SIGNATURE
    version, family, length = struct.unpack("!BBH", await reader.readexactly(4))
    body = await reader.readexactly(length)
    size = {0x11: 4, 0x21: 16}[family]
    assert version == 0x21, "the command PROXY of version 2"
    source, target = (str(ipaddress.ip_address(body[start : start + size])) for start in (0, size))
    (port,) = struct.unpack("!H", body[2 * size + 2 : 2 * size + 4])
    proxy.asked.append((source, f"{target}:{port}"))
    return await asyncio.open_connection(target, port, local_addr=(source, 0))


async def socks5(proxy: Proxy, streams: Streams) -> Streams:
    """A greeting, a BIND for the source address if one is asked for, then CONNECT."""
    reader, writer = streams
    version, count = await reader.readexactly(2)
    assert version == 5
    await reader.readexactly(count)
    writer.write(b"\x05\x00")
    source = None
    while True:
        command, address, port = await _request(reader)
        if command == _BIND:
            source = address
            writer.write(_reply(address, 0))
        elif command == _CONNECT:
            proxy.asked.append((source or "", f"{address}:{port}"))
            onward = await asyncio.open_connection(address, port, local_addr=(source, 0) if source else None)
            writer.write(_reply(address, port))
            return onward


async def _request(reader: asyncio.StreamReader) -> tuple[int, str, int]:
    _, command, _, kind = await reader.readexactly(4)
    octets = await reader.readexactly({_IPV4: 4, _IPV6: 16}[kind])
    (port,) = struct.unpack("!H", await reader.readexactly(2))
    return command, str(ipaddress.ip_address(octets)), port


def _reply(address: str, port: int) -> bytes:
    found = ipaddress.ip_address(address)
    kind = _IPV4 if found.version == 4 else _IPV6
    return bytes((5, 0, 0, kind)) + found.packed + struct.pack("!H", port)
