"""A Redis server of the tests' own: loopback, free port, nothing kept."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager


def missing() -> str | None:
    """Why there can be no server, if so."""
    return None if shutil.which("redis-server") else "Redis is not installed (Debian: apt-get install redis-server)"


@contextmanager
def running_server() -> Iterator[str]:
    """Start a server; yields its URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
    try:
        _wait(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)


def _wait(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.05)
        else:
            return
