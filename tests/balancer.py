"""One address before several processes, as a reverse proxy would be: connections go to whichever is there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count

from tests.loops import another_loop


@contextmanager
def balanced(ports: list[int]) -> Iterator[str]:
    """Yields the URL; each connection goes to the next of these ports on loopback that takes it."""
    turns = count()

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        first = next(turns)
        for number in range(len(ports)):
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", ports[(first + number) % len(ports)])
        return None

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if other := await connect():
                await asyncio.gather(_pass_on(reader, other[1]), _pass_on(other[0], writer))
        finally:
            writer.close()

    async def end() -> None:
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    with another_loop() as run:
        server = run(asyncio.start_server(serve, "127.0.0.1", 0))
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            run(end())


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
    finally:
        writer.close()
