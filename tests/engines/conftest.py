"""Real daemons, one of each for a session; tests that need one are skipped, with the reason, where there is none."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import daemons


def folder_for(name: str) -> Iterator[Path]:
    """A folder that a daemon can use after it has given up root; pytest's own are for their owner only."""
    if reason := daemons.missing(name):
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix=f"postmta-{name}-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def clamd_folder() -> Iterator[Path]:
    yield from folder_for("clamd")


@pytest.fixture(scope="session")
def spamd_folder() -> Iterator[Path]:
    yield from folder_for("spamd")


@pytest.fixture(scope="session")
def rspamd_folder() -> Iterator[Path]:
    yield from folder_for("rspamd")


@pytest.fixture(scope="session")
def clamd(clamd_folder: Path) -> Iterator[tuple[str, str]]:
    """Its addresses: TCP and socket."""
    with daemons.clamd(clamd_folder) as addresses:
        yield addresses


@pytest.fixture(scope="session")
def spamd(spamd_folder: Path) -> Iterator[str]:
    """Its address."""
    with daemons.spamd(spamd_folder) as address:
        yield address


@pytest.fixture(scope="session")
def rspamd(rspamd_folder: Path) -> Iterator[tuple[str, str]]:
    """URLs of its worker and of its controller."""
    with daemons.rspamd(rspamd_folder) as urls:
        yield urls
