"""The files of a node's folder, against those of the release that it should run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.names import release_folder
from postmta_ctl.compiler.node_files import KeyFile, current_release, launcher
from postmta_ctl.core.drift import FileDifference, differences
from postmta_ctl.features.nodes import key_files


@dataclass(frozen=True)
class Wanted:
    """What a node should have."""

    number: int
    bundle: Bundle
    keys: frozenset[KeyFile]

    @property
    def folder(self) -> str:
        """Name of the release's folder."""
        return release_folder(self.number, self.bundle.digest)


def compare(folder: Path, wanted: Wanted) -> tuple[list[FileDifference], list[str]]:
    """How a node's folder differs from what it should have: the files of the release, and all else in words."""
    problems = []
    if current_release(folder) != wanted.folder:
        problems.append(f"is switched to {current_release(folder) or 'no release'}, not to {wanted.folder}")
    start = folder / "init.lua"
    if not start.is_file() or start.read_text(errors="replace") != launcher(folder):
        problems.append("init.lua, which kumod is started with, is not as it was written")
    problems += [
        f"the DKIM key {file.domain}/{file.selector} is missing" for file in key_files.missing(folder, wanted.keys)
    ]
    root = folder / "releases" / wanted.folder
    contents = wanted.bundle.contents(wanted.number)
    there = {
        path.relative_to(root).as_posix(): _digest(path.read_bytes()) for path in root.rglob("*") if path.is_file()
    }
    should = {path: _digest(content) for path, content in contents.items()}
    prefix = f"releases/{wanted.folder}/"
    return differences(_under(prefix, should), _under(prefix, there)), problems


def _under(prefix: str, digests: Mapping[str, str]) -> dict[str, str]:
    return {prefix + path: digest for path, digest in digests.items()}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
