"""Keys replaced while mail flows and processes die: every message verifies against DNS as it is when it arrives."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import Any

import dkim
import httpx
import pytest

from tests import dns_server
from tests.dns_server import DnsServer
from tests.e2e.installation import Installation, installed
from tests.e2e.kumod import KUMOD
from tests.serving import wait_for

pytestmark = [pytest.mark.kumod, pytest.mark.skipif(not KUMOD, reason="needs KUMOD=/path/to/kumod")]

SELECTORS = {"pmta", "pmta-ed25519"}


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with dns_server.running() as server:
        server.negative_ttl = 1
        yield server


@pytest.fixture
def here(dns: DnsServer) -> Iterator[Installation]:
    """An installation of its own, that publishes what changes by itself and asks the test's DNS."""
    with tempfile.TemporaryDirectory(prefix="postmta-e2e-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        with installed(folder, dns, POSTMTA_AUTO_PUBLISH="true") as here:
            yield here


class Traffic:
    """Mail that never stops, and a receiver that judges each message as it comes."""

    def __init__(self, here: Installation, dns: DnsServer) -> None:
        self._here, self._dns = here, dns
        self.judged: list[tuple[frozenset[str], bool]] = []
        """The selectors of each message, and whether all its signatures verified."""
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._send, self._judge)]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def wait_for_more(self, number: int, seconds: float = 60.0) -> None:
        """Until so many more have been judged."""
        enough = len(self.judged) + number
        wait_for(lambda: len(self.judged) >= enough, f"{number} more messages", seconds)

    def _send(self) -> None:
        service = self._here.service
        with httpx.Client(base_url=service.url, headers=service.http.headers, timeout=30, trust_env=False) as http:
            for number in count():
                if self._stop.wait(0.1):
                    return
                body = {"from": "ann@sender.test", "to": [f"to{number}@dest.test"], "subject": "Hi", "text": "Hi\n"}
                with suppress(httpx.TransportError):  # while the service is killed
                    http.post("/api/v1/messages/send", json=body)

    def _judge(self) -> None:
        seen = 0
        while not self._stop.wait(0.02):
            for one in self._here.sink.received[seen:]:
                seen += 1
                self.judged.append(self._verdict(one.content))

    def _verdict(self, content: bytes) -> tuple[frozenset[str], bool]:
        selectors = set()

        def look_up(name: bytes, timeout: float = 0) -> bytes | None:
            selectors.add(name.decode().partition(".")[0])
            values = self._dns.records.get((name.decode().rstrip("."), "TXT"))
            return values[0].replace('" "', "").strip('"').encode() if values else None

        signed = content.lower().count(b"dkim-signature:")
        with suppress(dkim.ValidationError):
            good = [dkim.DKIM(content).verify(idx=number, dnsfunc=look_up) for number in range(signed)]
            return frozenset(selectors), good == [True, True]
        return frozenset(selectors), False


def rotation(here: Installation) -> dict[str, Any]:
    found: dict[str, Any] = here.service.call("GET", f"/api/v1/domains/{here.domain['id']}/dkim-rotation")
    return found


def wait_for_state(here: Installation, state: str, seconds: float = 60.0) -> None:
    wait_for(lambda: rotation(here)["state"] == state, f"a rotation that is {state}", seconds)


def key_files(here: Installation) -> set[str]:
    folder = here.kumod.policy_dir / "keys/sender.test"
    return {path.name.partition(".")[0] for path in folder.iterdir()}


def let_the_grace_time_pass(here: Installation) -> None:
    with closing(sqlite3.connect(here.service.data_dir / "postmta.db", timeout=30)) as database, database:
        database.execute("UPDATE dkim_rotations SET retire_at = 1, due_at = 1")


def test_a_rotation_while_mail_flows_and_processes_die(here: Installation, dns: DnsServer) -> None:
    service, path = here.service, f"/api/v1/domains/{here.domain['id']}"
    with Traffic(here, dns) as traffic:
        traffic.wait_for_more(5)
        begun = service.call("POST", f"{path}/rotate-dkim")
        new = {one["selector"] for one in begun["records"] if one["action"] == "publish"}
        traffic.wait_for_more(5)
        assert {one for selectors, _ in traffic.judged for one in selectors} == SELECTORS
        service.kill()
        service.start()
        for record in begun["records"]:
            dns.publish(record["type"], record["name"], record["value"])
        # The zone's negative TTL is a second: until then a resolver may say that there is nothing.
        time.sleep(1.2)
        service.call("POST", f"{path}/verify")
        service.kill()
        here.kumod.kill()
        service.start()
        here.start_kumod()
        wait_for_state(here, "grace")
        assert key_files(here) == SELECTORS | new
        traffic.wait_for_more(10)
        assert traffic.judged[-1][0] == new

        let_the_grace_time_pass(here)
        wait_for_state(here, "done")
        assert key_files(here) == new
        for record in rotation(here)["records"]:
            if record["action"] == "remove":
                del dns.records[record["name"], record["type"]]
        here.kumod.kill()
        here.start_kumod()
        traffic.wait_for_more(10)
        assert service.call("POST", f"{path}/verify")["status"] == "verified"
    wrong = [one for one in traffic.judged if not one[1]]
    assert wrong == []
    assert {selectors for selectors, _ in traffic.judged} == {frozenset(SELECTORS), frozenset(new)}
