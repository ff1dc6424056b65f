"""Log records: from the HTTP request of a node to the commit, and what is read of them afterwards."""

from __future__ import annotations

import http.client
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench import records, stored
from bench.rows import Measure, Row, Sample, add
from bench.servers import cpu_seconds, product
from tests.serving import Service, free_port

PEOPLE, CONNECTIONS, READS = 9_000, 4, 200
"""Recipients of a round, some 20,000 records; requests at one time; requests whose times are compared."""


class Teller:
    """Who sends a service log records, over several connections.

    Args:
        service: Told; it has the node of :mod:`bench.records`.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.bodies: list[bytes] = []

    def send(self) -> Sample:
        """Records a second, until the last answer."""
        count = sum(body.count(b"\n") + 1 for body in self.bodies)
        before, began = cpu_seconds(self.service.pid), time.perf_counter()
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(self._post_each, [self.bodies[first::CONNECTIONS] for first in range(CONNECTIONS)]))
        seconds = time.perf_counter() - began
        return Sample(value=count / seconds, cpu=(cpu_seconds(self.service.pid) - before) / count)

    def _post_each(self, bodies: list[bytes]) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=60)) as connection:
            for body in bodies:
                connection.request("POST", "/ingest/v1/logs", body, {"Authorization": f"Bearer {records.TOKEN}"})
                answer = connection.getresponse()
                text = answer.read()
                if answer.status != 200:
                    raise RuntimeError(f"{answer.status} {text!r}")


class _Node:
    """A service over SQLite with the node of :mod:`bench.records`, which sends it log records."""

    def __init__(self, service: Service) -> None:
        self.service, self._teller = service, Teller(service)
        self.database = records.connect(service.data_dir / "postmta.db")
        query = "SELECT id, slug FROM organizations ORDER BY created_at LIMIT 1"
        self.organization_id, self._slug = self.database.execute(query).fetchone()

    def prepare(self) -> None:
        """Mail to new recipients, and what is to be told of it."""
        people = records.add_people(self.database, PEOPLE)
        lines = records.records(people, self._slug, datetime.now(UTC) - timedelta(minutes=1))
        self._teller.bodies = list(records.batches(lines))

    def send(self) -> Sample:
        """Tell what was prepared; records a second until the last answer."""
        self.prepare()
        return self.send_again()

    def send_again(self) -> Sample:
        """The same records once more."""
        return self._teller.send()

    def counts(self) -> list[tuple[object, ...]]:
        """What repeats must not change."""
        return [
            self.database.execute(f"SELECT count(*), sum(count) FROM {table}").fetchone()
            for table in ("rollup_types", "rollup_dimensions", "rollup_attempts")
        ] + [self.database.execute("SELECT count(*), max(id) FROM events").fetchone()]

    def close(self) -> None:
        self.database.close()


@contextmanager
def _node(**environment: str) -> Iterator[_Node]:
    with product(**environment) as service, closing(_Node(service)) as node:
        records.add_node(node.database)
        yield node


class _Raw:
    """The same rows by nothing but ``executemany``: a transaction of 500, two indexes, the same durability."""

    def __init__(self, node: _Node) -> None:
        self._rows_of = node.database
        self._path = Path(node.service.data_dir) / "raw.db"
        self._last = 0
        self._database = records.connect(self._path)
        columns = [row[1] for row in self._rows_of.execute("PRAGMA table_info(events)")][1:]
        self._names = ", ".join(columns)
        self._database.execute(f"CREATE TABLE events (id INTEGER PRIMARY KEY, {self._names})")
        self._database.execute("CREATE INDEX by_recipient ON events (recipient_id)")
        self._database.execute("CREATE INDEX by_time ON events (organization_id, occurred_at)")
        self._insert = f"INSERT INTO events ({self._names}) VALUES ({', '.join('?' * len(columns))})"
        self._rows: list[tuple[object, ...]] = []

    def write(self) -> Sample:
        """Rows a second; those that the service has made of the newest records, or the same again."""
        query = f"SELECT {self._names} FROM events WHERE id > ?"
        self._rows = self._rows_of.execute(query, (self._last,)).fetchall() or self._rows
        (self._last,) = self._rows_of.execute("SELECT max(id) FROM events").fetchone()
        began, cpu = time.perf_counter(), time.process_time()
        for first in range(0, len(self._rows), records.BATCH):
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany(self._insert, self._rows[first : first + records.BATCH])
            self._database.execute("COMMIT")
        seconds = time.perf_counter() - began
        return Sample(value=len(self._rows) / seconds, cpu=(time.process_time() - cpu) / len(self._rows))


@contextmanager
def _against_raw(*, webhooks: bool) -> Iterator[tuple[Measure, Measure]]:
    # Nobody listens there: each delivery is tried, and put off.
    local = {"POSTMTA_WEBHOOK_ALLOW_HTTP": "true", "POSTMTA_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8"}
    with _node(**local) as node:
        if webhooks:
            node.service.call("POST", "/api/v1/webhooks", {"url": f"http://127.0.0.1:{free_port()}/hook"})
        node.send()
        yield node.send, _Raw(node).write


@contextmanager
def _rollup_rows() -> Iterator[tuple[Measure, Measure]]:
    with stored.serving(stored.MANY) as service, closing(_Node(service)) as node:

        def rows(*tables: str) -> Measure:
            count = " + ".join(f"(SELECT count(*) FROM {table})" for table in tables)
            return lambda: Sample(value=float(node.database.execute(f"SELECT {count}").fetchone()[0]))

        yield rows("rollup_types", "rollup_dimensions", "rollup_attempts"), rows("events")


@contextmanager
def _again() -> Iterator[tuple[Measure, Measure]]:
    with _node() as node:
        node.send()

        def repeated() -> Sample:
            before = node.counts()
            sample = node.send_again()
            if node.counts() != before:
                raise RuntimeError("the same records changed a count")
            return Sample(value=1e6 / sample.value, cpu=sample.cpu)

        def first() -> Sample:
            sample = node.send()
            return Sample(value=1e6 / sample.value, cpu=sample.cpu)

        yield repeated, first


@contextmanager
def _stored(fewer: int, measure: Callable[[_Node, list[str]], Measure]) -> Iterator[tuple[Measure, Measure]]:
    with (
        stored.serving(stored.MANY) as many,
        stored.serving(stored.MANY // fewer) as few,
        closing(_Node(many)) as ours,
        closing(_Node(few)) as other,
    ):
        ids = stored.some_messages(ours.database), stored.some_messages(other.database)
        yield measure(ours, ids[0]), measure(other, ids[1])


def _slowest(paths: Callable[[sqlite3.Connection, list[str]], list[str]]) -> Callable[[_Node, list[str]], Measure]:
    """Milliseconds in which 95 of 100 requests are answered."""

    def measure(node: _Node, ids: list[str]) -> Measure:
        found = paths(node.database, ids)

        def once() -> Sample:
            taken = []
            for number in range(READS):
                began = time.perf_counter()
                node.service.call("GET", found[number % len(found)])
                taken.append((time.perf_counter() - began) * 1000)
            return Sample(value=statistics.quantiles(taken, n=20)[-1])

        return once

    return measure


def _by_recipient(database: sqlite3.Connection, ids: list[str]) -> list[str]:
    marks = ", ".join("?" * len(ids))
    rows = database.execute(f"SELECT address FROM recipients WHERE id IN ({marks})", ids)
    return [f"/api/v1/messages?to={address}" for (address,) in rows]


def _sides(
    fewer: int, measure: Callable[[_Node, list[str]], Measure]
) -> Callable[[], AbstractContextManager[tuple[Measure, Measure]]]:
    return lambda: _stored(fewer, measure)


_RAW = "sqlite3.executemany of the same rows, two indexes"
_NOTE = f"{stored.MANY:,} stored events"
for _name, _webhooks, _reach in (("ingest", False, 0.40), ("ingest-webhooks", True, 0.20)):
    add(
        Row(
            name=_name,
            what=f"log records, HTTP to commit, batches of 500{', a delivery to a webhook each' if _webhooks else ''}",
            against=_RAW,
            unit="records/s",
            reach=_reach,
            sides=lambda webhooks=_webhooks: _against_raw(webhooks=webhooks),  # type: ignore[misc]
        )
    )
add(
    Row(
        name="ingest-again",
        what="the same records again, no count changed",
        against="the first time",
        unit="µs/record",
        reach=1.0,
        better="less",
        sides=_again,
    )
)
add(
    Row(
        name="rollup-rows",
        what=f"rows of the roll-ups of {stored.DAYS} days, not folded, {stored.MANY:,} stored events",
        against="rows of the events",
        unit="rows",
        reach=0.01,
        better="less",
        rounds=1,
        sides=_rollup_rows,
    )
)
add(
    Row(
        name="ingest-stored",
        what=f"ingestion beside {_NOTE}",
        against="beside a hundredth",
        unit="records/s",
        reach=0.70,
        sides=_sides(100, lambda node, _: node.send),
    )
)
_OVERVIEW = [f"/api/v1/analytics/{one}" for one in ("summary", "timeseries", "isp")]
for _name, _what, _fewer, _reach, _paths in (
    ("dashboards", "p95 of analytics", 10, 1.5, lambda *_: _OVERVIEW),
    ("message-by-id", "p95 of one message", 100, 3.0, lambda _, ids: [f"/api/v1/messages/{one}" for one in ids]),
    ("message-by-recipient", "p95 of a search by recipient", 100, 3.0, _by_recipient),
):
    add(
        Row(
            name=_name,
            what=f"{_what}, {_NOTE}",
            against=f"1/{_fewer} of them",
            unit="ms",
            reach=_reach,
            better="less",
            sides=_sides(_fewer, _slowest(_paths)),
        )
    )
