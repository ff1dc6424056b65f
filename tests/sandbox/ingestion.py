"""The control plane's end of the log hook."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Ingestion:
    """Keeps the records that come in, or answers what it is told to."""

    url: str
    records: list[dict[str, Any]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)
    """Statuses to answer instead, one a request."""
    authorizations: set[str | None] = field(default_factory=set)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, enough: Callable[[list[dict[str, Any]]], bool], seconds: float = 60.0) -> list[dict[str, Any]]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: enough(self.records), seconds), [
                (record["type"], record["recipient"]) for record in self.records
            ]
            return list(self.records)

    def of(self, recipient: str) -> list[dict[str, Any]]:
        return [record for record in self.records if record["recipient"] == recipient]

    def wait_for_type(self, recipient: str, kind: str, seconds: float = 60.0) -> dict[str, Any]:
        def found(records: list[dict[str, Any]]) -> bool:
            return any(record["type"] == kind and record["recipient"] == recipient for record in records)

        records = self.wait_for(found, seconds)
        return next(record for record in records if record["type"] == kind and record["recipient"] == recipient)


@contextmanager
def running_ingestion() -> Iterator[Ingestion]:
    """An HTTP server for one test."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = self._take(body)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _take(self, body: bytes) -> int:
            with ingestion.arrived:
                ingestion.authorizations.add(self.headers.get("Authorization"))
                if ingestion.refusals:
                    return ingestion.refusals.pop(0)
                lines = [json.loads(line) for line in body.splitlines()]
                ingestion.records += lines
                ingestion.batches.append(len(lines))
                ingestion.arrived.notify_all()
            return 200

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ingestion = Ingestion(f"http://127.0.0.1:{server.server_port}/ingest")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield ingestion
    server.shutdown()
    thread.join()
    server.server_close()
