"""Many rows by few statements: how the paths that carry mail write.

SQLAlchemy's own ``insert`` looks at every value of every row; here the statement is put together once, and the rows
go to the driver as they are. On SQLite one statement carries many rows: the driver lets go of the interpreter's lock
for each step, and getting it back from a busy event loop takes longer than the step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

Row = tuple[Any, ...]
_LARGEST = 64
"""Rows of one statement. They go by powers of two, so that there are few statements to prepare."""


class Bulk:
    """Adds rows to a table.

    Args:
        table: The table.
        columns: What each row gives, in this order and as the driver takes it: times as microseconds, JSON as bytes
            (see ``store.types``). Other columns get their default.
        conflict: What to do about rows that are there already: ``ON CONFLICT …``.
    """

    def __init__(self, table: Table, *columns: str, conflict: str = "") -> None:
        self._table, self._conflict = table, conflict
        defaults = {one.name: one.default.arg for one in table.columns if one.default is not None}  # type: ignore[attr-defined]
        self._defaults = {name: value for name, value in defaults.items() if name not in columns}
        names = ", ".join(f'"{name}"' for name in (*columns, *self._defaults))
        self._start = f"INSERT INTO {table.name} ({names}) VALUES "  # noqa: S608 - names of our own tables
        self._width = len(columns) + len(self._defaults)

    async def add(self, connection: AsyncConnection, rows: Sequence[Row]) -> None:
        """Add the rows."""
        if self._defaults:
            more = tuple(self._defaults.values())
            rows = [row + more for row in rows]
        if connection.dialect.name == "sqlite":
            for part in _parts(rows):
                values = tuple(value for row in part for value in row)
                await connection.exec_driver_sql(self._many(len(part)), values)
        elif rows:
            await connection.exec_driver_sql(self._numbered, list(rows))

    @lru_cache(maxsize=16)  # noqa: B019 - these objects live as long as the process
    def _many(self, count: int) -> str:
        row = f"({', '.join('?' * self._width)})"
        return self._start + ", ".join([row] * count) + self._conflict

    @cached_property
    def _numbered(self) -> str:
        return f"{self._start}({', '.join(f'${number + 1}' for number in range(self._width))}){self._conflict}"


def _parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """The rows in parts whose sizes are powers of two."""
    start, size = 0, _LARGEST
    while start < len(rows):
        while size > len(rows) - start:
            size //= 2
        yield rows[start : start + size]
        start += size
