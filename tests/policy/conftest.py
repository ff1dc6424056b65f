"""The demo fleet: two organizations, one vMTA warming and one paused, three domains with two keys each."""

from __future__ import annotations

import pytest

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
from postmta_ctl.compiler.render import render

KEYS = (
    SigningKey(selector="p2026r", algorithm="rsa-sha256"),
    SigningKey(selector="p2026e", algorithm="ed25519-sha256"),
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
