"""Peers that misbehave: each answers every connection in one way, and keeps what it was sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Peer:
    """What it answers, and what it got.

    Args:
        answer: None: it never says anything.
        reads: Octets that it reads before it answers; None: all there are.
    """

    answer: bytes | None
    reads: int | None = None
    got: list[bytes] = field(default_factory=list)
    port: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.got.append(await reader.read(65536 if self.reads is None else self.reads))
            if self.answer is None:
                await self.released.wait()
            else:
                writer.write(self.answer)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(answer: bytes | None, *, reads: int | None = None) -> AsyncIterator[Peer]:
    peer = Peer(answer, reads)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        peer.released.set()
        server.close()


def http(body: bytes, status: str = "200 OK") -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nServer: rspamd/9\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        + body
    )
