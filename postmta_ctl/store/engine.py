"""One database, and the only place that commits.

``transaction()`` writes, ``reading()`` reads; both hand out a SQLAlchemy Core connection. A transaction that
leaves its block by an exception is rolled back whole. ``at_once()`` is for the paths that carry the mail: a whole
transaction as one piece of work.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from postmta_ctl.errors import ConfigurationError
from postmta_ctl.store import blocking
from postmta_ctl.store.sqlite import LettingGo

WRITES = {"postmta_writes": True}
T = TypeVar("T")
Work = Callable[[AsyncConnection], Coroutine[Any, Any, T]]


class Database:
    """The connection pool of one process.

    Args:
        url: ``sqlite+aiosqlite:///PATH`` or ``postgresql+asyncpg://…``.

    Raises:
        ConfigurationError: The URL names another engine.
    """

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.drivername == "sqlite+aiosqlite"
        if not self.is_sqlite and self.url.drivername != "postgresql+asyncpg":
            raise ConfigurationError(
                f"database_url: {self.url.drivername} is not supported; use sqlite+aiosqlite or postgresql+asyncpg"
            )
        self.engine = _sqlite_engine(url) if self.is_sqlite else create_async_engine(url, pool_size=10, max_overflow=20)
        # A reader of SQLite sees one state anyway; a reader of PostgreSQL only sees one if it asks for it.
        self._readers = (
            self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="REPEATABLE READ")
        )
        # SQLite has one writer: waiting here is fair and cheap, waiting in its busy handler is neither.
        self._writer = asyncio.Lock()
        self._blocking = _blocking_engine(self.url.database or "") if self.is_sqlite else None
        self._thread = ThreadPoolExecutor(1, "database")
        self.changes = 0
        """Grows with every ``transaction()`` of this process that wrote: while it stays, so does what no ``at_once()``
        changes."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A connection whose changes are committed, durably, when the block ends without an exception."""
        async with AsyncExitStack() as stack:
            if self.is_sqlite:
                await stack.enter_async_context(self._writer)
            connection = await stack.enter_async_context(self.engine.connect())
            await connection.execution_options(**WRITES)
            before = await self._written(connection)
            # Called after the commit, when others see the change.
            stack.push_async_callback(self._note_changes, connection, before)
            await stack.enter_async_context(connection.begin())
            yield connection

    async def _note_changes(self, connection: AsyncConnection, before: int) -> None:
        if not self.is_sqlite or await self._written(connection) != before:
            self.changes += 1

    async def _written(self, connection: AsyncConnection) -> int:
        """Rows that a connection of SQLite has written so far; many transactions of jobs find nothing to do."""
        if not self.is_sqlite:
            return 0
        driver = (await connection.get_raw_connection()).driver_connection
        return int(driver.total_changes) if driver is not None else 0

    async def at_once(self, work: Work[T]) -> T:
        """Do all of a transaction and commit it, on SQLite in a thread: one change of threads and not one a statement.

        Args:
            work: Waits for nothing but the connection, and changes nobody's rights (see ``changes``).
        """
        if self._blocking is None:
            async with self.engine.begin() as connection:
                return await work(connection)
        loop = asyncio.get_running_loop()
        async with self._writer:
            return await loop.run_in_executor(self._thread, _committed, self._blocking, work)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection that sees one consistent state and changes nothing."""
        async with self._readers.connect() as connection:
            yield connection

    async def ping(self) -> None:
        """Raise what the engine raises if the database does not answer."""
        async with self.reading() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()
        if self._blocking is not None:
            self._blocking.dispose()
        self._thread.shutdown(wait=False)


class Joined(Database):
    """A database whose transactions are parts of one that is open: each is undone by itself when it fails, and all are
    committed, or not, with the one around them. So several services can be one step.

    Args:
        database: The one that the transaction is of.
        connection: The transaction.
    """

    def __init__(self, database: Database, connection: AsyncConnection) -> None:
        self.url, self.is_sqlite, self.engine = database.url, database.is_sqlite, database.engine
        self._connection = connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A savepoint."""
        async with self._connection.begin_nested():
            yield self._connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """What the transaction sees."""
        yield self._connection


def _sqlite_engine(url: str) -> AsyncEngine:
    path = make_url(url).database
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    # Each has a thread of its own: those beyond the pool are opened and closed again, which takes time, and those
    # in it are kept, which takes memory.
    options = {"timeout": 30, "factory": LettingGo}
    engine = create_async_engine(url, pool_size=6, max_overflow=10, connect_args=options)
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _blocking_engine(path: str) -> Engine:
    """An engine for one thread, which opens nothing before it is used."""
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30, "check_same_thread": False})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "connect", _undo_in_memory)
    event.listen(engine, "begin", _begin)
    return engine.execution_options(**WRITES)


def _committed(engine: Engine, work: Work[T]) -> T:
    with engine.begin() as connection:
        return blocking.run(work(cast(AsyncConnection, blocking.BlockingConnection(connection))))


def _prepare(connection: Any, _record: object) -> None:
    # Python's own transaction handling would begin late and commit by itself; _begin does it instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    # A page of SQLite's own size has room for one message of 2 KB, this one for three. What exists keeps its size.
    for pragma in ("page_size=8192", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _undo_in_memory(connection: Any, _record: object) -> None:
    """What a statement of many rows changed, if it must be undone: SQLite would make a file for each such statement.

    For writers only, since what readers sort goes where this says, too, and may be more than fits.
    """
    connection.execute("PRAGMA temp_store=MEMORY").close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("postmta_writes")
    # IMMEDIATE takes the write lock at once; a read that turns into a write later could not wait for it.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
