"""A node that answers wrongly, late or not at all, that loses its memory, or that is killed."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

from postmta_ctl.sandbox.faults import MODES
from tests.faults.installation import Installation
from tests.faults.load import Load
from tests.faults.report import Scenario
from tests.serving import wait_for

NODE_TIMEOUT = 2.0
RECORD_WAIT = 35.0
"""Seconds: more than the relay waits for a record of what it got no answer for."""


def test_wrong_answers(installation: Installation, scenario: Scenario, is_full: bool) -> None:
    plane, node = installation.plane, installation.node
    times = 10 if is_full else 2
    with scenario(f"the node, {times} times each: {', '.join(MODES)}") as outcome:
        load = Load(plane, "answers")
        plane.start(node_timeout=NODE_TIMEOUT)
        with load.running(clients=3):
            for mode in MODES:
                node.order(mode, times)
                wait_for(lambda: node.ordered() == 0, f"{times} calls meet {mode}", 60)
        # What got no answer is repeated when its record has not come for long.
        time.sleep(1)
        plane.step_clock(RECORD_WAIT)
        installation.settle(load, outcome)


def test_a_hold_outlives_the_nodes_memory(installation: Installation, scenario: Scenario) -> None:
    plane, node = installation.plane, installation.node
    with scenario("the node forgets its holds") as outcome:
        load = Load(plane, "holds")
        plane.start()
        queue = "holds:sender@held.test"
        plane.call("POST", f"/api/v1/queues/{queue}/hold", {"reason": "a test"})
        assert node.holds()
        node.call("POST", "/sandbox/forget-holds")
        assert not node.holds()
        with load.running(clients=1):
            wait_for(node.holds, "the node is told again")
            held = plane.send("ok.held@held.test", tags=["holds"])
            plane.wait_for_status(held, "deferred")
        plane.call("POST", f"/api/v1/queues/{queue}/release")
        plane.wait_for_status(held, "delivered")
        installation.settle(load, outcome)


def test_a_killed_node_sends_again_only_what_was_in_flight(
    installation: Installation, scenario: Scenario, is_full: bool
) -> None:
    plane, node = installation.plane, installation.node
    times = 10 if is_full else 2
    with scenario(f"the node is killed {times} times and loses its fence") as outcome:
        load = Load(plane, "restarts")
        plane.start(node_timeout=NODE_TIMEOUT)
        in_flight = 0
        with load.running(clients=3):
            for _ in range(times):
                time.sleep(1)
                node.kill()
                in_flight += leased(installation)
                node.start()
        plane.step_clock(RECORD_WAIT)
        installation.settle(load, outcome, may_repeat=in_flight)


def leased(installation: Installation) -> int:
    """How many recipients the relay has in hand."""
    with closing(sqlite3.connect(f"file:{installation.plane.database}?mode=ro", uri=True)) as database:
        found: int = database.execute("SELECT count(*) FROM outbox WHERE attempts > 0").fetchone()[0]
        return found
