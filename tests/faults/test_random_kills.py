"""The control plane is killed at any moment, again and again, while customers send and the node tells what happened.

The node lives through it, and tells some of its records a second time, in any order, by somebody who repeats them.
Its fence refuses what comes a second time, so nobody gets a message twice.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.faults.installation import Installation
from tests.faults.load import Load
from tests.faults.report import Outcome, Scenario

KILLS = int(os.environ.get("FAULTS_KILLS", "60"))
LONGEST_LIFE = 0.6
"""Seconds from when it answers until it is killed."""
RECORDS_AT_ONCE = 200


def test_random_kills_under_load(installation: Installation, scenario: Scenario) -> None:
    with scenario("kill -9 at random under load, log records repeated") as outcome:
        kill_at_random(installation, outcome, KILLS)


def kill_at_random(
    installation: Installation, outcome: Outcome, kills: int, longest_life: float = LONGEST_LIFE
) -> None:
    plane, chance = installation.plane, random.Random(kills)
    load = Load(plane, "kills")
    plane.start()
    with load.running(), repeating(installation):
        for number in range(kills):
            plane.is_dead(within=chance.uniform(0, longest_life))
            plane.kill()
            installation.check(load)
            plane.begin()
            # One in six dies in its start.
            if number % 6:
                plane.wait_until_up()
        plane.wait_until_up()
    outcome.kills = kills
    installation.settle(load, outcome)
    assert outcome.interrupted > 0, "no request was under way when the control plane was killed"


@contextmanager
def repeating(installation: Installation) -> Iterator[None]:
    """Send the node's records again while the block lasts: a random part of them, in any order."""
    stop = threading.Event()

    def repeat() -> None:
        chance = random.Random(7)
        node = installation.node
        with httpx.Client(headers={"Authorization": f"Bearer {node.ingest_token}"}, trust_env=False) as http:
            while not stop.wait(0.3):
                lines = node.log()
                some = chance.choices(lines, k=min(len(lines), RECORDS_AT_ONCE))
                try:
                    answer = http.post(node.ingest_url, content=b"\n".join(some))
                except httpx.TransportError:
                    continue
                assert answer.status_code in (200, 503), answer.text

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
