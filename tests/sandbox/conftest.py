"""A compiled policy on a node of its own, run by a sandbox: as an object or as a process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.sandbox.engine import Engine, StartEngine
from tests.sandbox.fleet import PolicyFolder, make_model
from tests.sandbox.ingestion import Ingestion, running_ingestion
from tests.sandbox.process import SandboxProcess, StartSandbox


@pytest.fixture
def ingestion() -> Iterator[Ingestion]:
    with running_ingestion() as ingestion:
        yield ingestion


@pytest.fixture(scope="session")
def pems() -> dict[str, bytes]:
    keys = {
        "rsa-sha256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "ed25519-sha256": ed25519.Ed25519PrivateKey.generate(),
    }
    return {name: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for name, key in keys.items()}


@pytest.fixture
def policy(tmp_path: Path, ingestion: Ingestion, pems: dict[str, bytes]) -> PolicyFolder:
    folder = tmp_path / "node"
    folder.mkdir()
    policy = PolicyFolder(folder, ingestion.url, pems)
    policy.publish(make_model())
    return policy


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


@pytest.fixture
def start_engine(policy: PolicyFolder) -> Iterator[StartEngine]:
    """Makes nodes without a process; see :mod:`tests.sandbox.engine`."""
    made: list[Engine] = []

    def start(**options: Any) -> Engine:
        made.append(Engine(policy.folder, **options))
        return made[-1]

    yield start
    for engine in made:
        engine.close()


@pytest.fixture
def engine(start_engine: StartEngine) -> Engine:
    return start_engine()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, pems: dict[str, bytes]) -> Iterator[SandboxProcess]:
    """One process for all tests that leave no trace another could stumble over."""
    with running_ingestion() as ingestion:
        policy = PolicyFolder(tmp_path_factory.mktemp("shared"), ingestion.url, pems)
        policy.publish(make_model())
        process = SandboxProcess(policy.folder)
        yield process
        process.stop()
