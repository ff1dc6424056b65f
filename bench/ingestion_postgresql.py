"""Log records into PostgreSQL, against COPY of the same rows; both sides by one server, which syncs its commits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import asyncpg

from bench import records
from bench.ingestion import PEOPLE, Teller
from bench.rows import Measure, Row, Sample, add
from bench.servers import product
from tests.postgres import running_server
from tests.serving import Service

T = TypeVar("T")
_OCTETS, _FLAGS = {"tags", "metadata"}, {"track_opens", "track_clicks", "unsubscribe", "complained"}


class _Node:
    """A service with a node that sends it log records, and a connection beside it."""

    def __init__(self, service: Service, url: str) -> None:
        self._teller, self._loop = Teller(service), asyncio.new_event_loop()
        self._database = self.run(asyncpg.connect(url.replace("+asyncpg", "")))
        self._copy("nodes", [records.node()])
        query = "SELECT id, slug FROM organizations ORDER BY created_at LIMIT 1"
        self._organization_id, self._slug = self.run(self._database.fetchrow(query))
        self._last, self._rows, self._names = 0, list[Any](), list[str]()
        for statement in (
            "CREATE TABLE raw (LIKE events INCLUDING DEFAULTS)",
            "CREATE INDEX ON raw (recipient_id)",
            "CREATE INDEX ON raw (organization_id, occurred_at)",
        ):
            self.run(self._database.execute(statement))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    def close(self) -> None:
        self.run(self._database.close())
        self._loop.close()

    def _copy(self, table: str, rows: list[dict[str, Any]]) -> None:
        values = [tuple(_as_driver(name, value) for name, value in row.items()) for row in rows]
        self.run(self._database.copy_records_to_table(table, records=values, columns=list(rows[0])))

    def send(self) -> Sample:
        """Tell of mail to new recipients; records a second."""
        people, messages, recipients = records.people(self._organization_id, PEOPLE)
        self._copy("messages", messages)
        self._copy("recipients", recipients)
        lines = records.records(people, self._slug, datetime.now(UTC) - timedelta(minutes=1))
        self._teller.bodies = list(records.batches(lines))
        return self._teller.send()

    def copy(self) -> Sample:
        """Rows a second by COPY and nothing else, a transaction for each 500: the newest that the service has made."""
        query = "SELECT * FROM events WHERE id > $1 ORDER BY id"
        self._rows = [tuple(row) for row in self.run(self._database.fetch(query, self._last))] or self._rows
        self._last = max(row[0] for row in self._rows)
        began, cpu = time.perf_counter(), time.process_time()
        for first in range(0, len(self._rows), records.BATCH):
            part = self._rows[first : first + records.BATCH]
            self.run(self._database.copy_records_to_table("raw", records=part))
        seconds = time.perf_counter() - began
        return Sample(value=len(self._rows) / seconds, cpu=(time.process_time() - cpu) / len(self._rows))


def _as_driver(name: str, value: Any) -> Any:
    if name in _OCTETS:
        return value.encode()
    return bool(value) if name in _FLAGS else value


@contextmanager
def _sides() -> Iterator[tuple[Measure, Measure]]:
    with running_server(durable=True) as url, product(POSTMTA_DATABASE_URL=url) as service:
        node = _Node(service, url)
        try:
            node.send()
            yield node.send, node.copy
        finally:
            node.close()


add(
    Row(
        name="ingest-postgresql",
        what="log records into PostgreSQL, HTTP to commit, batches of 500",
        against="COPY of the same rows, two indexes",
        unit="records/s",
        reach=0.50,
        sides=_sides,
    )
)
