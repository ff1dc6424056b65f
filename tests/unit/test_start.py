"""A start imports what it needs, and nothing that only some installations ever use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from postmta_ctl.settings import foreign_environment


def test_what_a_start_does_not_need_is_not_run() -> None:
    seldom = ["alembic.op", "aiohttp.connector", "redis", "stripe", "asyncpg", "postmta_ctl.sandbox.node"]
    script = f"import sys, postmta_ctl.serving; print([name for name in {seldom} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_what_keeps_it_from_starting_is_told(tmp_path: Path) -> None:
    environ = foreign_environment() | {"POSTMTA_DATA_DIR": str(tmp_path), "POSTMTA_PORT": "0"}
    for url, told in (
        ("postgresql+asyncpg://nobody:secret@127.0.0.1:9/x", "cannot start"),
        ("mysql://x", "postmta: database_url: mysql is not supported"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "postmta_ctl", "serve"],
            env=environ | {"POSTMTA_DATABASE_URL": url},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        said = done.stdout + done.stderr
        assert (done.returncode, told in said, "Traceback" in said, "secret" in said) == (1, True, False, False), said
