"""A small fleet as the compiler gets it, the folder of a node that it is published into, and mail for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

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

ADMIN_TOKEN = "admin-token-of-the-test"
INGEST_TOKEN = "ingest-token-of-the-test"
ALL_OF_ADMIN = b"""
[[acl."http_listener/*/api/admin"]]
allow = true
privileges = ["GET", "POST", "DELETE"]
identity.Group = "postmta"
"""
RSA = SigningKey(selector="p1r", algorithm="rsa-sha256", id="1")
ED25519 = SigningKey(selector="p1e", algorithm="ed25519-sha256", id="2")


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
                node_files.write_key(folder, node_files.KeyFile(domain, key.selector, key.id), pems[key.algorithm])

    @contextmanager
    def changed(self, name: str, text: str) -> Iterator[None]:
        """Another text in a file of the running release, behind the publisher's back."""
        file = self.folder / "releases" / node_files.current_release(self.folder) / name
        before = file.read_text()
        file.write_text(text)
        yield
        file.write_text(before)

    def publish(self, model: PolicyModel) -> int:
        self._release += 1
        files = render(model).files
        # The tests try every endpoint, not only those that the control plane uses.
        bundle = Bundle.of(files | {"acl.toml": files["acl.toml"] + ALL_OF_ADMIN})
        name = release_folder(self._release, bundle.digest)
        bundle.write(self.folder / "releases" / name, self._release)
        node_files.switch_release(self.folder, name)
        return self._release


_numbers = count()


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
