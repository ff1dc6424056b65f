"""A policy bundle: files by path, named by what they hold, compared and kept in folders."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Literal

import msgspec

from postmta_ctl.compiler.node_files import KeyFile

KUMOMTA_VERSION = "2026.05.12"
"""The oldest KumoMTA that a bundle runs on: the first with ``metadata`` for each recipient of an injection."""
MANIFEST = "manifest.json"

_STARTUP_TABLES = ("generated/listeners.lua", "generated/storage.lua", "generated/tsa.lua")
DOMAINS = "data/domains/"
"""Where the shards of sending domains lie."""
_STARTUP_CODE = ("postmta/startup.lua", "postmta/tsa_follow.lua")
_TABLE_ENTRY = re.compile(r"^  (\w+) = (.*?)(?=^  \w+ = |^})", re.MULTILINE | re.DOTALL)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """``manifest.json``: the only file that knows the number of the release."""

    release: int
    digest: str
    files: dict[str, str]
    """SHA-256 of each file, in hexadecimal."""
    kumomta: str


def manifest_text(manifest: Manifest) -> bytes:
    """The octets of ``manifest.json``."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


class Bundle(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The files of one policy, sorted by path, without the manifest.

    Of a large policy most files are those of the release before. Their contents need not be at hand: what a bundle
    *is* follows from the digests.
    """

    files: dict[str, bytes]
    """Those at hand."""
    elsewhere: dict[str, str] = {}
    """SHA-256, in hexadecimal, of each file whose content is not at hand."""

    @classmethod
    def of(cls, files: dict[str, bytes], elsewhere: dict[str, str] | None = None) -> Bundle:
        """A bundle of these files."""
        return cls(files=dict(sorted(files.items())), elsewhere=dict(sorted((elsewhere or {}).items())))

    @cached_property
    def digest(self) -> str:
        """SHA-256 in hexadecimal over all paths and contents: what the policy *is*, whatever its number."""
        lines = [f"{digest}  {path}\n" for path, digest in self.digests.items()]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @cached_property
    def digests(self) -> dict[str, str]:
        """SHA-256 of every file, in hexadecimal, sorted by path."""
        found = {path: hashlib.sha256(content).hexdigest() for path, content in self.files.items()}
        return dict(sorted((found | self.elsewhere).items()))

    def at_hand(self) -> Bundle:
        """Another policy: of the files at hand alone."""
        return Bundle(files=self.files)

    def filled(self, blobs: Mapping[str, bytes]) -> Bundle:
        """The same policy, with those contents that are given by their SHA-256."""
        found = {path: blobs[digest] for path, digest in self.elsewhere.items() if digest in blobs}
        return Bundle.of(self.files | found, {path: self.elsewhere[path] for path in self.elsewhere.keys() - found})

    def manifest(self, release: int) -> Manifest:
        """What ``manifest.json`` says when this bundle is published under a number."""
        return Manifest(release=release, digest=self.digest, files=self.digests, kumomta=KUMOMTA_VERSION)

    def contents(self, release: int) -> dict[str, bytes]:
        """The files at hand and the manifest, as they lie in the folder of a release."""
        return self.files | {MANIFEST: manifest_text(self.manifest(release))}

    def write(self, directory: Path, release: int) -> None:
        """Write the files at hand and the manifest into a folder that is new or empty.

        Raises:
            FileExistsError: the folder holds something: a release is never changed in place.
        """
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise FileExistsError(f"{directory} is not empty")
        for path, content in self.contents(release).items():
            target = directory / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)

    @classmethod
    def read(cls, directory: Path) -> Bundle:
        """The bundle as it lies in a folder now; its digest tells whether somebody changed a file."""
        paths = [path for path in directory.rglob("*") if path.is_file() and path != directory / MANIFEST]
        return cls.of({path.relative_to(directory).as_posix(): path.read_bytes() for path in paths})


def read_manifest(directory: Path) -> Manifest:
    """The manifest in a bundle's folder.

    Raises:
        FileNotFoundError: the folder holds none.
        msgspec.DecodeError: it is damaged.
    """
    return msgspec.json.decode((directory / MANIFEST).read_bytes(), type=Manifest)


def signing_keys(bundle: Bundle) -> set[KeyFile]:
    """The files of the private keys that a policy signs with."""
    shards = (content for path, content in bundle.files.items() if path.startswith(DOMAINS))
    return {
        KeyFile(domain, key["selector"], key["id"])
        for shard in shards
        for domain, entry in msgspec.json.decode(shard).items()
        for key in entry["keys"]
    }


def diff(old: Bundle | None, new: Bundle) -> str:
    """A unified diff from ``old`` (None: nothing) to ``new``, files in order; empty when they are the same."""
    before = old.files if old else {}
    return "".join(_file_diff(path, before.get(path), new.files.get(path)) for path in changed_paths(old, new))


def changed_paths(old: Bundle | None, new: Bundle) -> list[str]:
    """The files that are not the same in both, sorted; most files of a large policy are shards that are."""
    before = old.digests if old else {}
    return sorted({path for path, _ in before.items() ^ new.digests.items()})


def _file_diff(path: str, old: bytes | None, new: bytes | None) -> str:
    lines = difflib.unified_diff(
        _lines(old),
        _lines(new),
        fromfile="/dev/null" if old is None else f"a/{path}",
        tofile="/dev/null" if new is None else f"b/{path}",
    )
    return "".join(lines)


def _lines(content: bytes | None) -> list[str]:
    return content.decode(errors="replace").splitlines(keepends=True) if content else []


class ChangeClass(msgspec.Struct, frozen=True, kw_only=True):
    """What it takes to bring a change to a running node."""

    kind: Literal["nothing", "live", "restart"]
    settings: tuple[str, ...] = ()
    """With ``restart``: what KumoMTA reads at its start only, as ``listeners.http`` or ``postmta/startup.lua``."""


def change_class(old: Bundle | None, new: Bundle) -> ChangeClass:
    """Class of the change from ``old`` to ``new``; from nothing to something is a start, so a restart."""
    if old and old.digest == new.digest:
        return ChangeClass(kind="nothing")
    before = _startup_settings(old) if old else {}
    after = _startup_settings(new)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return ChangeClass(kind="restart" if changed else "live", settings=tuple(changed))


def _startup_settings(bundle: Bundle) -> dict[str, str]:
    """What KumoMTA reads once: each entry of the tables for it, and the code that uses them."""
    settings = {path: bundle.files.get(path, b"").decode() for path in _STARTUP_CODE}
    for path in _STARTUP_TABLES:
        table = Path(path).stem
        text = bundle.files.get(path, b"").decode()
        settings |= {f"{table}.{name}": value for name, value in _TABLE_ENTRY.findall(text)}
    return settings
