"""Readers and configurations for the tests of imports."""

from __future__ import annotations

import shutil
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from postmta_ctl.core.errors import InputError
from postmta_ctl.importing import kumomta, powermta
from postmta_ctl.importing.report import Line
from postmta_ctl.importing.wanted import Defaults, Wanted

FIXTURES = Path(__file__).parent / "fixtures"


class Memory:
    """Files that are only in memory."""

    def __init__(self, **files: str | bytes) -> None:
        self.files = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}

    def names(self) -> list[tuple[str, bool]]:
        return [(name, False) for name in sorted(self.files)]

    def read(self, path: str, *, beside: str = "") -> tuple[str, bytes]:
        if path not in self.files:
            raise InputError("file_unreadable", "there is no such file that can be read")
        return path, self.files[path]


def powermta_of(text: str | bytes, ehlo_domain: str = "", **included: str | bytes) -> Wanted:
    """What a configuration asks for."""
    return powermta.read("config", Memory(config=text, **included), Defaults(ehlo_domain=ehlo_domain))


def kumomta_of(files: dict[str, str | bytes], ehlo_domain: str = "") -> Wanted:
    """What a folder of files asks for."""
    return kumomta.read(Memory(**files), Defaults(ehlo_domain=ehlo_domain))


def outcomes(wanted: Wanted) -> list[tuple[str, int, str]]:
    """File, line and outcome of each directive."""
    return [(one.file, one.line, one.outcome) for one in wanted.report.lines()]


def line_of(wanted: Wanted, text: str) -> Line:
    """The one directive that begins so."""
    (found,) = [one for one in wanted.report.lines() if one.directive.startswith(text)]
    return found


def folder(name: str, to: Path) -> Path:
    """A copy of a fixture, with private keys just made."""
    copied = to / name
    shutil.copytree(FIXTURES / name, copied)
    (copied / "keys").mkdir()
    for key in ("shop", "news", "letter"):
        pem = generate_private_key(65537, 2048).private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        )
        (copied / "keys" / f"{key}.pem").write_bytes(pem)
    edge = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (copied / "keys" / "edge.pem").write_bytes(edge)
    return copied
