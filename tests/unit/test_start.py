"""A start imports what it needs, and nothing that only some installations ever use."""

from __future__ import annotations

import subprocess
import sys


def test_what_a_start_does_not_need_is_not_run() -> None:
    seldom = ["alembic.op", "aiohttp.connector", "redis", "stripe", "asyncpg", "postmta_ctl.sandbox.node"]
    script = f"import sys, postmta_ctl.serving; print([name for name in {seldom} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
