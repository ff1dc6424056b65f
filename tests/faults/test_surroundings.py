"""What the control plane stands on gives way: the database is locked, the disk is full, clock and DNS are wrong."""

from __future__ import annotations

import resource
import socket
import sqlite3
import time
from contextlib import closing

from tests.faults.installation import Installation
from tests.faults.load import Load
from tests.faults.report import Scenario
from tests.serving import wait_for

HOUR = 3600.0
BUSY_SECONDS = 30.0
"""How long a transaction waits for the lock, see ``store.engine``."""


def test_the_database_is_locked(installation: Installation, scenario: Scenario, is_full: bool) -> None:
    seconds = BUSY_SECONDS + 5 if is_full else 4
    with scenario(f"the database is locked for {seconds:g} s") as outcome:
        load = Load(installation.plane, "locked")
        installation.plane.start()
        with load.running(clients=3):
            wait_for(load.acknowledged, "the first message")
            with closing(sqlite3.connect(installation.plane.database, timeout=30, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                before = len(load.acknowledged())
                time.sleep(seconds)
                # What was committed before the lock may still be answered.
                assert len(load.acknowledged()) <= before + 8
                other.execute("ROLLBACK")
            wait_for(lambda: len(load.acknowledged()) > before + 20, "messages are accepted again")
        installation.settle(load, outcome)


def test_the_disk_is_full(installation: Installation, scenario: Scenario, is_full: bool) -> None:
    plane, seconds = installation.plane, 20 if is_full else 3
    with scenario(f"no room to write, twice {seconds} s") as outcome:
        load = Load(plane, "full")
        plane.start()
        with load.running(clients=3):
            wait_for(load.acknowledged, "the first message")
            # At first the log of the database may grow a little, so that a commit ends in its middle; then nothing may.
            for room in (plane.database.with_name("postmta.db-wal").stat().st_size + 20_000, 0):
                resource.prlimit(plane.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
                time.sleep(seconds)
                if room == 0:
                    refused = plane.http.post("/api/v1/suppressions", json={"address": "full@dest.test"})
                    assert refused.status_code == 503, refused.text
                    assert int(refused.headers["Retry-After"]) > 0
                before = len(load.acknowledged())
                resource.prlimit(plane.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                wait_for(lambda: len(load.acknowledged()) > before + 20, "messages are accepted again")  # noqa: B023
        assert load.refused > 0, "nobody was told to come later"
        installation.settle(load, outcome)


def test_the_clock_jumps(installation: Installation, scenario: Scenario) -> None:
    plane = installation.plane
    with scenario("the clock jumps by an hour, forth, back and forth") as outcome:
        load = Load(plane, "clock")
        plane.start()
        with load.running(clients=3):
            for jump in (HOUR, -HOUR, -HOUR, HOUR):
                time.sleep(1)
                plane.step_clock(jump)
                before = len(load.acknowledged())
                wait_for(lambda: len(load.acknowledged()) > before + 5, "messages are accepted")  # noqa: B023
        # What was put off by a clock that was ahead is due when that time has come.
        plane.step_clock(HOUR)
        installation.settle(load, outcome)


def test_dns_is_dead(installation: Installation, scenario: Scenario) -> None:
    plane = installation.plane
    with scenario("DNS does not answer") as outcome, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        load = Load(plane, "dns")
        plane.start(dns=f"127.0.0.1:{silent.getsockname()[1]}")
        # All domains are looked at again.
        plane.step_clock(8 * HOUR)
        silent.settimeout(30)
        with load.running(clients=2):
            assert silent.recv(512), "nobody asked"
            (domain,) = plane.call("GET", "/api/v1/domains")["data"]
            checked = domain["checked_at"]
            wait_for(lambda: plane.call("GET", "/api/v1/domains")["data"][0]["checked_at"] != checked, "a check")
            assert plane.call("GET", "/api/v1/domains")["data"][0]["status"] == "verified"
        installation.settle(load, outcome)
