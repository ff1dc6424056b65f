"""Live data in a node's policy folder: each file replaced in one step, the version of all of them last."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from postmta_ctl.compiler.node_files import replace_file
from postmta_ctl.core.live_data import VERSION

FOLDER = "live"
_ONE_BY_ONE = 16
"""So many files are made durable each by itself; more would wait for the disk for seconds."""


def version(policy_dir: Path) -> int | None:
    """The version that a node's files are at; 0 if it has none, or none that can be read; None without a folder."""
    if not policy_dir.is_dir():
        return None
    try:
        return int((policy_dir / FOLDER / VERSION).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def write(policy_dir: Path, files: Mapping[str, bytes], owner: str | None) -> None:
    """Write files; those that stay the same are not touched. They are for ``owner`` (a user name) alone.

    Raises:
        OSError: A file cannot be written.
        LookupError: There is no such user.
    """
    together = len(files) > _ONE_BY_ONE
    for path, content in files.items():
        target = policy_dir / FOLDER / path
        _make_folder(target.parent, policy_dir, owner)
        if together:
            _replace(target, content, owner)
        else:
            replace_file(target, content, mode=0o600, owner=owner)
    if together:
        os.sync()


def set_version(policy_dir: Path, number: int, owner: str | None) -> None:
    """Note that everything up to a version has been written.

    Raises:
        OSError: It cannot be written.
        LookupError: There is no such user.
    """
    write(policy_dir, {VERSION: f"{number}\n".encode()}, owner)


def _replace(path: Path, content: bytes, owner: str | None) -> None:
    """As ``replace_file``, but for the disk: should the power fail before ``os.sync``, the version is still the old
    one, and the file is written again."""
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    if owner is not None:
        shutil.chown(temporary, user=owner)
    temporary.replace(path)


def _make_folder(folder: Path, policy_dir: Path, owner: str | None) -> None:
    if folder == policy_dir or folder.is_dir():
        return
    _make_folder(folder.parent, policy_dir, owner)
    folder.mkdir(mode=0o700, exist_ok=True)
    if owner is not None:
        shutil.chown(folder, user=owner)
