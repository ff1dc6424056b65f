"""The relay: from the outbox into a node that answers at once, against a client that injects one message per call.

Both sides start from the same messages in a database. Ours leases them, packs them, and writes what became of each;
the other has them in memory, and keeps no account.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import itertools
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import msgspec
import uvloop

from bench.accepting import MAIL
from bench.instant_node import instant_node
from bench.rows import Measure, Row, Sample, add
from bench.servers import ENVIRONMENT, product
from postmta_ctl.assembly import create_system
from postmta_ctl.core import kept_content
from postmta_ctl.core.inject import InjectItem, pack
from postmta_ctl.core.mime import Content
from postmta_ctl.features.messages.relay import relay
from postmta_ctl.logging import configure_logging
from postmta_ctl.settings import load

MESSAGES, BATCH, CONNECTIONS = 20_000, 100, 32
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
"""When a single message was due, which either side sends before the clock is started: the first one loads the client
and the statements, which a service did long ago."""


@contextmanager
def _sides() -> Iterator[tuple[Measure, Measure]]:
    with tempfile.TemporaryDirectory(prefix="postmta-bench-") as folder, instant_node() as url:
        data = Path(folder) / "data"
        _fill(data, url)
        yield lambda: _measured("ours", data, url), lambda: _measured("other", data, url)


def _fill(data: Path, url: str) -> None:
    """A database with messages that wait, and a node that has said which release it runs."""
    with product() as service:
        service.call("POST", "/api/v1/nodes", {"name": "n1", "admin_url": url, "policy_dir": str(data / "policy")})
        messages = [_mail(number) for number in range(MESSAGES)]
        service.call("POST", "/api/v1/messages/send", _mail(MESSAGES))
        for start in range(0, MESSAGES, BATCH):
            service.call("POST", "/api/v1/messages/batch", {"messages": messages[start : start + BATCH]})
        service.stop()
        shutil.copytree(service.data_dir, data, dirs_exist_ok=True)
    with closing(sqlite3.connect(data / "postmta.db")) as database, database:
        database.execute("UPDATE nodes SET running_release = 1")
        database.execute("UPDATE outbox SET due_at = 0 WHERE recipient_id = (SELECT min(recipient_id) FROM outbox)")


def _mail(number: int) -> dict[str, object]:
    """About 2 KB, different from every other."""
    words = f"Thank you for your order {number}. "
    more = {"to": [f"Bob <bob{number}@dest.test>"], "subject": f"Your order {number}", "text": words * 62}
    return MAIL | more


def _measured(side: str, data: Path, url: str) -> Sample:
    """In a process of its own, over a copy of the data."""
    with tempfile.TemporaryDirectory(prefix="postmta-bench-") as folder:
        copy = Path(folder) / "data"
        shutil.copytree(data, copy)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("POSTMTA_")}
        own = {"POSTMTA_DATA_DIR": str(copy), "POSTMTA_LOG_LEVEL": "warning"}
        command = [sys.executable, "-m", "bench.relaying", side, url]
        done = subprocess.run(command, env=inherited | ENVIRONMENT | own, stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=Sample)


async def _ours(_url: str) -> Sample:
    settings = load()
    configure_logging(settings)
    system = create_system(settings)
    await relay(dataclasses.replace(system, now=lambda: LONG_AGO))
    started, cpu = _started()
    while await relay(system):
        pass
    sample = _sample(started, cpu)
    await system.kumod.close()
    await system.db.close()
    _require_empty(system.settings.data_dir)
    return sample


def _require_empty(data: Path) -> None:
    with closing(sqlite3.connect(data / "postmta.db")) as database:
        (waiting,) = database.execute("SELECT count(*) FROM outbox").fetchone()
        (injected,) = database.execute("SELECT count(*) FROM messages WHERE status = 'injected'").fetchone()
    if (waiting, injected) != (0, MESSAGES + 1):
        raise RuntimeError(f"{waiting} wait, {injected} are injected")


async def _other(url: str) -> Sample:
    with closing(sqlite3.connect(load().data_dir / "postmta.db")) as database:
        rows = database.execute(
            "SELECT r.id, r.address, r.message_id, c.content"
            " FROM recipients r JOIN message_contents c ON c.message_id = r.message_id"
        ).fetchall()
    waiting = iter([(rid, address, mid, kept_content.read(raw).opened()) for rid, address, mid, raw in rows])

    async def inject(session: aiohttp.ClientSession, waiting: Iterable[tuple[str, str, str, Content]]) -> None:
        for rid, address, message_id, content in waiting:
            item = InjectItem(
                rid=rid,
                address=address,
                message_id=message_id,
                envelope_sender="b@bounce.test",
                headers=content.headers,
                text=content.text,
            )
            (call,) = pack([item])
            async with session.post(f"{url}/api/inject/v1", data=call.body) as answer:
                assert msgspec.json.decode(await answer.read())["success_count"] == 1

    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    headers = {"Content-Type": "application/json", "Authorization": "Bearer x"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        await inject(session, itertools.islice(waiting, 1))
        started, cpu = _started()
        await asyncio.gather(*(inject(session, waiting) for _ in range(CONNECTIONS)))
        return _sample(started, cpu)


def _started() -> tuple[float, float]:
    """The clocks, where a process stands that has served for long: see ``serving`` about what it has loaded."""
    gc.collect()
    gc.freeze()
    return time.perf_counter(), time.process_time()


def _sample(started: float, cpu: float) -> Sample:
    return Sample(value=MESSAGES / (time.perf_counter() - started), cpu=(time.process_time() - cpu) / MESSAGES)


add(
    Row(
        name="relay",
        what="outbox to a node that answers at once",
        against="one inject call per message, aiohttp, 32 connections",
        unit="messages/s",
        reach=4,
        sides=_sides,
    )
)


if __name__ == "__main__":
    found = uvloop.run({"ours": _ours, "other": _other}[sys.argv[1]](sys.argv[2]))
    sys.stdout.buffer.write(msgspec.json.encode(found))
