"""A database that has seen much: events with their messages and recipients, and the roll-ups, made by SQL.

It is filled while nobody uses it, without a journal and without indexes, which are made again when all rows are there.
The roll-ups are counted from the rows, so that they equal them as they would in a database that was told of each.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

from bench import records
from bench.servers import ENVIRONMENT, product
from tests.serving import EMAIL, PASSWORD, Service

MANY = int(os.environ.get("BENCH_EVENTS", "10000000"))
"""Events of the large database; ``make bench ONLY=… BENCH_EVENTS=200000`` is a short run."""
KEPT = os.environ.get("BENCH_STORED")
"""Folder in which the databases are kept and found again; filling the large one takes minutes."""
KEPT_SECONDS = 12 * 3600
"""Then they are made again: their days are the last ones before they were made."""
PER_MESSAGE = 4
DAYS = 10
_DAY = 86_400 * 1_000_000
_SLOT, _HOUR = 15 * 60 * 1_000_000, 3600 * 1_000_000
_ID = "printf('%08x-%04x-7000-8000-%012x', 26000000 + n / 65536, n % 65536, n)"
_NUMBERS = "WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {count})"
_ADDRESS = (
    "'p' || n || '@' ||"
    " CASE n % 4 WHEN 0 THEN 'gmail.com' WHEN 1 THEN 'yahoo.com' ELSE 'corp' || (n % 40) || '.test' END"
)
_PROVIDER = "CASE WHEN {0} LIKE '%@gmail.com' THEN 'gmail' WHEN {0} LIKE '%@yahoo.com' THEN 'yahoo' ELSE 'other' END"
_MESSAGES = f"""
    INSERT INTO messages (id, organization_id, sender, domain, subject, status, tags, metadata, track_opens,
        track_clicks, unsubscribe, created_at)
    {_NUMBERS} SELECT {_ID}, '{{organization}}', 'news@sender.test', 'sender.test', 'Hello', 'delivered', '["news"]',
        '{{{{}}}}', 0, 0, 0, {{start}} + n * {{step}} FROM numbers"""
_RECIPIENTS = f"""
    INSERT INTO recipients (id, message_id, organization_id, address, mailbox, kind, status, status_at, complained,
        attempts, credits)
    {_NUMBERS} SELECT {_ID}, {_ID}, '{{organization}}', {_ADDRESS}, {_ADDRESS}, 'to', 'delivered',
        {{start}} + n * {{step}}, 0, 1, 0 FROM numbers"""
_EVENTS = f"""
    INSERT INTO events (day, dedupe_key, organization_id, message_id, recipient_id, type, record_type, occurred_at,
        received_at, node, spool_id, recipient, queue, vmta, provider, code, reply, details)
    SELECT at / {_DAY}, some_key(at), organization_id, message_id, id, kind, record, at, at, 'bench-1',
        lower(hex(randomblob(16))), address, 'sender@' || substr(address, instr(address, '@') + 1), 'mx1',
        {_PROVIDER.format("address")}, 250, 'queued as 4XyZ1', '{{"sender":"b+x@bounce.sender.test","size":2048}}'
    FROM (SELECT r.*, r.status_at AS at, k.kind, k.record FROM recipients r CROSS JOIN (
        SELECT 'message.accepted' AS kind, 'Reception' AS record UNION ALL SELECT 'message.deferred', 'TransientFailure'
        UNION ALL SELECT 'message.deferred', 'TransientFailure' UNION ALL SELECT 'message.delivered', 'Delivery') k)"""
_DOMAIN = "substr(address, instr(address, '@') + 1)"
_CELLS = f"""
    CREATE TEMP TABLE cells AS
    SELECT organization_id, at / {_SLOT} * {_SLOT} AS slot, at / {_HOUR} * {_HOUR} AS hour, type, is_attempt,
        {_DOMAIN} AS domain, vmta, {_PROVIDER.format("address")} AS provider, code_class, count(*) AS count
    FROM (SELECT organization_id, occurred_at AS at, type, recipient AS address, vmta, code / 100 AS code_class,
            record_type IN ('Delivery', 'TransientFailure') AS is_attempt FROM events
        UNION ALL
        SELECT organization_id, status_at, 'message.queued', address, NULL, NULL, 0 FROM recipients)
    GROUP BY organization_id, slot, type, is_attempt, domain, vmta, code_class"""
_TYPES = """
    INSERT INTO rollup_types (organization_id, slot, type, count)
    SELECT organization_id, slot, type, sum(count) FROM cells GROUP BY 1, 2, 3"""
_DIMENSION = """
    INSERT INTO rollup_dimensions (organization_id, dimension, hour, value, type, count)
    SELECT organization_id, '{name}', hour, {value}, type, sum(count)
    FROM cells WHERE {value} IS NOT NULL GROUP BY 1, 2, 3, 4, 5"""
_ATTEMPTS = """
    INSERT INTO rollup_attempts (organization_id, vmta, hour, provider, code_class, count)
    SELECT organization_id, vmta, hour, provider, code_class, sum(count)
    FROM cells WHERE is_attempt GROUP BY 1, 2, 3, 4, 5"""
_DIMENSIONS = {
    "sending_domain": "'sender.test'",
    "recipient_domain": "domain",
    "vmta": "vmta",
    "provider": "provider",
    "tag": "'news'",
}
_FAST = ("journal_mode=OFF", "synchronous=OFF", "cache_size=-1000000", "temp_store=MEMORY", "locking_mode=EXCLUSIVE")


@contextmanager
def serving(count: int) -> Iterator[Service]:
    """The product over a database with so many events of the last days, somebody logged in."""
    folder = _filled(count)
    with closing(Service(folder, ENVIRONMENT)) as service:
        service.start()
        token = service.call("POST", "/api/v1/auth/login", {"email": EMAIL, "password": PASSWORD})["access_token"]
        service.http.headers["Authorization"] = f"Bearer {token}"
        yield service


@cache
def _filled(count: int) -> Path:
    """Where the data of such a database are; they are made unless they are there."""
    folder = (Path(KEPT) if KEPT else _temporary()) / str(count)
    done = folder / "done"
    if not done.exists() or time.time() - done.stat().st_mtime > KEPT_SECONDS:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with product() as service:
            service.stop()
            shutil.copytree(service.data_dir, folder / "data")
        with closing(records.connect(folder / "data" / "postmta.db")) as database:
            records.add_node(database)
            fill(database, count)
        os.sync()  # not while something is measured
        done.touch()
    return folder


@cache
def _temporary() -> Path:
    _FOLDERS.append(tempfile.TemporaryDirectory(prefix="postmta-bench-"))
    return Path(_FOLDERS[-1].name)


_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []
"""Removed when this process ends."""


def fill(database: sqlite3.Connection, count: int) -> None:
    """Store so many events of the first organization, with all that belongs to them; nobody else may be using it."""
    (organization,) = database.execute("SELECT id FROM organizations ORDER BY created_at LIMIT 1").fetchone()
    messages = count // PER_MESSAGE
    values = {
        "count": messages,
        "organization": organization,
        "start": int(time.time()) * 1_000_000 - DAYS * _DAY,
        "step": DAYS * _DAY // messages,
    }
    for pragma in _FAST:
        database.execute(f"PRAGMA {pragma}")
    database.create_function("some_key", 1, _some_key)
    statements = [_MESSAGES.format(**values), _RECIPIENTS.format(**values), _EVENTS, _CELLS, _TYPES, _ATTEMPTS]
    statements += [_DIMENSION.format(name=name, value=value) for name, value in _DIMENSIONS.items()]
    with _without_indexes(database):
        for statement in statements:
            database.execute(statement)
    database.execute("DROP TABLE cells")
    database.execute("PRAGMA journal_mode=WAL")


def _some_key(at: int) -> bytes:
    """Begins with the time of the day, as :func:`postmta_ctl.core.log_events.dedupe_key` has it."""
    return (at % _DAY // 1000).to_bytes(4, "big") + secrets.token_bytes(12)


@contextmanager
def _without_indexes(database: sqlite3.Connection) -> Iterator[None]:
    """Rows are added to tables; the indexes are sorted at once at the end, but for those of keys."""
    query = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ({})"
    found = database.execute(query.format("'events', 'messages', 'recipients'")).fetchall()
    for name, _ in found:
        database.execute(f"DROP INDEX {name}")
    yield
    for _, sql in found:
        database.execute(sql)


def some_messages(database: sqlite3.Connection, count: int = 200) -> list[str]:
    """Ids of messages from all over the time."""
    (last,) = database.execute("SELECT max(rowid) FROM messages").fetchone()
    query = "SELECT id FROM messages WHERE rowid = ?"
    found = [database.execute(query, (last * number // count,)).fetchone() for number in range(1, count + 1)]
    return [row[0] for row in found if row]
