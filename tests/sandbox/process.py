"""A sandbox in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.sandbox.fleet import ADMIN_TOKEN, injection


class SandboxProcess:
    """A sandbox in a process of its own, called over HTTP with the control plane's token."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "postmta_ctl.sandbox", "--policy-dir", str(folder), *options]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        self.banner = json.loads(line)
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        self.http = httpx.Client(base_url=self.banner["url"], headers=headers, timeout=30, trust_env=False)

    def send(self, *recipients: str, tenant: str = "acme", **extra: Any) -> dict[str, Any]:
        answer = self.http.post("/api/inject/v1", json=injection(*recipients, tenant=tenant, **extra))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def get(self, path: str, **query: Any) -> Any:
        answer = self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, **body: Any) -> Any:
        answer = self.http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json() if answer.content else None

    def delete(self, path: str, rule: str) -> httpx.Response:
        return self.http.request("DELETE", path, json={"id": rule})

    def stranger(self, method: str, path: str, authorization: str | None) -> httpx.Response:
        """A request with other credentials than ours, or none."""
        headers = {} if authorization is None else {"Authorization": authorization}
        return httpx.request(method, f"{self.banner['url']}{path}", headers=headers, trust_env=False)

    @staticmethod
    def wait_until(happened: Callable[[], bool], seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < end
            time.sleep(0.01)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self._end()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self._end()

    def _end(self) -> int:
        self.http.close()
        self.process.communicate(timeout=60)
        return self.process.returncode


def start_and_fail(folder: Path, *options: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "postmta_ctl.sandbox", "--policy-dir", str(folder), *options]
    ended = subprocess.run(command, input="", capture_output=True, text=True, timeout=30, check=False)
    return ended.returncode, ended.stderr


StartSandbox = Callable[..., SandboxProcess]
