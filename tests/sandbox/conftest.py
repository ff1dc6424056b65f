"""A compiled policy on a node of its own, run by a sandbox: as an object, over HTTP, or as a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from postmta_ctl.compiler import node_files
from postmta_ctl.compiler.model import (
    Installation,
    Listener,
    Organization,
    PolicyModel,
    SendingDomain,
    SigningKey,
    VirtualMta,
)
from postmta_ctl.compiler.names import release_folder
from postmta_ctl.compiler.render import render

ADMIN_TOKEN = "admin-token-of-the-test"
INGEST_TOKEN = "ingest-token-of-the-test"
RSA = SigningKey(selector="p1r", algorithm="rsa-sha256")
ED25519 = SigningKey(selector="p1e", algorithm="ed25519-sha256")


@dataclass
class Ingestion:
    """The control plane's end of the log hook: keeps the records, or answers what it is told to."""

    url: str
    records: list[dict[str, Any]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)
    """Statuses to answer instead, one a request."""
    authorizations: set[str | None] = field(default_factory=set)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, enough: Callable[[list[dict[str, Any]]], bool], seconds: float = 15.0) -> list[dict[str, Any]]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: enough(self.records), seconds), [
                (record["type"], record["recipient"]) for record in self.records
            ]
            return list(self.records)

    def of(self, recipient: str) -> list[dict[str, Any]]:
        return [record for record in self.records if record["recipient"] == recipient]

    def wait_for_type(self, recipient: str, kind: str, seconds: float = 15.0) -> dict[str, Any]:
        def found(records: list[dict[str, Any]]) -> bool:
            return any(record["type"] == kind and record["recipient"] == recipient for record in records)

        records = self.wait_for(found, seconds)
        return next(record for record in records if record["type"] == kind and record["recipient"] == recipient)


@pytest.fixture
def ingestion() -> Iterator[Ingestion]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = self._take(body)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _take(self, body: bytes) -> int:
            with ingestion.arrived:
                ingestion.authorizations.add(self.headers.get("Authorization"))
                if ingestion.refusals:
                    return ingestion.refusals.pop(0)
                lines = [json.loads(line) for line in body.splitlines()]
                ingestion.records += lines
                ingestion.batches.append(len(lines))
                ingestion.arrived.notify_all()
            return 200

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ingestion = Ingestion(f"http://127.0.0.1:{server.server_port}/ingest")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield ingestion
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def pems() -> dict[str, bytes]:
    keys = {
        "rsa-sha256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "ed25519-sha256": ed25519.Ed25519PrivateKey.generate(),
    }
    return {name: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for name, key in keys.items()}


def make_model(**installation: Any) -> PolicyModel:
    """Acme with one established and one warming vMTA (20 a day); bolt with a single one."""
    settings: dict[str, Any] = {
        "bounce_domain": "bounce.postmta.test",
        "http_listeners": (Listener(address="127.0.0.1:8000"),),
        "smtp_listeners": (Listener(address="127.0.0.1:2500"),),
        "retry_interval": "1m",
        "max_age": "10m",
    }
    vmtas = (
        vmta("acme", "mx1", "192.0.2.1"),
        vmta("acme", "warm", "192.0.2.2", state="warming", daily_limit=40),
        vmta("bolt", "mx", "192.0.2.9"),
    )
    return PolicyModel(
        installation=Installation(**(settings | installation)),
        organizations=(Organization(slug="acme"), Organization(slug="bolt")),
        vmtas=vmtas,
        domains=(
            SendingDomain(name="acme.test", organization="acme", keys=(RSA, ED25519)),
            SendingDomain(name="bolt.test", organization="bolt", keys=(ED25519,)),
        ),
    )


def vmta(organization: str, name: str, address: str, **changes: Any) -> VirtualMta:
    ehlo = f"{name}.{organization}.test"
    return VirtualMta(organization=organization, name=name, address=address, ehlo_domain=ehlo, **changes)


class PolicyFolder:
    """A node's folder, to publish models into."""

    def __init__(self, folder: Path, ingest_url: str, pems: dict[str, bytes]) -> None:
        self.folder = folder
        self._release = 0
        node_files.write_node_files(
            folder, node_name="n1", ingest_url=ingest_url, ingest_token=INGEST_TOKEN, admin_token=ADMIN_TOKEN
        )
        for domain in ("acme.test", "bolt.test"):
            for key in (RSA, ED25519):
                node_files.write_key(folder, domain, key.selector, pems[key.algorithm])

    def publish(self, model: PolicyModel) -> int:
        self._release += 1
        bundle = render(model)
        name = release_folder(self._release, bundle.digest)
        bundle.write(self.folder / "releases" / name, self._release)
        node_files.switch_release(self.folder, name)
        return self._release


@pytest.fixture
def policy(tmp_path: Path, ingestion: Ingestion, pems: dict[str, bytes]) -> PolicyFolder:
    folder = tmp_path / "node"
    folder.mkdir()
    policy = PolicyFolder(folder, ingestion.url, pems)
    policy.publish(make_model())
    return policy


class SandboxProcess:
    """A sandbox in a process of its own, called over HTTP with the control plane's token."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [sys.executable, "-m", "postmta_ctl.sandbox", "--policy-dir", str(folder), *options]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        self.banner = json.loads(line)
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        self.http = httpx.Client(base_url=self.banner["url"], headers=headers, timeout=10, trust_env=False)

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

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self._end()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self._end()

    def _end(self) -> int:
        self.http.close()
        self.process.communicate(timeout=15)
        return self.process.returncode


_numbers = iter(range(10**9))


def injection(*recipients: str, tenant: str = "acme", **extra: Any) -> dict[str, Any]:
    """A request as the control plane makes them."""
    domain = f"{tenant.partition('.')[0]}.test"
    return {
        "envelope_sender": "x@bounce.postmta.test",
        "recipients": [
            {
                "email": recipient,
                "metadata": {"rid": f"{os.getpid()}-{next(_numbers)}", "tenant": tenant, **extra},
                "substitutions": {"subject": "Hello {{ 1+1 }}"},
            }
            for recipient in recipients
        ],
        "content": {
            "headers": {"From": f"Ann <ann@{domain}>", "Subject": "{{subject}}", "Message-ID": f"<1@{domain}>"},
            "text_body": "Hello {{ email }}",
        },
    }


StartSandbox = Callable[..., SandboxProcess]


@pytest.fixture
def start(policy: PolicyFolder) -> Iterator[StartSandbox]:
    running: list[SandboxProcess] = []

    def start(*options: str) -> SandboxProcess:
        running.append(SandboxProcess(policy.folder, *options))
        return running[-1]

    yield start
    for process in running:
        process.stop()


@pytest.fixture
def sandbox(start: StartSandbox) -> SandboxProcess:
    """A node on which a minute of waiting takes a tenth of a second."""
    return start("--time-scale", "600")
