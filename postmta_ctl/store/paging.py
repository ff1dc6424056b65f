"""Lists by cursor: a page goes on after a row, not after a number of rows, so it never shifts under the reader.

Ids are UUIDv7 and sort by the time of their making. Sorted by another column, rows are ordered by that and their id,
and a cursor holds both.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Select, String, literal, tuple_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from postmta_ctl.core.ids import is_id
from postmta_ctl.errors import InvalidRequest, MalformedRequest
from postmta_ctl.store.types import Timestamp

T = TypeVar("T")
DEFAULT_LIMIT = 50
MAX_LIMIT = 500
MAX_CURSOR = 4000
CREATED = "created_at"
"""What every list can be sorted by."""


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list, newest first unless ``sort`` says otherwise."""

    data: list[T]
    next_cursor: str | None = None
    """Pass as ``cursor`` to get the page after this one; null on the last."""


class Position(msgspec.Struct, frozen=True, array_like=True):
    """The row that a page ends with; what a cursor is when a list is sorted by another column than ``created_at``."""

    sort: str
    value: str | int
    id: str


class PageRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which page was asked for, of a list in which order."""

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None
    field: str = CREATED
    descending: bool = True

    def apply(self, query: Select[Any], id_column: ColumnElement[str], **columns: ColumnElement[Any]) -> Select[Any]:
        """Order and cut the query; one row more than a page, which tells whether there is another.

        Args:
            query: The rows that are asked for.
            id_column: Their id.
            **columns: What else they can be sorted by, never null, by the name that the API shows it under.

        Raises:
            InvalidRequest: The cursor is none of this list in this order.
        """
        keys = [id_column]
        if self.field != CREATED:
            keys.insert(0, Bytewise(columns[self.field]))
        if self.cursor is not None:
            after, here = tuple_(*self._after(keys)), tuple_(*keys)
            query = query.where(here < after if self.descending else here > after)
        return query.order_by(*(key.desc() if self.descending else key.asc() for key in keys)).limit(self.limit + 1)

    def _after(self, keys: Sequence[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
        """The values of the row that the last page ended with."""
        if self.field == CREATED:
            if not is_id(self.cursor or ""):
                raise _not_a_cursor()
            return [literal(self.cursor)]
        try:
            position = msgspec.json.decode(urlsafe_b64decode(self.cursor or ""), type=Position)
            kind = datetime if isinstance(keys[0].type, Timestamp) else keys[0].type.python_type
            value = msgspec.convert(position.value, kind)
        except (binascii.Error, ValueError):  # msgspec's errors are ValueErrors
            raise _not_a_cursor() from None
        if position.sort != self.sort or not is_id(position.id) or "\0" in str(value):
            raise _not_a_cursor()
        return [literal(value, keys[0].type), literal(position.id)]

    @property
    def sort(self) -> str:
        """As the query string has it."""
        return f"-{self.field}" if self.descending else self.field

    def page(self, rows: Sequence[T]) -> Page[T]:
        """Make the page from the rows that :meth:`apply` selected, as they are shown."""
        shown = list(rows[: self.limit])
        return Page(shown, self._cursor(shown[-1]) if len(rows) > self.limit else None)

    def _cursor(self, row: Any) -> str:
        if self.field == CREATED:
            return str(row.id)
        position = Position(self.sort, msgspec.to_builtins(getattr(row, self.field)), row.id)
        return urlsafe_b64encode(msgspec.json.encode(position)).decode()


class Bytewise(FunctionElement[Any]):
    """A column whose text is ordered by its bytes, as SQLite does, and not by the rules of a language."""

    inherit_cache = True
    name = "bytewise"

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column)
        self.type = column.type


@compiles(Bytewise)
def _compile(element: Bytewise, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(Bytewise, "postgresql")
def _compile_for_postgresql(element: Bytewise, compiler: SQLCompiler, **options: Any) -> str:
    text = compiler.process(element.clauses, **options)
    return f'{text} COLLATE "C"' if isinstance(element.type, String) else text


def _not_a_cursor() -> InvalidRequest:
    return InvalidRequest.of("cursor", "is not a cursor of this list in this order")


def page_request(
    limit: int = DEFAULT_LIMIT, cursor: str | None = None, sort: str | None = None, sortable: Sequence[str] = ()
) -> PageRequest:
    """Check what the query string says.

    Args:
        limit: Rows of the page.
        cursor: ``next_cursor`` of the page before.
        sort: A field, descending with ``-`` before it; the newest first if absent.
        sortable: What this list can be sorted by beside ``created_at``.

    Raises:
        InvalidRequest: The limit is out of range, or the cursor is too long.
        MalformedRequest: The list cannot be sorted so.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidRequest.of("limit", f"must be between 1 and {MAX_LIMIT}", code="out_of_range")
    if cursor is not None and len(cursor) > MAX_CURSOR:
        raise _not_a_cursor()
    sort = f"-{CREATED}" if sort is None else sort
    field = sort.removeprefix("-")
    if field not in (CREATED, *sortable):
        known = ", ".join((CREATED, *sortable))
        raise MalformedRequest.of("sort", f"is one of {known}; descending with - before it", code="sort_unknown")
    return PageRequest(limit=limit, cursor=cursor, field=field, descending=sort.startswith("-"))
