"""Two processes of each role over PostgreSQL, one of each killed while mail flows: nothing is lost, nothing is doubled,
and what runs in the background goes on."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests import postgres
from tests.balancer import balanced
from tests.faults.node import Node, ended
from tests.serving import Service, wait_for

MESSAGES, CLIENTS = 400, 4
ENVIRONMENT = {
    "POSTMTA_PUBLIC_URL": "https://mail.sender.test",
    "POSTMTA_RELAY_LEASE_SECONDS": "4",
    "POSTMTA_LOG_LEVEL": "warning",
    "POSTMTA_AUTO_PUBLISH": "true",
    "POSTMTA_SANDBOX_TIME_SCALE": "600",
}
ROLES = ("api,relay", "ingest,worker")
PATIENCE_SECONDS = 60.0


@pytest.fixture
def database(postgres_url: str) -> Iterator[str]:
    name = f"test_{secrets.token_hex(8)}"
    asyncio.run(postgres.execute(postgres_url, f"CREATE DATABASE {name}"))
    yield postgres_url.replace("/postgres", f"/{name}")
    asyncio.run(postgres.execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)"))


@dataclass
class Fleet:
    """Two processes each for two of the roles."""

    senders: list[Service]
    """API and relay."""
    keepers: list[Service]
    """Ingestion and background jobs."""

    @property
    def all(self) -> list[Service]:
        return self.senders + self.keepers


@pytest.fixture
def fleet(tmp_path: Path, database: str) -> Iterator[Fleet]:
    """Started together over an empty database, whose tables one of them makes."""
    with ExitStack() as stack:
        ports: list[int] = []
        ingest_url = stack.enter_context(balanced(ports))
        environment = ENVIRONMENT | {"POSTMTA_DATABASE_URL": database, "POSTMTA_INGEST_URL": ingest_url}
        fleet = Fleet(*([Service(tmp_path, environment, roles) for _ in range(2)] for roles in ROLES))
        ports += [one.port for one in fleet.keepers]
        for one in fleet.all:
            stack.enter_context(closing(one))
            one.begin()
        for one in fleet.all:
            one.wait_until_up()
        first, second = fleet.senders
        first.register()
        second.http.headers.update(first.http.headers)
        first.verified_domain("sender.test")
        vmta = {"name": "mx1", "ip_address": "192.0.2.1", "ehlo_domain": "mx1.sender.test"}
        first.call("POST", "/api/v1/vmtas", vmta)
        node = stack.enter_context(closing(Node(first)))
        node.start()
        yield fleet


class Clients:
    """Concurrent senders, each of which turns to the other process when one does not answer."""

    def __init__(self, apis: list[Service]) -> None:
        self._apis = apis
        self._lock = threading.Lock()
        self.acknowledged: dict[str, str] = {}

    def send_all(self) -> None:
        with ThreadPoolExecutor(CLIENTS) as pool:
            for _ in pool.map(self._send, range(MESSAGES)):
                pass

    def _send(self, number: int) -> None:
        address = f"ok{number}@dest.test"
        body = {"from": "ann@sender.test", "to": [address], "subject": "Hello", "text": "Hello."}
        deadline = time.monotonic() + PATIENCE_SECONDS
        for turn in range(number, number + 1000):
            assert time.monotonic() < deadline, f"{address} was not taken"
            api = self._apis[turn % len(self._apis)]
            try:
                answer = api.http.post("/api/v1/messages/send", json=body, headers={"Idempotency-Key": address})
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            assert answer.status_code == 202, answer.text
            with self._lock:
                self.acknowledged[address] = answer.json()["id"]
            return


def test_one_process_of_each_role_is_killed(fleet: Fleet) -> None:
    shown = [one.http.get("/health").json()["roles"] for one in fleet.all]
    assert shown == [["api", "relay"]] * 2 + [["ingest", "worker"]] * 2
    assert fleet.keepers[0].http.post("/api/v1/messages/send").status_code == 404
    assert fleet.senders[0].http.post("/ingest/v1/logs").status_code == 404
    clients = Clients(fleet.senders)
    with ThreadPoolExecutor(1) as background:
        sending = background.submit(clients.send_all)
        for one, enough in ((fleet.keepers[0], 100), (fleet.senders[0], 200)):
            wait_for(lambda: len(clients.acknowledged) >= enough or sending.done(), f"{enough} acknowledged")  # noqa: B023
            assert not sending.done(), sending.result()
            one.kill()
        sending.result(PATIENCE_SECONDS)
    api = fleet.senders[1]

    def counts() -> dict[str, int]:
        found: dict[str, int] = api.call("GET", "/api/v1/analytics/summary")["counts"]
        return found

    wait_for(lambda: counts()["delivered"] >= MESSAGES, "delivery", PATIENCE_SECONDS)
    deliveries = ended(api.data_dir / "sandbox" / "logs")
    assert deliveries == Counter(clients.acknowledged.keys())
    assert len(deliveries) == MESSAGES
    shown = counts()
    assert (shown["queued"], shown["accepted"], shown["delivered"]) == (MESSAGES,) * 3

    released = api.call("GET", "/api/v1/policy/releases")["data"][0]["number"]
    api.call("POST", "/api/v1/vmtas", {"name": "mx2", "ip_address": "192.0.2.2", "ehlo_domain": "mx2.sender.test"})
    wait_for(
        lambda: api.call("GET", "/api/v1/nodes")["data"][0]["running_release"] > released,
        "the worker that is left to publish the change",
    )
    for one in fleet.all:
        assert "job failed" not in one.log.read_text(encoding="utf-8"), one.log
