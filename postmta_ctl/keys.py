"""The installation's own secrets: from the settings, else from files made on first use with mode 0600."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

import msgspec

from postmta_ctl.errors import ConfigurationError
from postmta_ctl.settings import Settings


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """Secrets in memory. Never logged, never returned."""

    master_key: bytes
    """32 bytes: AES-256-GCM key for private keys and tokens at rest."""
    jwt_secret: str
    setup_token: str


def load_keys(settings: Settings) -> Keys:
    """Take each secret from the settings, else from its file in the data folder, else make it.

    Raises:
        ConfigurationError: The master key is not 32 bytes in hexadecimal.
    """
    folder = settings.data_dir / "secrets"
    master = settings.master_key or _from_file(folder / "master.key")
    try:
        master_key = bytes.fromhex(master)
    except ValueError:
        master_key = b""
    if len(master_key) != 32:
        raise ConfigurationError("master_key: must be 32 bytes as 64 hexadecimal digits")
    return Keys(
        master_key=master_key,
        jwt_secret=settings.jwt_secret or _from_file(folder / "jwt.key"),
        setup_token=settings.setup_token or _from_file(folder / "setup.token"),
    )


def _from_file(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        _make(path)
    return path.read_text(encoding="ascii").strip()


def _make(path: Path) -> None:
    """Write a new secret, unless another process of the installation does so at this moment: then its secret stays."""
    with NamedTemporaryFile("w", encoding="ascii", dir=path.parent, prefix=f".{path.name}.") as file:
        file.write(secrets.token_hex(32) + "\n")
        file.flush()
        # Rows are sealed under this key from now on: losing it to a power cut would lose them.
        os.fsync(file.fileno())
        with suppress(FileExistsError):
            # The file has its content before it has its name, so nobody reads half of it.
            path.hardlink_to(file.name)
