"""A real KumoMTA with our policy: mail through our API until the node has it, against mail injected into such a node.

The other node has the processors for itself: no service of ours runs beside it, and its log records go to somebody who
takes them at once. Both sides send the same messages and end when the node's own counter says that it has received all.
What it received stays there, in a suspended queue: delivery is no part of it.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import msgspec

from bench.accepting import MAIL
from bench.instant_node import instant_node
from bench.load import Task, load
from bench.rows import Measure, Row, Sample, add
from bench.servers import ENVIRONMENT, cpu_seconds, request
from postmta_ctl.core import kept_content
from postmta_ctl.core.inject import InjectItem, pack
from postmta_ctl.core.mime import Content
from tests.e2e.installation import Installation, installed
from tests.e2e.kumod import KUMOD, Kumod
from tests.e2e.sink import Sink
from tests.serving import wait_for

MESSAGES, BATCH = 3000, 100
CONNECTIONS, BATCH_CONNECTIONS, DIRECT_CONNECTIONS = 16, 4, 16
PATIENCE = 120.0
QUIET, IDLE = 0.5, 0.15
"""Seconds of looking, and the share of a processor below which nothing is being done any more."""
_numbers = count()


@contextmanager
def _installation() -> Iterator[Installation]:
    with tempfile.TemporaryDirectory(prefix="postmta-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # kumod runs as somebody else
        with installed(folder, prepare=_as_shipped, **ENVIRONMENT) as here:
            _hold(here)
            yield here


@contextmanager
def _node_alone() -> Iterator[Installation]:
    """The same without a service."""
    with _installation() as here, instant_node() as records:
        here.service.stop()
        here.kumod.stop()
        file = here.kumod.policy_dir / "node.json"
        file.write_text(json.dumps(json.loads(file.read_bytes()) | {"ingest_url": records}))
        here.kumod.start()
        _hold(here)
        yield here


def _hold(here: Installation) -> None:
    _ask(here, "POST", "/api/admin/suspend/v1", {"reason": "bench", "domain": "dest.test", "duration": "1 day"})


def _as_shipped(policy: dict[str, Any], _kumod: Kumod, _sink: Sink) -> None:
    """Spool and retries as an installation has them that says nothing."""
    for name in ("spool_kind", "retry_interval", "max_retry_interval"):
        del policy[name]


def _ask(here: Installation, method: str, path: str, body: Any = None) -> Any:
    answer = httpx.request(method, here.kumod.url + path, json=body, headers=_token(here), trust_env=False)
    return answer.raise_for_status().json()


def _token(here: Installation) -> dict[str, str]:
    node = json.loads((here.kumod.policy_dir / "node.json").read_bytes())
    return {"Authorization": f"Bearer {node['admin_token']}"}


def _received(here: Installation) -> int:
    """Messages that the node has taken by HTTP since it was started; it counts from the first one."""
    counter = _ask(here, "GET", "/metrics.json").get("total_messages_received")
    return int(counter["value"]["service"].get("http_listener", 0)) if counter else 0


def _mail() -> dict[str, Any]:
    """About 2 KB, to somebody else each time."""
    return MAIL | {"to": [f"Bob <bob{next(_numbers)}@dest.test>"]}


def _until_there(here: Installation, task: Task, status: str, process: int) -> Sample:
    """Messages a second, from the first request until the node has them all; CPU until nothing is left to do."""
    before, cpu = _received(here), cpu_seconds(process)
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load, task)
        wait_for(lambda: _received(here) >= before + MESSAGES, "the node having it all", PATIENCE)
        ended, done = time.perf_counter(), loading.result()
    if set(done.answers) != {status}:
        raise RuntimeError(f"expected answers {status}, got {done.answers}")
    _wait_until_quiet(process)
    return Sample(value=MESSAGES / (ended - done.began), cpu=(cpu_seconds(process) - cpu) / MESSAGES)


def _wait_until_quiet(*processes: int) -> None:
    """Log records are told after the mail was taken, and that is done when the other side begins."""

    def is_quiet() -> bool:
        before = sum(map(cpu_seconds, processes))
        time.sleep(QUIET)
        return sum(map(cpu_seconds, processes)) - before < IDLE * QUIET

    wait_for(is_quiet, "nothing left to do", PATIENCE)


def _through_us(here: Installation, connections: int, batch: int) -> Sample:
    headers = {"Authorization": str(here.service.http.headers["Authorization"])}
    if batch > 1:
        bodies = [{"messages": [_mail() for _ in range(batch)]} for _ in range(MESSAGES // batch)]
        path = "/api/v1/messages/batch"
    else:
        bodies, path = [_mail() for _ in range(MESSAGES)], "/api/v1/messages/send"
    requests = [request("POST", path, msgspec.json.encode(body), headers) for body in bodies]
    task = Task(port=here.service.port, requests=requests, connections=connections, seconds=PATIENCE, once=True)
    return _until_there(here, task, "202", here.service.pid)


def _direct(here: Installation, content: Content) -> Sample:
    headers = _token(here)
    bodies = [_injection(f"bob{next(_numbers)}@dest.test", content) for _ in range(MESSAGES)]
    task = Task(
        port=here.kumod.http_port,
        requests=[request("POST", "/api/inject/v1", body, headers) for body in bodies],
        connections=DIRECT_CONNECTIONS,
        seconds=PATIENCE,
        once=True,
    )
    return _until_there(here, task, "200", here.kumod.pid)


def _injection(address: str, content: Content) -> bytes:
    """A request of one message, as the relay would write it."""
    rid = str(uuid.uuid4())
    item = InjectItem(
        rid=rid,
        address=address,
        message_id=rid,
        envelope_sender="b@bounce.postmta.test",
        headers=content.headers | {"To": address, "Message-ID": f"<{rid}@sender.test>"},
        text=content.text,
        metadata={"tenant": "sender", "attempt": 0},
    )
    (call,) = pack([item])
    return call.body


def _content(here: Installation) -> Content:
    """Of a message that our API was given."""
    message = here.service.call("POST", "/api/v1/messages/send", _mail())
    with closing(sqlite3.connect(here.service.data_dir / "postmta.db")) as database:
        query = "SELECT content FROM message_contents WHERE message_id = ?"
        (raw,) = database.execute(query, (message["id"],)).fetchone()
    _wait_until_quiet(here.service.pid)
    return kept_content.read(raw).opened()


@contextmanager
def _sides(connections: int, batch: int) -> Iterator[tuple[Measure, Measure]]:
    with _installation() as here, _node_alone() as alone:
        yield partial(_through_us, here, connections, batch), partial(_direct, alone, _content(here))


for _name, _what, _connections, _batch in (
    ("kumod", "single sends, 16 connections", CONNECTIONS, 1),
    ("kumod-batch", "batches of 100, 4 connections", BATCH_CONNECTIONS, BATCH),
):
    add(
        Row(
            name=_name,
            what=f"{_what}, until KumoMTA has the mail; CPU of our service",
            against="one inject call per message, 16 connections; CPU of KumoMTA",
            unit="messages/s",
            reach=0.8,
            missing=None if KUMOD else "needs KUMOD=/path/to/kumod",
            sides=partial(_sides, _connections, _batch),
        )
    )
