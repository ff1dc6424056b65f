"""Coroutines over a blocking connection: the same SQL functions, without a turn of the event loop for each statement.

The functions of ``queries`` are coroutines, but nothing in them waits for anything other than the database. Over a
connection that blocks they run to their end at once, so a thread can run them as if they were plain functions.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.engine import Dialect

T = TypeVar("T")


class BlockingConnection:
    """What SQL functions use of an ``AsyncConnection``, done by a blocking one."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def dialect(self) -> Dialect:
        """The engine's dialect."""
        return self._connection.dialect

    async def execute(self, statement: Any, parameters: Any = None) -> Any:
        """Execute a statement, for each of the parameters if they are a list."""
        return self._connection.execute(statement, parameters)

    async def exec_driver_sql(self, statement: str, parameters: Any = None) -> Any:
        """Hand a statement and its values to the driver as they are."""
        return self._connection.exec_driver_sql(statement, parameters)

    async def scalar(self, statement: Any, parameters: Any = None) -> Any:
        """The first column of the first row, or None."""
        return self._connection.scalar(statement, parameters)

    async def scalars(self, statement: Any, parameters: Any = None) -> Any:
        """The first column of each row."""
        return self._connection.scalars(statement, parameters)

    @asynccontextmanager
    async def begin_nested(self) -> AsyncIterator[None]:
        """A savepoint, which an exception goes back to."""
        with self._connection.begin_nested():
            yield


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits.

    Raises:
        RuntimeError: It waited for something, which this thread has no event loop for.
    """
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("work in a blocking transaction waited for something other than the database")
