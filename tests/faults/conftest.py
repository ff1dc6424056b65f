"""Fixtures of the fault tests, and their report: FAULTS_REPORT names a file for it.

FAULTS_KILLS is how often the control plane is killed at random; FAULTS=full makes all that is shortened in CI as long
as it is meant to be.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.installation import Installation, installed
from tests.faults.report import Outcome, Scenario, table

OUTCOMES = pytest.StashKey[list[Outcome]]()


@pytest.fixture(scope="session")
def is_full() -> bool:
    return os.environ.get("FAULTS") == "full"


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One for all scenarios: what was acknowledged in one must not be lost in another."""
    with installed(tmp_path_factory.mktemp("faults")) as installation:
        yield installation


@pytest.fixture
def scenario(request: pytest.FixtureRequest) -> Scenario:
    """A block whose outcome is in the report when it ends well."""

    @contextmanager
    def noted(name: str) -> Iterator[Outcome]:
        outcome, began = Outcome(name), time.monotonic()
        yield outcome
        outcome.seconds = time.monotonic() - began
        request.config.stash.setdefault(OUTCOMES, []).append(outcome)

    return noted


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    outcomes = config.stash.get(OUTCOMES, [])
    if not outcomes:
        return
    terminalreporter.section("faults")
    terminalreporter.write(table(outcomes))
    if name := os.environ.get("FAULTS_REPORT"):
        Path(name).write_text(table(outcomes), encoding="utf-8")
