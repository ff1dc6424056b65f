"""One at a time, across processes: for work that goes on outside of any transaction, such as writing to nodes.

Either lock dies with its holder, so that a killed process blocks nobody: PostgreSQL frees an advisory lock with the
connection that took it, the kernel a file lock with its descriptor.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.errors import Busy, ConfigurationError
from postmta_ctl.store.engine import Database

_POLL_SECONDS = 0.05
_GONE_SECONDS = 15.0


@asynccontextmanager
async def exclusive(db: Database, name: str, *, wait: float = 60.0) -> AsyncIterator[None]:
    """Hold the installation's lock of this name while the block lasts.

    Args:
        db: Whose users exclude each other. With SQLite the lock is a file beside the database's.
        name: What is locked.
        wait: Seconds to wait for the present holder; 0: only look.

    Raises:
        Busy: Somebody else held it all the while.
    """
    holding = _file_lock if db.is_sqlite else _advisory_lock
    async with holding(db, name, wait):
        yield


@asynccontextmanager
async def only_one(db: Database, *, wait: float = _GONE_SECONDS) -> AsyncIterator[None]:
    """Be the only process that serves this SQLite database while the block lasts.

    Several would be correct and not fair: who waits for SQLite's write lock is served by chance, and after 30 seconds
    not at all. A process that was killed may take a moment to be gone, which is waited for.

    Raises:
        ConfigurationError: Another process serves it.
    """
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(exclusive(db, "serve", wait=wait))
        except Busy:
            raise ConfigurationError(
                f"{db.url.database} is served by another process; several processes need PostgreSQL"
            ) from None
        yield


@asynccontextmanager
async def _file_lock(db: Database, name: str, wait: float) -> AsyncIterator[None]:
    path = Path(f"{db.url.database}.{name}.lock")
    # A lock belongs to the open file and not to the process, so tasks of one process exclude each other too.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    async def take() -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    try:
        await _poll(take, name, wait)
        yield
    finally:
        os.close(descriptor)


@asynccontextmanager
async def _advisory_lock(db: Database, name: str, wait: float) -> AsyncIterator[None]:
    key = int.from_bytes(hashlib.sha256(f"postmta:{name}".encode()).digest()[:8], "big", signed=True)
    async with db.engine.connect() as connection:

        async def take() -> bool:
            taken = await _committed(connection, func.pg_try_advisory_lock(key))
            return taken is True

        await _poll(take, name, wait)
        try:
            yield
        finally:
            # The session ends with it: should the unlocking fail, the pool must not keep a locked connection.
            await connection.invalidate()


async def _committed(connection: AsyncConnection, function: ColumnElement[bool]) -> object:
    # A lock of the session outlives the transaction; an open one would hold back the vacuum.
    answer = await connection.scalar(select(function))
    await connection.commit()
    return answer


async def _poll(take: Callable[[], Awaitable[bool]], name: str, wait: float) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait
    while not await take():
        if loop.time() >= deadline:
            raise Busy(f"Another {name} is under way.", retry_after=5)
        await asyncio.sleep(_POLL_SECONDS)
