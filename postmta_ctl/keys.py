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
    former_master_keys: tuple[bytes, ...] = ()
    """What the database was sealed under before: they open, and check links in mail that was sent, and seal nothing."""
    jwt_secret: str
    setup_token: str

    @property
    def master_keys(self) -> tuple[bytes, ...]:
        """All that open: the present one first."""
        return (self.master_key, *self.former_master_keys)


def load_keys(settings: Settings) -> Keys:
    """Take each secret from the settings, else from its file in the data folder, else make it.

    Raises:
        ConfigurationError: A master key is not 32 bytes in hexadecimal.
    """
    folder = settings.data_dir / "secrets"
    former = [part.strip() for part in settings.former_master_keys.split(",")] if settings.former_master_keys else []
    return Keys(
        master_key=_master_key("master_key", settings.master_key or _from_file(folder / "master.key")),
        former_master_keys=tuple(_master_key("former_master_keys", one) for one in former),
        jwt_secret=settings.jwt_secret or _from_file(folder / "jwt.key"),
        setup_token=settings.setup_token or _from_file(folder / "setup.token"),
    )


def _master_key(setting: str, text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ConfigurationError(f"{setting}: must be 32 bytes as 64 hexadecimal digits")
    return key


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
