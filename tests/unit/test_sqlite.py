"""Connections of SQLite that are closed in the middle of something."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from postmta_ctl.store.sqlite import LettingGo

SCRIPT = "PRAGMA journal_mode=WAL; CREATE TABLE one(value); INSERT INTO one VALUES (1), (2), (3)"


def closed_in_a_transaction(path: Path, kind: type[sqlite3.Connection]) -> sqlite3.Cursor:
    """A statement that is not finished, of a connection that is closed."""
    connection = sqlite3.connect(path, isolation_level=None, factory=kind)
    connection.executescript(SCRIPT)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("DELETE FROM one WHERE value = 3")
    unfinished = connection.execute("SELECT value FROM one")
    connection.close()
    return unfinished


def write(path: Path) -> int:
    connection = sqlite3.connect(path, timeout=0.05, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        return int(connection.execute("SELECT count(*) FROM one").fetchone()[0])
    finally:
        connection.close()


def test_a_closed_connection_holds_nobody_up(tmp_path: Path) -> None:
    unfinished = closed_in_a_transaction(tmp_path / "own.db", LettingGo)
    assert write(tmp_path / "own.db") == 3
    del unfinished


def test_one_of_the_standard_library_does(tmp_path: Path) -> None:
    unfinished = closed_in_a_transaction(tmp_path / "plain.db", sqlite3.Connection)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        write(tmp_path / "plain.db")
    del unfinished
