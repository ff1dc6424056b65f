"""Customers who send mail, and go on until each of their requests was acknowledged."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx

from tests.faults.plane import Plane

FATES = ("ok", "ok", "ok", "ok", "nouser", "grey", "spam")
"""Local parts, by which the sandbox decides what becomes of mail."""
BATCH = 5
PATIENCE = 120.0


@dataclass
class Load:
    """What was asked, and what was answered."""

    plane: Plane
    name: str
    """Makes the addresses of this load its own."""
    messages: dict[str, list[str]] = field(default_factory=dict)
    """Addresses by message id, from the moment of the 202."""
    interrupted: int = 0
    """Requests that got no answer, whose outcome the customer could thus not know."""
    refused: int = 0
    """Answers that said: later."""
    failures: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def recipients(self) -> list[str]:
        """All addresses that were acknowledged."""
        with self._lock:
            return [address for addresses in self.messages.values() for address in addresses]

    def acknowledged(self) -> set[str]:
        """Ids of messages."""
        with self._lock:
            return set(self.messages)

    @contextmanager
    def running(self, clients: int = 4, pause: float = 0.02) -> Iterator[None]:
        """Send while the block lasts; at its end everything that was begun is acknowledged."""
        threads = [threading.Thread(target=self._client, args=(pause, seed)) for seed in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()
        assert not self.failures, self.failures[:3]

    def _client(self, pause: float, seed: int) -> None:
        chance = random.Random(f"{self.name} {seed}")
        while not self._stop.is_set() and not self.failures:
            try:
                self.batch(chance) if chance.random() < 0.2 else self.single(chance)
            except AssertionError as error:
                self.failures.append(str(error))
            self._stop.wait(pause * chance.random())

    def single(self, chance: random.Random, *fates: str) -> str:
        """Have one message accepted; its id."""
        message = self._message(chance, fates)
        answer = self._insist("/api/v1/messages/send", message)
        self._note(answer["id"], message["to"])
        return str(answer["id"])

    def batch(self, chance: random.Random) -> None:
        """Have a batch accepted."""
        messages = [self._message(chance, ()) for _ in range(BATCH)]
        answer = self._insist("/api/v1/messages/batch", {"messages": messages})
        assert answer["accepted"] == BATCH, answer
        for message, result in zip(messages, answer["results"], strict=True):
            self._note(result["message"]["id"], message["to"])

    def _message(self, chance: random.Random, fates: tuple[str, ...]) -> dict[str, Any]:
        chosen = fates or chance.choices(FATES, k=chance.choice((1, 1, 1, 2)))
        return {
            "from": "Ann <ann@sender.test>",
            "to": [f"{fate}.{self.name}.{next(self._numbers)}@dest.test" for fate in chosen],
            "subject": "Hello",
            "text": "Hello.\n",
            "tags": [self.name],
        }

    def _note(self, message_id: str, addresses: list[str]) -> None:
        with self._lock:
            assert message_id not in self.messages, f"two requests were answered with {message_id}"
            self.messages[message_id] = addresses

    def _insist(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Idempotency-Key": f"{self.name} {next(self._numbers)}"}
        deadline = time.monotonic() + PATIENCE
        while True:
            assert time.monotonic() < deadline, f"not accepted: {body}"
            try:
                answer = self.plane.http.post(path, json=body, headers=headers)
            except httpx.TransportError:
                with self._lock:
                    self.interrupted += 1
                time.sleep(0.05)
                continue
            if answer.status_code == 202:
                return dict(answer.json())
            # 409: the same key is being worked on, by a request whose answer was lost.
            assert answer.status_code in (409, 503), f"{answer.status_code} {answer.text}"
            with self._lock:
                self.refused += 1
            time.sleep(0.05)
