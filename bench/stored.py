"""A database that has seen much: events with their messages and recipients, and the roll-ups, made by SQL."""

from __future__ import annotations

import os
import sqlite3
import time

MANY = int(os.environ.get("BENCH_EVENTS", "10000000"))
"""Events of the large database; ``make bench ONLY=… BENCH_EVENTS=200000`` is a short run."""
PER_MESSAGE = 4
DAYS = 10
_DAY = 86_400 * 1_000_000
_ID = "printf('%08x-%04x-7000-8000-%012x', 26000000 + n / 65536, n % 65536, n)"
_NUMBERS = "WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {count})"
_ADDRESS = (
    "'p' || n || '@' ||"
    " CASE n % 4 WHEN 0 THEN 'gmail.com' WHEN 1 THEN 'yahoo.com' ELSE 'corp' || (n % 40) || '.test' END"
)
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
    SELECT at / {_DAY}, randomblob(16), organization_id, message_id, id, kind, record, at, at, 'bench-1',
        lower(hex(randomblob(16))), address, 'sender@' || substr(address, instr(address, '@') + 1), 'mx1',
        CASE WHEN address LIKE '%gmail.com' THEN 'gmail' ELSE 'other' END, 250, 'queued as 4XyZ1',
        '{{"sender":"b+x@bounce.sender.test","size":2048}}'
    FROM (SELECT r.*, r.status_at AS at, k.kind, k.record FROM recipients r, (
        SELECT 'message.accepted' AS kind, 'Reception' AS record UNION ALL SELECT 'message.deferred', 'TransientFailure'
        UNION ALL SELECT 'message.deferred', 'TransientFailure' UNION ALL SELECT 'message.delivered', 'Delivery') k)"""
_TYPES = """
    INSERT INTO rollup_types (organization_id, slot, type, count)
    SELECT organization_id, occurred_at / 900000000 * 900000000, type, count(*) FROM events GROUP BY 1, 2, 3"""
_DIMENSION = """
    INSERT INTO rollup_dimensions (organization_id, dimension, hour, value, type, count)
    SELECT organization_id, '{name}', occurred_at / 3600000000 * 3600000000, {value}, type, count(*)
    FROM events GROUP BY 1, 2, 3, 4, 5"""
_ATTEMPTS = """
    INSERT INTO rollup_attempts (organization_id, vmta, hour, provider, code_class, count)
    SELECT organization_id, vmta, occurred_at / 3600000000 * 3600000000, provider, code / 100, count(*)
    FROM events WHERE record_type IN ('Delivery', 'TransientFailure') GROUP BY 1, 2, 3, 4, 5"""
_DIMENSIONS = {
    "sending_domain": "'sender.test'",
    "recipient_domain": "substr(recipient, instr(recipient, '@') + 1)",
    "vmta": "vmta",
    "provider": "provider",
}


def fill(database: sqlite3.Connection, organization_id: str, count: int) -> list[str]:
    """Store so many events of the last days, with all that belongs to them; the ids of some of the messages."""
    messages = count // PER_MESSAGE
    step = DAYS * _DAY // messages
    values = {
        "count": messages,
        "organization": organization_id,
        "start": int(time.time()) * 1_000_000 - DAYS * _DAY,
        "step": step,
    }
    statements = [_MESSAGES.format(**values), _RECIPIENTS.format(**values), _EVENTS, _TYPES, _ATTEMPTS]
    statements += [_DIMENSION.format(name=name, value=value) for name, value in _DIMENSIONS.items()]
    for statement in statements:
        database.execute("BEGIN IMMEDIATE")
        database.execute(statement)
        database.execute("COMMIT")
    database.execute("ANALYZE")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    some = database.execute("SELECT id FROM messages WHERE rowid % ? = 0 LIMIT 200", (max(1, messages // 200),))
    return [row[0] for row in some]
