"""Which rendering and which proofs a release went through: a shard that went through the same needs no other turn."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import msgspec

from postmta_ctl import compiler
from postmta_ctl.core import providers

_HERE = Path(__file__).parent
_JUDGES = ("bundle_contents.py", "bundle_egress.py", "bundle_files.py", "bundle_walk.py", "load.py", "prover.py")


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    """What a later release may rely on that takes over shards of this one."""

    prover: str
    """``fingerprint`` of the program that rendered and proved it."""
    domains: int
    """How many it signs for."""
    verified: int
    """How many were verified then: a second count, of the rows and not of the files."""


@cache
def fingerprint() -> str:
    """SHA-256 of the source that shards are rendered and judged by; another program looks at all of them again."""
    files = [
        *Path(compiler.__file__).parent.glob("*.py"),
        *(_HERE / name for name in _JUDGES),
        Path(providers.__file__),
    ]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(files))).hexdigest()
