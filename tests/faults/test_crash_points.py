"""The control plane dies at each of its named points, while customers send and the policy is published."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import count

import httpx
import pytest

from postmta_ctl.crash_points import CRASH_POINTS, pass_by
from postmta_ctl.errors import ConfigurationError
from postmta_ctl.settings import load as load_settings
from postmta_ctl.system import System
from tests.faults.installation import Installation
from tests.faults.load import Load
from tests.faults.plane import Plane
from tests.faults.report import Outcome, Scenario
from tests.serving import wait_for

WITHIN = 30.0
"""Seconds in which it must come to its point."""
OF_PUBLISHING = {"after-release", "before-switch", "after-switch"}
_numbers = count(2)


def test_death_at_each_crash_point(installation: Installation, scenario: Scenario) -> None:
    with scenario("kill -9 at each named point") as outcome:
        die_at_each_point(installation, outcome)


def die_at_each_point(installation: Installation, outcome: Outcome, points: Sequence[str] = CRASH_POINTS) -> None:
    plane, chance = installation.plane, random.Random(3)
    load = Load(plane, "points")
    with load.running(clients=3):
        for point in points:
            plane.begin(crash_at=point, passes=0 if point in OF_PUBLISHING else chance.randrange(3))
            if point in OF_PUBLISHING:
                plane.wait_until_up()
                change_policy(plane)
            plane.died(WITHIN)
            outcome.kills += 1
            installation.check(load)
            if point in OF_PUBLISHING:
                see_it_finished(plane)
        plane.start()
    installation.settle(load, outcome)


def change_policy(plane: Plane) -> None:
    """Make a vMTA and publish it; the answer to that may not come."""
    number = next(_numbers)
    vmta = {"name": f"mx{number}", "ip_address": f"192.0.2.{number}", "ehlo_domain": f"mx{number}.sender.test"}
    plane.call("POST", "/api/v1/vmtas", vmta)
    with pytest.raises(httpx.TransportError):
        plane.call("POST", "/api/v1/policy/publish", {})


def see_it_finished(plane: Plane) -> None:
    """The next process brings the node to the release that the dead one began."""
    plane.start()
    wait_for(lambda: agreed(plane), "the node runs the release that was begun")
    plane.kill()


def agreed(plane: Plane) -> bool:
    """Whether the node runs the newest release, by what it says and by what is noted."""
    newest = plane.call("GET", "/api/v1/policy/releases?limit=1")["data"][0]["number"]
    (node,) = plane.call("GET", "/api/v1/nodes")["data"]
    return bool(newest == node["published_release"] == node["running_release"])


def test_no_setting_switches_crash_points_on() -> None:
    assert System.__dataclass_fields__["reach"].default is pass_by
    with pytest.raises(ConfigurationError, match="unknown setting"):
        load_settings({"POSTMTA_CRASH_AT": "after-inject"})
