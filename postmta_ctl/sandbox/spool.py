"""The spool: messages, records that wait for their hook, and reports still to come, in one SQLite file.

It also keeps the last lines for the local logs: those are files of their own, and lack the lines when the process dies
after the transaction and before it has written them.

What a transaction held survives the death of the process, not a power failure (write-ahead log, ``synchronous =
NORMAL``); KumoMTA's own default is the same. Suspensions and bounce rules are not kept, as in KumoMTA.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from postmta_ctl.sandbox.mail import Mail

_SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
  id TEXT PRIMARY KEY, sender TEXT NOT NULL, recipients BLOB NOT NULL, meta BLOB NOT NULL, data BLOB NOT NULL,
  queue TEXT NOT NULL, due INTEGER NOT NULL, num_attempts INTEGER NOT NULL, contacts INTEGER NOT NULL,
  scheduling BLOB, headers BLOB NOT NULL, record_type TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS last_line (log INTEGER NOT NULL, line BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS report (id TEXT PRIMARY KEY, due INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
"""
_INSERT = "INSERT INTO message VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
_UPDATE = (
    "UPDATE message SET sender=?, recipients=?, meta=?, queue=?, due=?, num_attempts=?, contacts=?, scheduling=? "
    "WHERE id=?"
)
_SELECT = (
    "SELECT id, sender, recipients, meta, length(data), queue, due, num_attempts, contacts, scheduling, headers, "
    "record_type FROM message ORDER BY id"
)
_json = msgspec.json.Encoder(order=None)


class SpoolError(Exception):
    """The spool cannot be opened: another process has it, or the folder cannot be written."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery report or a complaint that is on its way to the node."""

    id: str
    due: int
    kind: str
    sender: str
    """Envelope sender of the message that it is about, which it comes back to."""
    recipient: str
    source: str
    """IP address that the message came from."""
    headers: str
    """The message's header section, as the report returns it."""


class Spool:
    """The file ``spool.db`` in a directory that is made if need be. To be used by one thread."""

    def __init__(self, directory: Path) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = sqlite3.connect(
                directory / "spool.db", timeout=0.5, isolation_level=None, check_same_thread=False
            )
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise SpoolError(f"cannot open the spool in {directory}: {error}") from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what is written within."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def add(self, mail: Mail, data: bytes) -> None:
        """Store a new message."""
        self._db.execute(
            _INSERT,
            (
                mail.id,
                mail.sender,
                _json.encode(mail.recipients),
                _json.encode(mail.meta),
                data,
                mail.queue,
                mail.due,
                mail.num_attempts,
                mail.contacts,
                _json.encode(mail.scheduling) if mail.scheduling else None,
                _json.encode(mail.headers),
                mail.record_type,
            ),
        )

    def update(self, mail: Mail) -> None:
        """Store where a message stands now; its data never change."""
        self._db.execute(
            _UPDATE,
            (
                mail.sender,
                _json.encode(mail.recipients),
                _json.encode(mail.meta),
                mail.queue,
                mail.due,
                mail.num_attempts,
                mail.contacts,
                _json.encode(mail.scheduling) if mail.scheduling else None,
                mail.id,
            ),
        )

    def remove(self, spool_id: str) -> None:
        """Forget a message."""
        self._db.execute("DELETE FROM message WHERE id=?", (spool_id,))

    def data(self, spool_id: str) -> bytes:
        """The bytes of a message.

        Raises:
            KeyError: there is no such message.
        """
        row = self._db.execute("SELECT data FROM message WHERE id=?", (spool_id,)).fetchone()
        if row is None:
            raise KeyError(spool_id)
        return bytes(row[0])

    def messages(self) -> Iterator[Mail]:
        """All messages, oldest first."""
        for row in self._db.execute(_SELECT).fetchall():
            yield _mail(row)

    def add_report(self, report: Report) -> None:
        """Store a report that is to come in later."""
        self._db.execute("INSERT INTO report VALUES (?,?,?)", (report.id, report.due, _json.encode(report)))

    def remove_report(self, report_id: str) -> None:
        """Forget a report."""
        self._db.execute("DELETE FROM report WHERE id=?", (report_id,))

    def reports(self) -> list[Report]:
        """All reports still to come in."""
        rows = self._db.execute("SELECT body FROM report ORDER BY due").fetchall()
        return [msgspec.json.decode(body, type=Report) for (body,) in rows]

    def keep_lines(self, lines: Sequence[Sequence[bytes]]) -> None:
        """Keep the lines that are about to be appended to each local log, in the place of those before them."""
        self._db.execute("DELETE FROM last_line")
        self._db.executemany(
            "INSERT INTO last_line VALUES (?,?)", ((log, line) for log, own in enumerate(lines) for line in own)
        )

    def last_lines(self, log: int) -> list[bytes]:
        """The last lines for a local log: it has all of them, the first of them, or none."""
        rows = self._db.execute("SELECT line FROM last_line WHERE log=? ORDER BY rowid", (log,))
        return [bytes(line) for (line,) in rows]

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _mail(row: tuple[Any, ...]) -> Mail:
    spool_id, sender, recipients, meta, size, queue, due, attempts, contacts, scheduling, headers, record_type = row
    return Mail(
        id=spool_id,
        sender=sender,
        recipients=msgspec.json.decode(recipients),
        meta=msgspec.json.decode(meta),
        data=None,
        size=size,
        queue=queue,
        due=due,
        num_attempts=attempts,
        contacts=contacts,
        scheduling=msgspec.json.decode(scheduling) if scheduling else None,
        headers=msgspec.json.decode(headers),
        record_type=record_type,
    )
