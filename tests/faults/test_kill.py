"""``postmta serve`` is killed in the middle of hundreds of sends; nothing that it acknowledged is lost.

The embedded node dies with the service, and its fence with it: what was in flight then may be delivered twice, and
nothing else.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from postmta_ctl.core.tracking import Tracker
from postmta_ctl.features.tracking.service import secret_of
from postmta_ctl.keys import load_keys
from postmta_ctl.settings import Settings
from tests.faults.node import ended
from tests.serving import Service, wait_for

MESSAGES, CLIENTS = 400, 8
KILL_AFTER = (100, 250)
"""So many were acknowledged when SIGKILL comes."""
LEASE_SECONDS = 4
PATIENCE_SECONDS = 60.0
MAIL = {"from": "ann@sender.test", "to": ["ok@dest.test"], "subject": "Hello", "html": "<p>Hello.</p>"}
ENVIRONMENT = {
    "POSTMTA_SANDBOX_TIME_SCALE": "600",
    "POSTMTA_RELAY_LEASE_SECONDS": str(LEASE_SECONDS),
    "POSTMTA_LOG_LEVEL": "warning",
}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with closing(Service(tmp_path, ENVIRONMENT)) as service:
        service.start()
        service.register()
        service.verified_domain("sender.test")
        vmta = {"name": "mx1", "ip_address": "192.0.2.1", "ehlo_domain": "mx1.sender.test"}
        service.call("POST", "/api/v1/vmtas", vmta)
        published = service.call("POST", "/api/v1/policy/publish", {})
        assert all(node["ok"] for node in published["nodes"]), published
        yield service


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


def test_a_killed_service_loses_no_acknowledged_message(service: Service) -> None:
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
    deliveries = ended(service.data_dir / "sandbox" / "logs")
    assert deliveries.keys() == clients.acknowledged.keys()
    twice = {address for address, times in deliveries.items() if times > 1}
    assert twice <= in_flight


def test_a_killed_service_loses_no_open_that_it_answered(service: Service) -> None:
    sent = service.call("POST", "/api/v1/messages/send", MAIL)
    tracker = Tracker(secret_of(load_keys(Settings(data_dir=service.data_dir))), "")
    answered, lock = [0, 0], threading.Lock()
    path = tracker.open_url(sent["recipients"][0]["id"])

    def fetch(_: int) -> None:
        try:
            is_noted = service.http.get(path).status_code == 200
        except httpx.TransportError:
            is_noted = False
        with lock:
            answered[is_noted] += 1

    with ThreadPoolExecutor(CLIENTS) as pool:
        fetching = [pool.submit(fetch, number) for number in range(MESSAGES)]
        wait_for(lambda: answered[True] >= KILL_AFTER[0], "opens")
        service.kill()
        for one in fetching:
            one.result(PATIENCE_SECONDS)
    assert answered[False] > 0, "no request was under way when the service was killed"
    service.start()

    def opens() -> int:
        timeline = service.call("GET", f"/api/v1/messages/{sent['id']}")["timeline"]
        return sum(event["type"] == "message.opened" for event in timeline)

    wait_for(lambda: opens() >= answered[True], f"{answered[True]} opens")
    time.sleep(1)  # Whatever comes twice has come by then.
    assert answered[True] <= opens() <= MESSAGES
    assert list((service.data_dir / "fetches").iterdir()) == []


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
