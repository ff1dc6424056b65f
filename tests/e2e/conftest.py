"""One installation for all scenarios. Those that stop or kill a part of it leave it running again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.installation import Installation, installed


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    with tempfile.TemporaryDirectory(prefix="postmta-e2e-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        # kumod runs as somebody else and must get through to its own folders.
        folder.chmod(0o755)
        with installed(folder) as here:
            yield here
