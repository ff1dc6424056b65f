"""A control plane that can be started quickly, killed, and looked into while it is dead."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec

from tests.faults.forks import Order
from tests.serving import Service

SIGNALLED_WITHIN = 30.0


class Plane(Service):
    """The control plane in a process of its own, forked by :mod:`tests.faults.forks`."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        super().__init__(folder, environment)
        self.clock = folder / "clock"
        self.clock.write_text("0")
        self._pid = 0
        self._forks = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.forks"],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._said() == "ready"

    def _said(self) -> str:
        assert self._forks.stdout is not None
        return self._forks.stdout.readline().strip()

    def start(self, **order: Any) -> None:
        """Start it, and wait until it answers; ``order`` as in :class:`tests.faults.forks.Order`."""
        self.begin(**order)
        self.wait_until_up()

    def begin(self, **order: Any) -> None:
        """Start it, and wait for nothing; one that lives is killed."""
        if self._pid:
            self.kill()
        line = msgspec.json.encode(Order(log=str(self.log), clock=str(self.clock), **order)).decode()
        assert self._forks.stdin is not None
        self._forks.stdin.write(f"{line}\n")
        self._forks.stdin.flush()
        self._pid = int(self._said())
        self._handle = os.pidfd_open(self._pid)

    def wait_until_up(self, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not self._answers():
            assert not self.is_dead(), f"died in its start; see {self.log}"
            assert time.monotonic() < deadline, f"no answer; see {self.log}"
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            return self.http.get("/health").is_success
        except httpx.TransportError:
            return False

    @property
    def pid(self) -> int:
        return self._pid

    def is_dead(self, within: float = 0.0) -> bool:
        """Whether it ended, or does so within so many seconds."""
        return bool(select.select([self._handle], [], [], within)[0])

    def kill(self) -> None:
        """SIGKILL."""
        if not self.is_dead():
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)
        self._buried()

    def stop(self) -> int:
        """SIGTERM, and wait."""
        signal.pidfd_send_signal(self._handle, signal.SIGTERM)
        self._buried()
        return 0

    def _buried(self) -> None:
        assert self.is_dead(SIGNALLED_WITHIN), "it does not end"
        os.close(self._handle)
        self._pid = 0

    def died(self, within: float) -> None:
        """It killed itself, at its crash point."""
        assert self.is_dead(within), "it did not come to its crash point"
        self._buried()

    def close(self) -> None:
        self.http.close()
        if self._pid:
            self.kill()
        assert self._forks.stdin is not None
        self._forks.stdin.close()
        self._forks.wait(SIGNALLED_WITHIN)
        assert self._forks.stdout is not None
        self._forks.stdout.close()

    def step_clock(self, seconds: float) -> None:
        """Let its clock jump; the machine's, and so the node's, stays."""
        ahead = float(self.clock.read_text()) + seconds
        new = self.clock.with_suffix(".new")
        new.write_text(str(ahead))
        new.replace(self.clock)

    @property
    def database(self) -> Path:
        return self.data_dir / "postmta.db"

    def snapshot(self, folder: Path) -> Path:
        """A copy of the database as it is on disk, for a process that is dead."""
        copy = folder / "snapshot.db"
        for ending in ("", "-wal", "-shm"):
            old = copy.with_name(copy.name + ending)
            old.unlink(missing_ok=True)
            source = self.database.with_name(self.database.name + ending)
            if ending != "-shm" and source.exists():
                shutil.copy(source, old)
        return copy
