"""The service is killed in the middle of a thousand sends, again and again; nothing that it acknowledged is lost.

A node of its own lives through it, and its fence refuses what comes a second time. The embedded node dies with the
service, and its fence with it: what was in flight then may be delivered twice, and nothing else.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from postmta_ctl.features.ingest.importer import read_lines
from tests.serving import Service, free_port, wait_for

MESSAGES, CLIENTS = 1000, 8
KILL_AFTER = (200, 500, 800)
"""So many were acknowledged when SIGKILL comes."""
LEASE_SECONDS = 4
PATIENCE_SECONDS = 60.0
ENVIRONMENT = {
    "POSTMTA_SANDBOX_TIME_SCALE": "600",
    "POSTMTA_RELAY_LEASE_SECONDS": str(LEASE_SECONDS),
    "POSTMTA_LOG_LEVEL": "warning",
}


class Record(msgspec.Struct):
    """What of KumoMTA's log record is looked at."""

    type: str
    recipient: str | list[str]
    reception_protocol: str | None = None


@pytest.fixture(params=["node of its own", "embedded node"])
def node_survives(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "node of its own")


@pytest.fixture
def service(tmp_path: Path, node_survives: bool) -> Iterator[Service]:
    environment = ENVIRONMENT | {"POSTMTA_EMBEDDED_NODE": str(not node_survives).lower()}
    with ExitStack() as stack:
        service = stack.enter_context(closing(Service(tmp_path, environment)))
        service.start()
        service.register()
        service.verified_domain("sender.test")
        vmta = {"name": "mx1", "ip_address": "192.0.2.1", "ehlo_domain": "mx1.sender.test"}
        service.call("POST", "/api/v1/vmtas", vmta)
        if node_survives:
            stack.enter_context(node_of_its_own(service))
        published = service.call("POST", "/api/v1/policy/publish", {})
        assert all(node["ok"] for node in published["nodes"]), published
        yield service


@contextmanager
def node_of_its_own(service: Service) -> Iterator[None]:
    """A sandbox in a process of its own, in the folder where the embedded one would be."""
    folder, port = service.data_dir / "sandbox", free_port()
    node = {"name": "mx-1", "admin_url": f"http://127.0.0.1:{port}", "policy_dir": str(folder)}
    service.call("POST", "/api/v1/nodes", node)
    service.call("POST", "/api/v1/policy/publish", {})
    command = [sys.executable, "-m", "postmta_ctl.sandbox", "--policy-dir", str(folder)]
    command += ["--listen", f"127.0.0.1:{port}", "--time-scale", "600"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["url"] == node["admin_url"]
        try:
            yield
        finally:
            process.terminate()


class Clients:
    """Concurrent senders, each of which goes on until its message was acknowledged."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = threading.Lock()
        self.acknowledged: dict[str, str] = {}
        """Address to message id, from the moment of the 202."""
        self.interrupted = 0
        """Requests that got no answer, and whose outcome the client could thus not know."""

    def send_all(self) -> None:
        with ThreadPoolExecutor(CLIENTS) as pool:
            for _ in pool.map(self._send, (f"ok{number}@dest.test" for number in range(MESSAGES))):
                pass

    def _send(self, address: str) -> None:
        body = {"from": "ann@sender.test", "to": [address], "subject": "Hello", "text": "Hello."}
        headers = {"Idempotency-Key": address}
        deadline = time.monotonic() + PATIENCE_SECONDS
        while address not in self.acknowledged:
            assert time.monotonic() < deadline, f"{address} was not taken"
            try:
                answer = self._service.http.post("/api/v1/messages/send", json=body, headers=headers)
            except httpx.TransportError:
                with self._lock:
                    self.interrupted += 1
                time.sleep(0.2)
                continue
            assert answer.status_code == 202, answer.text
            with self._lock:
                self.acknowledged[address] = answer.json()["id"]


def test_a_killed_service_loses_no_acknowledged_message(service: Service, node_survives: bool) -> None:
    clients = Clients(service)
    in_flight: set[str] = set()
    with ThreadPoolExecutor(1) as background:
        sending = background.submit(clients.send_all)
        for enough in KILL_AFTER:
            wait_for(lambda: len(clients.acknowledged) >= enough or sending.done(), f"{enough} acknowledged")  # noqa: B023
            service.kill()
            in_flight |= leased(service)
            service.start()
        sending.result(PATIENCE_SECONDS)
    assert clients.interrupted > 0, "no request was under way when the service was killed"
    assert len(set(clients.acknowledged.values())) == MESSAGES

    wait_until_delivered(service, set(clients.acknowledged.values()))
    deliveries = Counter(delivered(service.data_dir / "sandbox" / "logs"))
    assert deliveries.keys() == clients.acknowledged.keys()
    twice = {address for address, times in deliveries.items() if times > 1}
    assert twice <= (set() if node_survives else in_flight)


def leased(service: Service) -> set[str]:
    """The addresses whose mail the dead service's relay had in hand."""
    query = "SELECT address FROM outbox JOIN recipients ON recipients.id = recipient_id WHERE outbox.attempts > 0"
    with closing(sqlite3.connect(service.data_dir / "postmta.db")) as database:
        return {address for (address,) in database.execute(query)}


def wait_until_delivered(service: Service, meant: set[str]) -> None:
    def is_so() -> bool:
        found = statuses(service)
        assert meant >= found.keys(), "a message that nobody was told of"
        return set(found.values()) == {"delivered"} and meant == found.keys()

    try:
        wait_for(is_so, "delivery", PATIENCE_SECONDS)
    except AssertionError:
        found = statuses(service)
        counts = Counter(found.values())
        pytest.fail(f"{len(meant - found.keys())} lost, of the others {dict(counts)}")


def statuses(service: Service) -> dict[str, str]:
    """The status of each message that the service knows."""
    found: dict[str, str] = {}
    cursor = ""
    while True:
        page = service.call("GET", f"/api/v1/messages?limit=200{cursor}")
        found |= {one["id"]: one["status"] for one in page["data"]}
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def delivered(logs: Path) -> Iterator[str]:
    """The recipient of each delivery that the node logged so far, those of log records to us left out."""
    for segment in sorted(logs.iterdir()):
        for line in read_lines(segment):
            record = msgspec.json.decode(line, type=Record)
            if record.type == "Delivery" and record.reception_protocol != "LogRecord":
                assert isinstance(record.recipient, str)
                yield record.recipient
