"""Whether mail can leave this host: many networks let nobody connect to port 25."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

from postmta_ctl.features.doctor.findings import Finding

Connect = Callable[[str, int], Awaitable[str]]
"""Connects to host and port, and returns the greeting; raises OSError."""
PATIENCE_SECONDS = 10.0
HOST = "gmail-smtp-in.l.google.com"
"""Where one can be sure that somebody answers."""


async def greeting(host: str, port: int) -> str:
    """What a mail server says first (RFC 5321 §3.1). Nothing is sent to it but QUIT."""
    reader, writer = await asyncio.open_connection(host, port, family=socket.AF_UNSPEC)
    try:
        said = (await reader.readline()).decode("utf-8", "replace").strip()
        writer.write(b"QUIT\r\n")
        await writer.drain()
        return said
    finally:
        writer.close()


async def look(host: str = HOST, port: int = 25, connect: Connect = greeting) -> Finding:
    """Connect to a mail server and wait for its greeting."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            said = await connect(host, port)
    except (OSError, TimeoutError) as error:
        found = f"cannot be reached: {error or f'no answer within {PATIENCE_SECONDS:g} s'}"
        todo = "Ask whoever runs the network to open port 25 outward, or send through a proxy or a smart host."
        return Finding(check="port_25", subject=host, level="error", found=found, todo=todo)
    if not said.startswith("220"):
        todo = "Find out what answers in its place: some networks put a server of their own before port 25."
        return Finding(check="port_25", subject=host, level="warning", found=f"says {said[:100]!r}", todo=todo)
    return Finding(check="port_25", subject=host, level="ok", found=f"greets with {said[:100]}")
