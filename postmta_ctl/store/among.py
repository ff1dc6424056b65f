"""Looking up and changing many rows at once, in the driver's own words: nothing is compiled or converted for each row.

For what handles every log record; :mod:`postmta_ctl.store.bulk` adds rows. Times are given as microseconds.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, CursorResult, Text, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

Rows = Sequence[tuple[Any, ...]]
_PARAMETERS = 500
"""Of one statement, where each value is one."""


async def select_among(connection: AsyncConnection, sql: str, texts: Collection[str]) -> Sequence[Any]:
    """Rows of a query whose ``{among}`` stands for "is one of these texts"."""
    return (await _among(connection, sql, texts)).all()


async def change_among(connection: AsyncConnection, sql: str, texts: Collection[str]) -> None:
    """Run a statement without rows; the same stands in it for the same."""
    await _among(connection, sql, texts)


async def _among(connection: AsyncConnection, sql: str, texts: Collection[str]) -> CursorResult[Any]:
    if connection.dialect.name == "sqlite":
        given: Any = msgspec.json.encode(list(texts)).decode()
        among = "IN (SELECT value FROM json_each(?))"
    else:
        given, among = list(texts), "= ANY($1::text[])"
    return await connection.exec_driver_sql(sql.format(among=among), (given,))


def one_of(connection: AsyncConnection, column: ColumnElement[Any], texts: Collection[str]) -> ColumnElement[bool]:
    """Whether a column is one of these texts, by a single parameter: an ``IN`` is spelled out anew for each value."""
    if connection.dialect.name == "sqlite":
        listed = func.json_each(msgspec.json.encode(list(texts)).decode()).table_valued("value")
        return column.in_(select(listed.c.value))
    return column == any_(bindparam(None, list(texts), type_=ARRAY(Text)))


async def write(connection: AsyncConnection, sql: str, rows: Rows) -> None:
    """Run a statement for each row; it has ``?`` for each value, in the order of the row."""
    if rows:
        await connection.exec_driver_sql(_numbered(sql) if connection.dialect.name == "postgresql" else sql, list(rows))


async def known_octets(connection: AsyncConnection, sql: str, first: object, octets: Collection[bytes]) -> set[bytes]:
    """Which of these the query finds; it has ``?`` for its first parameter, and ``{among}`` for "is one of them"."""
    found: set[bytes] = set()
    left = iter(octets)
    while part := tuple(islice(left, _PARAMETERS)):
        if connection.dialect.name == "sqlite":
            query, given = sql.format(among=f"IN ({', '.join('?' * len(part))})"), (first, *part)
        else:
            query, given = _numbered(sql).format(among="= ANY($2::bytea[])"), (first, list(part))
        found.update(row[0] for row in await connection.exec_driver_sql(query, given))
    return found


@lru_cache(maxsize=100)
def _numbered(sql: str) -> str:
    """The same with ``$1``, ``$2`` and so on."""
    first, *others = sql.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(others, start=1))
