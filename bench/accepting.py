"""Accepting mail: durable single sends, and batches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from bench.load import Task
from bench.rows import Measure, Row, add
from bench.servers import bare, product, rate, request
from tests.serving import Service

CONNECTIONS, SECONDS = 16, 2.0
BATCH_CONNECTIONS, BATCH_SECONDS = 4, 5.0
"""A batch takes long enough that more would be waiting for each other, and few would end in time."""
MAIL = {
    "from": "Ann <ann@sender.test>",
    "to": ["Bob <bob@dest.test>"],
    "subject": "Your order 4711",
    "text": "Thank you for your order. " * 78,
    "tags": ["orders"],
}
"""About 2 KB."""


def _task(port: int, path: str, body: object, headers: dict[str, str] | None = None) -> Task:
    one = request("POST", path, msgspec.json.encode(body), headers)
    return Task(port=port, requests=[one], connections=CONNECTIONS, seconds=SECONDS)


def _single(service: Service) -> Measure:
    headers = {"Authorization": str(service.http.headers["Authorization"])}
    task = _task(service.port, "/api/v1/messages/send", MAIL, headers)
    return lambda: rate(service.pid, task)


@contextmanager
def _send() -> Iterator[tuple[Measure, Measure]]:
    with product() as service, bare() as (port, process):
        task = _task(port, "/send", MAIL)
        yield _single(service), lambda: rate(process, task)


@contextmanager
def _batch() -> Iterator[tuple[Measure, Measure]]:
    with product() as service:
        headers = {"Authorization": str(service.http.headers["Authorization"])}
        task = _task(service.port, "/api/v1/messages/batch", {"messages": [MAIL] * 100}, headers)
        task = msgspec.structs.replace(task, connections=BATCH_CONNECTIONS, seconds=BATCH_SECONDS)
        yield lambda: rate(service.pid, task, units=100), _single(service)


add(
    Row(
        name="send",
        what="durable single send, 2 KB, 16 connections",
        against="bare Litestar POST that decodes the same body",
        unit="messages/s",
        reach=0.45,
        sides=_send,
    )
)
add(
    Row(
        name="batch",
        what="batch of 100, 4 connections",
        against="single send, 16 connections",
        unit="messages/s",
        reach=5,
        rounds=3,
        sides=_batch,
    )
)
