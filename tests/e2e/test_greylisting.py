"""A stranger's mail to a domain that we relay to: put off, taken when it comes back, passed on, and counted."""

from __future__ import annotations

import smtplib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.installation import BOUNCE_DOMAIN, Installation
from tests.e2e.kumod import KUMOD

pytestmark = [pytest.mark.kumod, pytest.mark.skipif(not KUMOD, reason="needs KUMOD=/path/to/kumod")]

CONFIG = "/api/v1/security/greylisting/config"
STATS = "/api/v1/security/greylisting/stats"
DELAY = 3
MESSAGE = "From: Bob <bob@stranger.test>\r\nTo: {to}\r\nSubject: Hello\r\nMessage-ID: <{to}>\r\n\r\nHello\r\n"


@pytest.fixture(scope="module")
def here(installation: Installation) -> Iterator[Installation]:
    installation.service.call("PUT", CONFIG, {"enabled": True, "delay_seconds": DELAY, "allow_after_passes": 0})
    installation.publish()
    yield installation
    installation.service.call("PUT", CONFIG, {"enabled": False})
    installation.publish()


def offer(here: Installation, to: str, sender: str = "bob@stranger.test") -> tuple[int, str]:
    """Send a message as a server does; what the recipient, or then the message, was answered with."""
    with smtplib.SMTP("127.0.0.1", here.kumod.smtp_port, timeout=10) as smtp:
        smtp.ehlo("mx.stranger.test")
        smtp.mail(sender)
        code, text = smtp.rcpt(to)
        if code == 250:
            code, text = smtp.data(MESSAGE.format(to=to).encode())
        return code, text.decode()


def figures(here: Installation) -> dict[str, int]:
    found: dict[str, int] = here.service.call("GET", f"{STATS}?period=24h")["inbound"]
    return found


def change(here: Installation, before: dict[str, int], expected: dict[str, int]) -> None:
    """Wait until the log records have brought the figures there."""

    def difference() -> dict[str, int]:
        now = figures(here)
        return {name: now[name] - before[name] for name in now if now[name] != before[name]}

    deadline = time.monotonic() + 30
    while difference() != expected and time.monotonic() < deadline:
        time.sleep(0.2)
    assert difference() == expected


def test_put_off_then_taken_and_passed_on(here: Installation) -> None:
    before = figures(here)
    assert offer(here, "ann@corp.test") == (451, f"4.7.1 Greylisted, try again in {DELAY} seconds")
    code, text = offer(here, "ann@corp.test")
    assert (code, text.startswith("4.7.1 Greylisted still, try again in ")) == (451, True), text
    time.sleep(DELAY + 0.5)
    assert offer(here, "ann@corp.test")[0] == 250
    arrived = here.sink.wait_for("ann@corp.test")
    assert arrived.sender == "bob@stranger.test"
    assert b"DKIM-Signature" not in arrived.content
    assert offer(here, "ann@corp.test")[0] == 250
    change(here, before, {"greylisted_new": 1, "greylisted_early": 1, "passed": 1, "known": 1})


def test_who_was_put_off_is_known_after_a_kill(here: Installation) -> None:
    before = figures(here)
    assert offer(here, "ben@corp.test")[0] == 451
    time.sleep(DELAY + 0.5)
    here.kumod.kill()
    here.start_kumod()
    assert offer(here, "ben@corp.test")[0] == 250
    change(here, before, {"greylisted_new": 1, "passed": 1})


def test_clients_that_come_at_once_are_each_put_off_once(here: Installation) -> None:
    before = figures(here)
    addresses = [f"crowd-{number}@corp.test" for number in range(40)]
    with ThreadPoolExecutor(20) as crowd:
        first = list(crowd.map(lambda to: offer(here, to), addresses))
        time.sleep(DELAY + 1)
        second = list(crowd.map(lambda to: offer(here, to), addresses))
    assert {code for code, _ in first} == {451}
    assert {code for code, _ in second} == {250}
    change(here, before, {"greylisted_new": 40, "passed": 40})


def test_reports_are_never_put_off(here: Installation) -> None:
    with smtplib.SMTP("127.0.0.1", here.kumod.smtp_port, timeout=10) as smtp:
        smtp.ehlo("mx.stranger.test")
        smtp.mail("")
        assert smtp.rcpt(f"complaints@{BOUNCE_DOMAIN}")[0] == 250


def test_the_node_is_no_open_relay(here: Installation) -> None:
    assert offer(here, "ann@elsewhere.test")[0] == 550
