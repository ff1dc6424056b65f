"""Many rows by few statements: how the paths that carry mail write.

SQLAlchemy's own ``insert`` looks at every value of every row; here the statement is put together once, and the rows
go to the driver as they are. On SQLite one statement carries many rows: the driver lets go of the interpreter's lock
for each step, and getting it back from a busy event loop takes longer than the step. PostgreSQL is given an array for
each column, so that one statement has all rows there, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

Row = tuple[Any, ...]
_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]
_SIZES = (300, 256, 200, 128, 100, 64, 32, 16, 8, 4, 2, 1)
"""Rows of one statement: few sizes, so that there are few statements to prepare, and those of full batches of mail."""


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
        self._names = (*columns, *self._defaults)
        names = ", ".join(f'"{name}"' for name in self._names)
        self._start = f"INSERT INTO {table.name} ({names}) VALUES "  # noqa: S608 - names of our own tables
        self._width = len(self._names)
        self._statements: dict[int, str] = {}

    async def add(self, connection: AsyncConnection, rows: Sequence[Row]) -> None:
        """Add the rows."""
        if self._defaults:
            more = tuple(self._defaults.values())
            rows = [row + more for row in rows]
        if connection.dialect.name == "sqlite":
            for part in _parts(rows):
                values = tuple(chain.from_iterable(part))
                await connection.exec_driver_sql(self._many(len(part)), values)
        elif rows:
            await connection.exec_driver_sql(self._arrays, tuple(zip(*rows, strict=True)))

    def _many(self, count: int) -> str:
        if count not in self._statements:
            row = f"({', '.join('?' * self._width)})"
            self._statements[count] = self._start + ", ".join([row] * count) + self._conflict
        return self._statements[count]

    @cached_property
    def _arrays(self) -> str:
        names = ", ".join(f'"{name}"' for name in self._names)
        source = _unnested(self._table, self._names)
        return f"INSERT INTO {self._table.name} ({names}) SELECT * FROM {source}{self._conflict}"  # noqa: S608


class BulkUpdate:
    """Changes rows of a table that are found by their key.

    Args:
        table: The table.
        key: The column by which a row is found.
        columns: What each row gives, before the key and as the driver takes it.
    """

    def __init__(self, table: Table, key: str, *columns: str) -> None:
        self._table, self._key, self._columns = table, key, columns

    async def change(self, connection: AsyncConnection, rows: Sequence[Row]) -> None:
        """Write the values of each row, the last of which is its key; no key comes twice."""
        if not rows:
            return
        if connection.dialect.name == "sqlite":
            await connection.exec_driver_sql(self._one, list(rows))
        else:
            await connection.exec_driver_sql(self._arrays, tuple(zip(*rows, strict=True)))

    @cached_property
    def _one(self) -> str:
        values = ", ".join(f'"{name}" = ?' for name in self._columns)
        return f'UPDATE {self._table.name} SET {values} WHERE "{self._key}" = ?'  # noqa: S608

    @cached_property
    def _arrays(self) -> str:
        names = (*self._columns, self._key)
        values = ", ".join(f'"{name}" = given."{name}"' for name in self._columns)
        given = "given(" + ", ".join(f'"{name}"' for name in names) + ")"
        source = _unnested(self._table, names)
        where = f'{self._table.name}."{self._key}" = given."{self._key}"'
        return f"UPDATE {self._table.name} SET {values} FROM {source} AS {given} WHERE {where}"  # noqa: S608


def _unnested(table: Table, names: Sequence[str]) -> str:
    """An array for each column, as rows."""
    types = [table.columns[name].type.compile(dialect=_POSTGRESQL) for name in names]
    # Without their lengths: a cast to one would cut off what is too long, and not refuse it.
    arrays = [f"${number}::{kind.partition('(')[0]}[]" for number, kind in enumerate(types, start=1)]
    return f"unnest({', '.join(arrays)})"


def _parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """The rows in parts of these sizes."""
    start = 0
    for size in _SIZES:
        while start + size <= len(rows):
            yield rows[start : start + size]
            start += size
