"""Lists by cursor: ids are UUIDv7, so "older than this id" is a page that never shifts under the reader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Select

from postmta_ctl.core.ids import is_id
from postmta_ctl.errors import InvalidRequest

T = TypeVar("T")
DEFAULT_LIMIT = 50
MAX_LIMIT = 500


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list, newest first."""

    data: list[T]
    next_cursor: str | None = None
    """Pass as ``cursor`` to get the page after this one; null on the last."""


class PageRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which page was asked for."""

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None

    def apply(self, query: Select[Any], id_column: ColumnElement[str]) -> Select[Any]:
        """Order and cut the query; one row more than a page, which tells whether there is another."""
        if self.cursor is not None:
            query = query.where(id_column < self.cursor)
        return query.order_by(id_column.desc()).limit(self.limit + 1)

    def page(self, rows: Sequence[T], last_id: Any = lambda row: row.id) -> Page[T]:
        """Make the page from the rows that :meth:`apply` selected."""
        shown = list(rows[: self.limit])
        return Page(shown, last_id(shown[-1]) if len(rows) > self.limit else None)


def page_request(limit: int = DEFAULT_LIMIT, cursor: str | None = None) -> PageRequest:
    """Check what the query string says.

    Raises:
        InvalidRequest: The limit is out of range, or the cursor is none of ours.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidRequest.of("limit", f"must be between 1 and {MAX_LIMIT}", code="out_of_range")
    if cursor is not None and not is_id(cursor):
        raise InvalidRequest.of("cursor", "is not a cursor of this list")
    return PageRequest(limit=limit, cursor=cursor)
