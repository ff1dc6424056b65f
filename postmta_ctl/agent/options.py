"""What an agent is told at its start."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


@dataclass(frozen=True, kw_only=True)
class Options:
    """Of one agent, for one node."""

    control_plane: str
    node: str
    policy_dir: Path
    admin_url: str
    token: str
    """What the control plane knows the agent by."""
    signing_key: Ed25519PublicKey
    """What orders have to be signed with."""
    file_owner: str | None = None
    """The user that kumod runs as; None: the agent's own."""
    releases_kept: int = 10
    """So many of the newest releases stay in the folder."""
    releases_kept_days: float = 0.0
    """What was written within so many days stays as well."""


def require_safe(url: str, *, is_plain_allowed: bool) -> str:
    """The URL of a control plane that secrets may come from.

    Raises:
        ValueError: It is none, or leads over a network without TLS.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise ValueError("must be https://host")
    if parts.scheme == "http" and not is_plain_allowed and not _is_loopback(parts.hostname):
        raise ValueError("private keys would cross the network in the clear: use https")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
