"""``postmta serve`` as a child process, as an operator would start it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from postmta_ctl.errors import PostMTAError
from postmta_ctl.settings import foreign_environment

START_SECONDS = 60.0
STOP_SECONDS = 40.0
TIME_SCALE = 600
"""The sandbox's receivers live this much faster: a retry after twenty minutes comes after two seconds."""


class Server:
    """A running service."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, data_dir: Path, log: Path) -> None:
        self.url, self.data_dir, self.log = url, data_dir, log
        self._process = process

    def wait(self) -> None:
        """Until somebody stops it, here with Ctrl-C or by a signal."""
        with suppress(KeyboardInterrupt):
            self._process.wait()

    def await_health(self) -> None:
        """Until the service and its node are well.

        Raises:
            PostMTAError: It ended, or took too long; the end of its log is in the message.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(httpx.TransportError):
                health = httpx.get(f"{self.url}/health", timeout=5).json()
                if health["status"] == "ok" and "node:sandbox" in health["parts"]:
                    return
            time.sleep(0.1)
        tail = "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise PostMTAError(f"the service did not become healthy; the end of {self.log}:\n{tail}")


@contextmanager
def running_server(data_dir: Path, port: int = 0, *, auto_publish: bool = True) -> Iterator[Server]:
    """Start the service over this folder, and stop it in good order at the end.

    Raises:
        PostMTAError: It did not start.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    port = port or _free_port()
    log = data_dir / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "postmta_ctl", "serve"],
            env=_environment(data_dir, port, auto_publish=auto_publish),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    server = Server(process, f"http://127.0.0.1:{port}", data_dir, log)
    try:
        server.await_health()
        yield server
    finally:
        _stop(process)


def _environment(data_dir: Path, port: int, *, auto_publish: bool) -> dict[str, str]:
    return foreign_environment() | {
        "POSTMTA_DATA_DIR": str(data_dir),
        "POSTMTA_PORT": str(port),
        "POSTMTA_DNS": "sandbox",
        "POSTMTA_AUTO_PUBLISH": "true" if auto_publish else "false",
        "POSTMTA_SANDBOX_TIME_SCALE": str(TIME_SCALE),
    }


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
