"""A node's folder against the release that it should run."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path

import msgspec

from postmta_ctl.compiler.bundle import MANIFEST, Manifest, manifest_text
from postmta_ctl.compiler.names import release_folder
from postmta_ctl.compiler.node_files import KeyFile, current_release, launcher
from postmta_ctl.core.drift import FileDifference, differences
from postmta_ctl.features.nodes import key_files


class FolderDrift(msgspec.Struct, frozen=True, kw_only=True):
    """How a folder differs from what was written to it."""

    files: list[FileDifference] = []
    """Of the release."""
    problems: list[str] = []
    """All else, in words."""


def compare(folder: Path, manifest: Manifest, keys: Collection[KeyFile]) -> FolderDrift:
    """How a node's folder differs from what it should have.

    Args:
        folder: The node's.
        manifest: Of the release.
        keys: The private keys that should be there.

    Raises:
        OSError: It cannot be read.
    """
    name = release_folder(manifest.release, manifest.digest)
    problems = []
    if current_release(folder) != name:
        problems.append(f"is switched to {current_release(folder) or 'no release'}, not to {name}")
    start = folder / "init.lua"
    if not start.is_file() or start.read_text(errors="replace") != launcher(folder):
        problems.append("init.lua, which kumod is started with, is not as it was written")
    problems += [f"the DKIM key {file.domain}/{file.selector} is missing" for file in key_files.missing(folder, keys)]
    root, prefix = folder / "releases" / name, f"releases/{name}/"
    there = {
        prefix + path.relative_to(root).as_posix(): _digest(path.read_bytes())
        for path in root.rglob("*")
        if path.is_file()
    }
    should = {prefix + path: digest for path, digest in manifest.files.items()}
    should[prefix + MANIFEST] = _digest(manifest_text(manifest))
    return FolderDrift(files=differences(should, there), problems=problems)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
