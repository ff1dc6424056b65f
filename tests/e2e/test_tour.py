"""The blocks of the tour, run one after the other against the demonstration's server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from postmta_ctl.cli.demo import scenario
from postmta_ctl.cli.demo.client import Api
from postmta_ctl.cli.demo.server import running_server
from postmta_ctl.cli.demo.show import Screen

TOUR = Path(__file__).parents[2] / "docs" / "tour.md"
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def script() -> str:
    """All blocks as one shell script; ``console`` blocks are what a reader types, and are left out."""
    parts = ["set -euo pipefail"]
    for language, code in BLOCK.findall(TOUR.read_text(encoding="utf-8")):
        parts.append(code if language == "sh" else f"python - <<'END'\n{code}END\n")
    return "\n".join(parts)


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_tour_works_as_it_is_written(tmp_path: Path) -> None:
    assert script().count("python - ") >= 4
    with running_server(tmp_path, auto_publish=True) as server, Api(server.url) as api:
        account = scenario.set_up(Screen(), api, server)
        own = {"URL": server.url, "KEY": account.api_key, "NO_PROXY": "127.0.0.1"}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", script()],
            env=os.environ | own | {"PATH": path},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    for word in ("message.deferred", "message.delivered", "verified", "under the new number", "asked us to wait"):
        assert word in done.stdout, done.stdout
