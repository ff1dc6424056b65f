"""All rows of a query as one, in JSON: for queries of many rows, whose reader would be slower than the engine.

The drivers let go of the interpreter's lock for each row and make an object of each value. The engine writes a thousand
rows into one text in less time, and msgspec reads that text straight into structs (``array_like``).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Float, Select, Text, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection


class OneRow:
    """A query whose rows come as a JSON array of arrays, in the query's order. It is put together once.

    Args:
        query: What to read, with ``bindparam`` for what changes. Truth values are numbers on SQLite; octets cannot be
            among the columns.
    """

    def __init__(self, query: Select[Any]) -> None:
        rows = query.subquery("rows")
        self._sqlite = select(func.json_group_array(func.json_array(*rows.c), type_=Text))
        self._postgresql = select(cast(func.json_agg(func.json_build_array(*rows.c)), Text))

    async def read(self, connection: AsyncConnection, parameters: dict[str, Any]) -> str:
        """The rows."""
        statement = self._sqlite if connection.dialect.name == "sqlite" else self._postgresql
        found: str | None = await connection.scalar(statement, parameters)
        return found or "[]"  # PostgreSQL's aggregate of no rows is null


def seconds(moment: ColumnElement[Any]) -> ColumnElement[float]:
    """A column of moments (``store.types.Timestamp``) as msgspec reads moments from numbers."""
    return cast(cast(moment, BigInteger), Float(53)) / 1_000_000
