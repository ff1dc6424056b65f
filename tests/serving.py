"""``postmta serve`` as a child process over a folder of its own, and its API as a customer uses it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.dns_server import DnsServer

EMAIL, PASSWORD = "ops@sender.test", "correct horse battery staple"
START_SECONDS, STOP_SECONDS = 60.0, 40.0
T = TypeVar("T")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for(found: Callable[[], T | None], what: str, seconds: float = 30.0) -> T:
    """What ``found`` returns, as soon as that is something."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)
    return value


class Service:
    """The product. It may be stopped, killed and started again at the same port over the same data.

    Args:
        folder: Holds its data; several processes may share it.
        environment: Settings.
        role: What ``--role`` says, if anything.
    """

    def __init__(self, folder: Path, environment: dict[str, str], role: str | None = None) -> None:
        self.port = free_port()
        self.data_dir, self.log = folder / "data", folder / f"serve-{role or 'all'}-{self.port}.log"
        self.data_dir.mkdir(mode=0o700, exist_ok=True)
        self._role = ["--role", role] if role else []
        self.url = f"http://127.0.0.1:{self.port}"
        own = {"POSTMTA_DATA_DIR": str(self.data_dir), "POSTMTA_PORT": str(self.port), "POSTMTA_DNS": "sandbox"}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("POSTMTA_")}
        self._environment = inherited | own | environment
        self._process: subprocess.Popen[bytes] | None = None
        # The machine's proxy settings are not for loopback.
        self.http = httpx.Client(base_url=self.url, timeout=30, trust_env=False)

    def start(self) -> None:
        self.begin()
        self.wait_until_up()

    def configure(self, **settings: str) -> None:
        """Change settings from the next start on."""
        self._environment |= settings

    def begin(self) -> None:
        """Start it without waiting until it answers."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "postmta_ctl", "serve", *self._role],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def wait_until_up(self) -> None:
        wait_for(self._is_up, f"a healthy service; see {self.log}", START_SECONDS)

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text(errors="replace")[-4000:]
        try:
            return bool(self.http.get("/health").json()["parts"]["database"]["status"] == "ok")
        except httpx.TransportError:
            return False

    @property
    def pid(self) -> int:
        """The process that was started; the server's worker is its child."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL to the process that was started, as the kernel's out-of-memory killer would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def close(self) -> None:
        self.http.close()
        if self._process is not None and self._process.poll() is None:
            self.stop()

    def command(self, *words: str, status: int = 0, **environment: str) -> str:
        """Output of ``postmta WORDS`` beside the running service; ``status`` is what it must exit with."""
        command = [sys.executable, "-m", "postmta_ctl", *words]
        done = subprocess.run(
            command,
            env=self._environment | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=self.data_dir,
        )
        assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def register(self) -> None:
        """Make the first account, owner and operator, and act as it from now on."""
        account = {"email": EMAIL, "password": PASSWORD}
        self.call("POST", "/api/v1/auth/register", account | {"organization": "Sender"})
        token = self.call("POST", "/api/v1/auth/login", account)["access_token"]
        self.http.headers["Authorization"] = f"Bearer {token}"

    def verified_domain(self, name: str, dns: DnsServer | None = None) -> dict[str, Any]:
        """A domain whose records are published in ``dns``; without it, by the sandbox's pretence."""
        made: dict[str, Any] = self.call("POST", "/api/v1/domains", {"domain": name})
        for record in made["dns_records"] if dns else ():
            dns.publish(record["type"], record["name"], record["value"])
        assert self.call("POST", f"/api/v1/domains/{made['id']}/verify")["status"] == "verified"
        return made

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.request(method, path, json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return json.loads(answer.content) if answer.content else None

    def send(self, to: str, **more: Any) -> str:
        """Id of a message that was accepted."""
        body = {"from": "Ann <ann@sender.test>", "to": [to], "subject": "Hello", "text": "Hello.\n"} | more
        answer = self.http.post("/api/v1/messages/send", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def message(self, message_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", f"/api/v1/messages/{message_id}")
        return found

    def wait_for_status(self, message_id: str, status: str, seconds: float = 30.0) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while (message := self.message(message_id))["status"] != status:
            assert time.monotonic() < deadline, f"not {status} within {seconds:g} s: {message}"
            time.sleep(0.05)
        return message
