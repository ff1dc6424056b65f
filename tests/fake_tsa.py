"""A TSA daemon that has decided what a test says, or answers nonsense, or nothing."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


class FakeTsa:
    """Serves on loopback while it is open.

    Attributes:
        ready, scheduled, bounced: What is held and bounced, in the daemon's form.
        limits: The TOML of its overrides.
        body: Answered to everything instead, as it stands.
        hangs: Answer nothing until the test is over.
    """

    def __init__(self) -> None:
        self.ready: list[dict[str, Any]] = []
        self.scheduled: list[dict[str, Any]] = []
        self.bounced: list[dict[str, Any]] = []
        self.limits = ""
        self.body: bytes | None = None
        self.hangs = False
        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        daemon = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if daemon.hangs:
                    daemon._over.wait()
                    return
                body = daemon.body if daemon.body is not None else daemon._answer(self.path)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def _answer(self, path: str) -> bytes:
        if path.endswith("shaping.toml"):
            return self.limits.encode()
        if path.endswith("suspended.json"):
            return json.dumps({"ready_q": self.ready, "sched_q": self.scheduled}).encode()
        return json.dumps(self.bounced).encode()

    def __enter__(self) -> FakeTsa:
        self._thread.start()
        return self

    def __exit__(self, *_error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
