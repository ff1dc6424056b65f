"""The demo fleet: two organizations, one vMTA warming and one paused, three domains with two keys each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from postmta_ctl.compiler import node_files
from postmta_ctl.compiler.bundle import Bundle
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
from postmta_ctl.luavm import ManualClock, Message, NodeRuntime

KEYS = (
    SigningKey(selector="p2026r", algorithm="rsa-sha256", id="1"),
    SigningKey(selector="p2026e", algorithm="ed25519-sha256", id="2"),
)


@pytest.fixture(scope="session")
def model() -> PolicyModel:
    return PolicyModel(
        installation=Installation(
            bounce_domain="bounce.postmta.example",
            http_listeners=(Listener(address="127.0.0.1:8000"),),
            smtp_listeners=(Listener(address="0.0.0.0:25", hostname="mail.postmta.example"),),
            path_defaults={"connection_limit": 8, "max_connection_rate": "100/min"},
        ),
        organizations=(Organization(slug="acme"), Organization(slug="globex-2")),
        vmtas=(
            _vmta("acme", "mx-1", "192.0.2.11"),
            _vmta("acme", "mx-2", "192.0.2.12", version=3, state="warming", daily_limit=200),
            _vmta("globex-2", "v4", "198.51.100.7", state="paused"),
            _vmta("globex-2", "v6", "2001:db8::7"),
        ),
        domains=(
            SendingDomain(name="acme.example", organization="acme", keys=KEYS),
            SendingDomain(name="news.acme.example", organization="acme", keys=KEYS),
            SendingDomain(name="globex.example", organization="globex-2", keys=KEYS),
        ),
    )


def _vmta(organization: str, name: str, address: str, **changes: object) -> VirtualMta:
    settings = {
        "organization": organization,
        "name": name,
        "address": address,
        "ehlo_domain": f"{name}.{organization}.example",
    }
    return VirtualMta(**(settings | changes))


@pytest.fixture(scope="session")
def bundle(model: PolicyModel) -> Bundle:
    return render(model)


class Fleet:
    """The demo bundle as it lies on a node: releases, keys, node.json."""

    def __init__(self, folder: Path, bundle: Bundle, keys: dict[str, bytes]) -> None:
        self.folder = folder
        self.clock = ManualClock(datetime(2026, 11, 22, 12, tzinfo=UTC))
        node_files.write_node_files(
            folder,
            node_name="n1",
            ingest_url="http://control/in",
            ingest_token="ingest-token",
            admin_token="admin-token",
        )
        for domain in ("acme.example", "news.acme.example", "globex.example"):
            for key in KEYS:
                node_files.write_key(folder, node_files.KeyFile(domain, key.selector, key.id), keys[key.algorithm])
        self.publish(bundle, release=7)

    def publish(self, bundle: Bundle, release: int) -> None:
        """Put a release in its folder and switch to it."""
        name = release_folder(release, bundle.digest)
        bundle.write(self.folder / "releases" / name, release)
        node_files.switch_release(self.folder, name)

    def runtime(self, **options: Any) -> NodeRuntime:
        """A kumod that runs it."""
        return NodeRuntime(self.folder, policy_dir=self.folder, launcher=True, clock=self.clock, **options)

    def message(
        self, sender: str = "Ann <ann@acme.example>", recipient: str = "bob@example.org", **extra: Any
    ) -> Message:
        """A message as the control plane injects it; ``extra`` is the recipient's metadata."""
        text = (
            f"From: {sender}\r\nTo: {recipient}\r\nSubject: Hello\r\nMessage-ID: <1@acme.example>\r\n\r\nHello Bob\r\n"
        )
        return Message(
            "m1", "injected@control", [recipient], text.encode(), {"extra": extra} if extra else {}, self.clock
        )


@pytest.fixture(scope="session")
def private_keys() -> dict[str, Any]:
    return {
        "rsa-sha256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "ed25519-sha256": ed25519.Ed25519PrivateKey.generate(),
    }


@pytest.fixture
def fleet_of(tmp_path: Path) -> Callable[[PolicyModel], Fleet]:
    """A node of another model; its keys are empty files."""
    return lambda model: Fleet(tmp_path, render(model), dict.fromkeys((key.algorithm for key in KEYS), b""))


@pytest.fixture
def fleet(tmp_path: Path, bundle: Bundle, private_keys: dict[str, Any]) -> Fleet:
    pems = {
        algorithm: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        for algorithm, key in private_keys.items()
    }
    return Fleet(tmp_path, bundle, pems)
