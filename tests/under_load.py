"""Fifty publications while mail is sent: what a node that is left running makes of it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.serving import Service, wait_for

PUBLICATIONS = 50
CLIENTS = 2


class Load:
    """Clients that send one message after another."""

    def __init__(self, service: Service, pause: float) -> None:
        self._service, self._pause = service, pause
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.sent: list[str] = []
        """Ids of the messages that were accepted."""

    @contextmanager
    def running(self) -> Iterator[None]:
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(self._send, number) for number in range(CLIENTS)]
            try:
                yield
            finally:
                self._over.set()
            for client in clients:
                client.result(30)

    def _send(self, client: int) -> None:
        number = 0
        while not self._over.is_set():
            message_id = self._service.send(f"ok{client}-{number}@dest{number % 5}.test")
            with self._lock:
                self.sent.append(message_id)
            number += 1
            time.sleep(self._pause)


def publish_under_load(service: Service, vmta_id: str, *, pause: float) -> Load:
    """Change a vMTA and publish, fifty times, while clients send; every publication must reach the node."""
    load = Load(service, pause)
    first = service.call("POST", "/api/v1/policy/publish", {})["release"]
    with load.running():
        wait_for(lambda: len(load.sent) >= CLIENTS, "the first messages")
        for number in range(1, PUBLICATIONS + 1):
            before = len(load.sent)
            service.call("PUT", f"/api/v1/vmtas/{vmta_id}", {"ehlo_domain": f"host{number}.sender.test"})
            done = service.call("POST", "/api/v1/policy/publish", {})
            assert (done["release"], done["change_class"]["kind"]) == (first + number, "live")
            assert all(node["ok"] for node in done["nodes"]), done["nodes"]
            wait_for(lambda: len(load.sent) > before, "mail between two publications")  # noqa: B023
    return load


def injections(service: Service) -> dict[str, int]:
    """Recipients that the relay gave to the node, by what became of the injection."""
    text = service.http.get("/metrics").text
    found = re.findall(r'^postmta_relayed_recipients_total\{result="(\w+)"\} (\S+)', text, flags=re.MULTILINE)
    return {result: int(float(number)) for result, number in found}


def wait_until_injected(service: Service, load: Load, since: dict[str, int] | None = None) -> dict[str, int]:
    """What became of the load's injections, once there is no more to come."""
    before = since or {}

    def done() -> dict[str, int]:
        return {result: number - before.get(result, 0) for result, number in injections(service).items()}

    wait_for(lambda: done().get("injected", 0) >= len(load.sent), "injection of everything", 60)
    return done()
