"""The two servers that are compared: the product, and a bare application under the same server with the same settings.

Both listen on loopback only.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx

from bench.load import Done, Task, load
from bench.rows import Sample
from tests.serving import Service, free_port, wait_for

_TICKS = os.sysconf("SC_CLK_TCK")
ENVIRONMENT = {
    "POSTMTA_EMBEDDED_NODE": "false",
    "POSTMTA_RATE_LIMIT_USER": "0",
    "POSTMTA_RATE_LIMIT_ORGANIZATION": "0",
    "POSTMTA_RATE_LIMIT_ADDRESS": "0",
}
"""No node beside it, which would take the mail at the same time, and no limits below what is measured."""


@contextmanager
def product(**environment: str) -> Iterator[Service]:
    """The product over a fresh database, with an account and a verified domain; ``environment`` are settings."""
    with (
        tempfile.TemporaryDirectory(prefix="postmta-bench-") as folder,
        closing(Service(Path(folder), ENVIRONMENT | environment)) as service,
    ):
        service.start()
        service.register()
        service.verified_domain("sender.test")
        yield service


@contextmanager
def bare() -> Iterator[tuple[int, int]]:
    """The bare application: its port and the id of its process."""
    port = free_port()
    with subprocess.Popen([sys.executable, "-m", "bench.bare", str(port)]) as process:
        try:
            wait_for(lambda: answers(port), "the bare application")
            yield port, process.pid
        finally:
            process.terminate()


def answers(port: int) -> bool:
    """Whether something answers there."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def family(process: int) -> list[int]:
    """The process and its descendants."""
    found = [process]
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            found += [int(child) for child in children.read_text().split()]
    return found


def cpu_seconds(process: int) -> float:
    """CPU that the process and its descendants have taken so far."""
    ticks = 0
    for one in family(process):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def memory(process: int) -> float:
    """Proportional set size of the process and its descendants, in MB: shared pages are counted once."""
    kilobytes = 0
    for one in family(process):
        for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                kilobytes += int(line.split()[1])
    return kilobytes / 1024


def rate(process: int, task: Task, *, units: int = 1, status: str = "202") -> Sample:
    """Units a second that a server answers; each request is worth so many.

    Raises:
        RuntimeError: Some answer had another status, or the load was what held it up.
    """
    before = cpu_seconds(process)
    done = load(task)
    taken = cpu_seconds(process) - before
    _check(done, status)
    count = done.answers[status] * units
    return Sample(value=count / done.seconds, cpu=taken / count)


def _check(done: Done, status: str) -> None:
    if set(done.answers) != {status}:
        raise RuntimeError(f"expected answers {status}, got {done.answers}")
    if done.cpu > 0.8 * done.seconds:
        raise RuntimeError(f"the load took {done.cpu:.1f} s of CPU in {done.seconds:.1f} s: it is what is measured")


def request(method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    """The bytes of a request."""
    fields = {"Host": "localhost", "Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in (fields | (headers or {})).items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def seconds_until_it_answers(command: list[str], port: int, environment: dict[str, str]) -> float:
    """From the start of a command to its first answer of 200."""
    started = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: answers(port), "the first answer")
            return time.perf_counter() - started
        finally:
            process.terminate()
