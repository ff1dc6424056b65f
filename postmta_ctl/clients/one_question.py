"""A connection for one question to a daemon: connect, say it, read until the daemon closes.

By the socket itself and not by streams: a daemon that refuses what is being sent answers and closes, and a stream that
fails to write throws the answer away.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from postmta_ctl.clients.engines import CONNECT_SECONDS
from postmta_ctl.core.peer_address import Peer
from postmta_ctl.errors import EngineFailed, EngineUnreachable


class Question:
    """An open connection.

    Args:
        name: Of the engine, for errors.
        channel: Connected, not blocking.
    """

    def __init__(self, name: str, channel: socket.socket) -> None:
        self._name = name
        self._channel = channel

    async def send(self, data: bytes) -> None:
        """Send all of it.

        Raises:
            ConnectionError: The daemon has closed; it may have answered before that.
        """
        await asyncio.get_running_loop().sock_sendall(self._channel, data)

    def end(self) -> None:
        """Say that there is no more to come."""
        self._channel.shutdown(socket.SHUT_WR)

    async def answer(self, limit: int) -> bytes:
        """All that the daemon says.

        Raises:
            EngineFailed: More than ``limit`` octets, or nothing.
        """
        found = b""
        try:
            while chunk := await asyncio.get_running_loop().sock_recv(self._channel, 65536):
                found += chunk
                if len(found) > limit:
                    raise EngineFailed(f"{self._name} answered with more than {limit} octets.")
        except ConnectionError:
            if not found:
                raise
        if not found:
            raise EngineFailed(f"{self._name} closed the connection without an answer.")
        return found


@asynccontextmanager
async def asking(name: str, peer: Peer, seconds: float) -> AsyncIterator[Question]:
    """Connect, and close in the end.

    Args:
        name: Of the engine, for errors.
        peer: Where it listens.
        seconds: For everything that is done with the connection.

    Raises:
        EngineUnreachable: Nobody listens there, the connection broke, or the time is over.
    """
    channel: socket.socket | None = None
    try:
        async with asyncio.timeout(seconds):
            async with asyncio.timeout(CONNECT_SECONDS):
                channel = await _connected(peer)
            yield Question(name, channel)
    except TimeoutError:
        raise EngineUnreachable(f"{name} did not answer in time.") from None
    except OSError as error:
        raise EngineUnreachable(f"{name} cannot be reached: {error.strerror or type(error).__name__}.") from error
    finally:
        if channel is not None:
            channel.close()


async def _connected(peer: Peer) -> socket.socket:
    if peer.path:
        return await _connect(socket.AF_UNIX, peer.path)
    found = await asyncio.get_running_loop().getaddrinfo(peer.host, peer.port, type=socket.SOCK_STREAM)
    for family, _, _, _, address in found[:-1]:
        try:
            return await _connect(family, address)
        except OSError:
            continue
    return await _connect(found[-1][0], found[-1][4])


async def _connect(family: int, address: tuple[Any, ...] | str) -> socket.socket:
    channel = socket.socket(family, socket.SOCK_STREAM)
    channel.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(channel, address)
    except BaseException:
        channel.close()
        raise
    return channel
