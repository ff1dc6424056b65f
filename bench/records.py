"""Mail that nodes log of: messages and recipients put straight into the database, and the log records about them."""

from __future__ import annotations

import random
import sqlite3
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from postmta_ctl.core.ids import new_id
from postmta_ctl.core.tokens import digest
from postmta_ctl.store.types import to_micros

NODE, TOKEN = "bench-1", "bench-ingest-token"
BATCH = 500
"""Records of one request: what the log hook sends at most."""
DOMAINS = ["gmail.com", "yahoo.com", "outlook.com", "web.de", *(f"corp{number}.test" for number in range(46))]
WEIGHTS = [30, 15, 15, 5, *([1] * 46)]
"""Half a dozen providers have most of the mail, as everywhere."""
_PER_MESSAGE = 50


class Person(msgspec.Struct, frozen=True):
    """A recipient that mail is under way to."""

    rid: str
    spool_id: str
    address: str


def connect(path: Path) -> sqlite3.Connection:
    """A connection of the kind that the product has."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def add_node(database: sqlite3.Connection) -> None:
    """A node whose token is known."""
    insert(database, "nodes", [node()])


def node() -> dict[str, Any]:
    """The row of a node whose token is known."""
    return {
        "id": new_id(datetime.now(UTC)),
        "name": NODE,
        "kind": "kumod",
        "transport": "folder",
        "admin_url": "http://127.0.0.1:1",
        "policy_dir": "/nonexistent",
        "weight": 1,
        "order_replaces": False,
        "ingest_token_digest": digest(TOKEN),
        "sealed_ingest_token": b"",
        "sealed_admin_token": b"",
        "created_at": to_micros(datetime.now(UTC)),
    }


def insert(database: sqlite3.Connection, table: str, rows: list[dict[str, Any]]) -> None:
    """Insert rows, in a transaction of their own."""
    names = list(rows[0])
    marks = ", ".join("?" * len(names))
    database.execute("BEGIN IMMEDIATE")
    database.executemany(
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", [tuple(row.values()) for row in rows]
    )
    database.execute("COMMIT")


def add_people(database: sqlite3.Connection, count: int) -> list[Person]:
    """Messages to so many recipients, one each, which the relay has brought to the node."""
    (organization_id,) = database.execute("SELECT id FROM organizations ORDER BY created_at LIMIT 1").fetchone()
    found, messages, recipients = people(organization_id, count)
    insert(database, "messages", messages)
    insert(database, "recipients", recipients)
    return found


def people(organization_id: str, count: int) -> tuple[list[Person], list[dict[str, Any]], list[dict[str, Any]]]:
    """The same, and the rows of messages and recipients, to be written by the caller."""
    now = datetime.now(UTC)
    chance = random.Random(count)
    found = []
    messages, recipients = [], []
    for number in range(count):
        one = Person(new_id(now), uuid.uuid4().hex, f"p{number}@{chance.choices(DOMAINS, WEIGHTS)[0]}")
        found.append(one)
        message_id = new_id(now)
        messages.append(_message(message_id, organization_id, number, to_micros(now)))
        recipients.append(_recipient(one, message_id, organization_id, to_micros(now)))
    return found, messages, recipients


def _message(message_id: str, organization_id: str, number: int, at: int) -> dict[str, Any]:
    return {
        "id": message_id,
        "organization_id": organization_id,
        "sender": "news@sender.test",
        "domain": "sender.test",
        "subject": "Your order",
        "status": "injected",
        "tags": f'["tag{number // _PER_MESSAGE % 5}"]',
        "metadata": '{"order": 4711}',
        "track_opens": 0,
        "track_clicks": 0,
        "unsubscribe": 0,
        "created_at": at,
    }


def _recipient(one: Person, message_id: str, organization_id: str, at: int) -> dict[str, Any]:
    return {
        "id": one.rid,
        "message_id": message_id,
        "organization_id": organization_id,
        "address": one.address,
        "mailbox": one.address,
        "kind": "to",
        "status": "injected",
        "status_at": at,
        "complained": 0,
        "attempts": 0,
        "credits": 0,
        "credit_state": "reserved",
    }


def records(people: list[Person], organization: str, at: datetime) -> Iterator[bytes]:
    """What a node logs of mail to them: a Reception and a Delivery each, for every fifth a deferral between the two,
    and for every twenty-fifth a Bounce at the end."""
    for number, one in enumerate(people):
        base = _record(one, organization, at + timedelta(microseconds=number))
        yield msgspec.json.encode(base | {"type": "Reception", "response": _response(250, "", None)})
        attempt = base | _attempt(one, organization)
        if number % 5 == 0:
            yield msgspec.json.encode(attempt | {"type": "TransientFailure", "response": _response(451, "4.7.1 later")})
            attempt["num_attempts"] = 1
        if number % 25 == 24:
            yield msgspec.json.encode(attempt | {"type": "Bounce", "response": _response(550, "no such user")})
        else:
            yield msgspec.json.encode(attempt | {"type": "Delivery", "response": _response(250, "queued as 4XyZ1")})


def _record(one: Person, organization: str, at: datetime) -> dict[str, Any]:
    domain = one.address.partition("@")[2]
    return {
        "type": "",
        "id": one.spool_id,
        "sender": f"b+{one.rid}@bounce.sender.test",
        "recipient": one.address,
        "queue": f"{organization}@{domain}",
        "site": "",
        "size": 2048,
        "response": {},
        "peer_address": {"name": "", "addr": "127.0.0.1"},
        "timestamp": int(at.timestamp()),
        "event_time": at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z",
        "created": int(at.timestamp()),
        "created_time": at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z",
        "num_attempts": 0,
        "bounce_classification": "Uncategorized",
        "egress_pool": None,
        "egress_source": None,
        "source_address": None,
        "feedback_report": None,
        "meta": {"tenant": organization, "x_rid": one.rid, "x_release": 1},
        "headers": {},
        "delivery_protocol": None,
        "reception_protocol": "HTTP",
        "nodeid": "11111111-2222-3333-4444-555555555555",
    }


def _attempt(one: Person, organization: str) -> dict[str, Any]:
    domain = one.address.partition("@")[2]
    return {
        "site": f"{organization}.mx1.r1->mx_list:{domain}@smtp_client",
        "peer_address": {"name": f"mx.{domain}", "addr": "192.0.2.25"},
        "egress_pool": organization,
        "egress_source": f"{organization}.mx1.r1",
        "source_address": {"address": "192.0.2.1:44475"},
        "delivery_protocol": "ESMTP",
        "session_id": "3d1dd95a-6e29-4071-b9ef-543c336815a9",
        "tls_protocol_version": "TLSv1.3",
    }


def _response(code: int, content: str, command: str | None = ".\r\n") -> dict[str, Any]:
    enhanced = {"class": code // 100, "subject": 1 if code == 550 else 0, "detail": 1 if code == 550 else 0}
    return {"code": code, "enhanced_code": enhanced, "content": content, "command": command}


def batches(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Bodies of requests: records in the order in which they came, so many at a time."""
    held: list[bytes] = []
    for line in lines:
        held.append(line)
        if len(held) == BATCH:
            yield b"\n".join(held)
            held = []
    if held:
        yield b"\n".join(held)
