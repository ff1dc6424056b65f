"""A sandbox node in a process of its own, which lives on while the control plane dies."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec

from postmta_ctl.features.ingest.importer import read_lines
from tests.serving import Service, free_port

TIME_SCALE = 600
STOP_SECONDS = 20.0


class Response(msgspec.Struct):
    """What a receiver said."""

    content: str = ""


class Record(msgspec.Struct):
    """What of KumoMTA's log record is looked at."""

    type: str
    recipient: str | list[str]
    response: Response
    reception_protocol: str | None = None


class Node:
    """The node, its faults, and its log."""

    def __init__(self, service: Service) -> None:
        self.folder, self.port = service.data_dir / "sandbox", free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        service.call("POST", "/api/v1/nodes", {"name": "mx-1", "admin_url": self.url, "policy_dir": str(self.folder)})
        # The node does not start without a policy; that it does not say what it runs is expected.
        service.call("POST", "/api/v1/policy/publish", {})
        own = json.loads((self.folder / "node.json").read_text())
        self.ingest_url, self.ingest_token = own["ingest_url"], own["ingest_token"]
        headers = {"Authorization": f"Bearer {own['admin_token']}"}
        self.http = httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "postmta_ctl.sandbox", "--policy-dir", str(self.folder)]
        command += ["--listen", f"127.0.0.1:{self.port}", "--time-scale", str(TIME_SCALE), "--open-faults"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert json.loads(self._process.stdout.readline())["url"] == self.url

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.communicate()
        self._process = None

    def close(self) -> None:
        self.http.close()
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=STOP_SECONDS)

    def order(self, mode: str, count: int) -> None:
        """Misbehave at the next calls, see :mod:`postmta_ctl.sandbox.faults`."""
        self.call("POST", "/sandbox/faults", {"mode": mode, "count": count})

    def ordered(self) -> int:
        """How many calls are still to meet a fault."""
        answer = self.call("GET", "/sandbox/faults")
        return sum(one["count"] for one in answer["ordered"])

    def holds(self) -> list[dict[str, Any]]:
        """The suspensions of scheduled queues that are in force."""
        found: list[dict[str, Any]] = self.call("GET", "/api/admin/suspend/v1")
        return found

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.request(method, path, json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return json.loads(answer.content) if answer.content else None

    def log(self) -> list[bytes]:
        """The lines of its local log, as far as they are written out."""
        return list(logged(self.logs))

    @property
    def logs(self) -> Path:
        return self.folder / "logs"


def logged(logs: Path) -> Iterator[bytes]:
    """The lines of a node's local log."""
    for segment in sorted(logs.iterdir()):
        yield from read_lines(segment)


def ended(logs: Path) -> Counter[str]:
    """How often each address got a message or was refused it for good, those of log records to us left out."""
    found: Counter[str] = Counter()
    for line in logged(logs):
        record = msgspec.json.decode(line, type=Record)
        is_end = record.type in ("Delivery", "Bounce", "Expiration")
        # A failure of the node itself is logged as a bounce, and is none.
        is_internal = "KumoMTA internal" in record.response.content
        if is_end and not is_internal and record.reception_protocol != "LogRecord":
            assert isinstance(record.recipient, str)
            found[record.recipient] += 1
    return found
