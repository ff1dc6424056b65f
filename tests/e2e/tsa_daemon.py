"""A real tsa-daemon as a child process, beside a real kumod."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.kumod import KUMOD, user
from tests.serving import free_port, wait_for

_BESIDE = Path(KUMOD).with_name("tsa-daemon") if KUMOD else None
TSA_DAEMON = (
    os.environ.get("TSA_DAEMON")
    or (str(_BESIDE) if _BESIDE and _BESIDE.exists() else None)
    or shutil.which("tsa-daemon")
)


class TsaDaemon:
    """Runs the launcher in a node's policy folder while it is started."""

    def __init__(self, folder: Path) -> None:
        self.state, self.output = folder / "tsa", folder / "tsa-daemon.log"
        self.state.mkdir(mode=0o755)
        if owner := user():
            shutil.chown(self.state, user=owner)
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """The table ``[policy.tsa]``."""
        return {"urls": [self.url], "listen": self.address, "database": str(self.state / "tsa.db")}

    def start(self, policy_dir: Path) -> None:
        """It has no option to become another user."""
        owner = user()
        entry = pwd.getpwnam(owner) if owner else None
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [str(TSA_DAEMON), "--policy", str(policy_dir / "tsa_init.lua")],
                cwd=self.state,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=entry.pw_uid if entry else None,
                group=entry.pw_gid if entry else None,
                extra_groups=[] if entry else None,
            )
        wait_for(self._is_alive, f"a living tsa-daemon; see {self.output}", 30)

    def _is_alive(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.output.read_text(errors="replace")[-4000:]
        try:
            return httpx.get(f"{self.url}/tsa/status", trust_env=False).is_success
        except httpx.TransportError:
            return False

    def close(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
