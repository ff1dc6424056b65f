"""The same deaths over PostgreSQL: at every named point, and at random."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Iterator

import pytest

from postmta_ctl.crash_points import CRASH_POINTS
from tests import postgres
from tests.faults.installation import Installation, installed
from tests.faults.report import Scenario
from tests.faults.test_crash_points import die_at_each_point
from tests.faults.test_random_kills import kill_at_random

KILLS = int(os.environ.get("FAULTS_KILLS", "4"))
EACH = 4
"""Every fourth of the points, unless at length: a process takes longer to start than over SQLite."""
LONGEST_LIFE = 1.5
"""Seconds: what a process catches up with first takes longer, too."""


@pytest.fixture(scope="module")
def over_postgresql(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Installation]:
    name = f"test_{secrets.token_hex(8)}"
    asyncio.run(postgres.execute(postgres_url, f"CREATE DATABASE {name}"))
    with installed(tmp_path_factory.mktemp("postgresql"), postgres_url.replace("/postgres", f"/{name}")) as found:
        yield found
    asyncio.run(postgres.execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)"))


def test_death_at_crash_points(over_postgresql: Installation, scenario: Scenario, is_full: bool) -> None:
    with scenario("PostgreSQL: kill -9 at named points") as outcome:
        die_at_each_point(over_postgresql, outcome, CRASH_POINTS if is_full else CRASH_POINTS[::EACH])


def test_random_kills_under_load(over_postgresql: Installation, scenario: Scenario) -> None:
    with scenario("PostgreSQL: kill -9 at random under load, log records repeated") as outcome:
        kill_at_random(over_postgresql, outcome, KILLS, LONGEST_LIFE)
