"""SQLite's connections."""

from __future__ import annotations

import sqlite3
from typing import Any
from weakref import WeakSet


class LettingGo(sqlite3.Connection):
    """A connection that lets go of its locks when it is closed.

    SQLite keeps a closed connection alive, with its transaction and its locks, while a statement of it is unfinished
    (https://www.sqlite.org/c3ref/close.html). Work that is cancelled leaves such statements behind until the collector
    finds them, and everybody else would wait so long.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._open: WeakSet[sqlite3.Cursor] = WeakSet()

    def cursor(self, *arguments: Any) -> sqlite3.Cursor:  # type: ignore[override]
        """A cursor, which is closed with the connection at the latest."""
        cursor: sqlite3.Cursor = super().cursor(*arguments)
        self._open.add(cursor)
        return cursor

    def close(self) -> None:
        """Finish the statements, undo the transaction, and close."""
        for cursor in self._open:
            cursor.close()
        if self.in_transaction:
            self.rollback()
        super().close()
