"""Asking a database from outside, whichever it is."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import asyncpg

Ask = Callable[[str], list[tuple[Any, ...]]]
_OTHERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend'"
)
PATIENCE = 20.0


@contextmanager
def looking_at(database: Path | str, *, live: bool = False) -> Iterator[Ask]:
    """Ask a file of SQLite, which somebody may be writing to (``live``), or a URL of PostgreSQL."""
    if isinstance(database, str):
        yield lambda query: asyncio.run(_asked(database, query))
        return
    with closing(sqlite3.connect(f"file:{database}?mode={'ro' if live else 'rw'}", uri=True)) as connection:
        yield lambda query: connection.execute(query).fetchall()


async def _asked(url: str, query: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        # The same words of another name; everything else of the questions is common to both engines.
        rows = await connection.fetch(query.replace("group_concat(r.status)", "string_agg(r.status, ',')"))
    finally:
        await connection.close()
    return [tuple(row) for row in rows]


def wait_until_left(url: str) -> None:
    """The server has noticed that the killed process is gone: until then it may still be writing for it."""
    deadline = time.monotonic() + PATIENCE
    with looking_at(url) as ask:
        while ask(_OTHERS) != [(0,)]:
            assert time.monotonic() < deadline, "somebody is connected still"
            time.sleep(0.05)
