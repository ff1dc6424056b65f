"""Private DKIM keys on a node: which are there, which are missing, which are no longer wanted.

``keys.json`` in the policy folder says which key lies in which file, so that a publication opens only what
changed, and removes only what was written by one before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from postmta_ctl.compiler.node_files import KeyFile, key_path, replace_file, sync_folder, write_key

_INDEX = "keys.json"


class _Entry(msgspec.Struct, frozen=True):
    domain: str
    selector: str
    key_id: str


def missing(policy_dir: Path, wanted: Collection[KeyFile]) -> list[KeyFile]:
    """The keys whose file is not there."""
    there = _index(policy_dir)
    return sorted(file for file in wanted if file not in there or not key_path(policy_dir, file).exists())


def write(policy_dir: Path, keys: Mapping[KeyFile, bytes], owner: str | None) -> None:
    """Write keys (PEM), and note them in the index.

    Killed in between, the index names fewer files than there are, and the next publication writes those again.
    """
    for file, pem in keys.items():
        write_key(policy_dir, file, pem, owner)
    _write_index(policy_dir, _index(policy_dir) | keys.keys(), owner)


def remove_others(policy_dir: Path, wanted: Collection[KeyFile], owner: str | None) -> None:
    """Remove the keys that a publication wrote and that the running release has no use for."""
    there = _index(policy_dir)
    _remove(policy_dir, there.difference(wanted))
    _write_index(policy_dir, there.intersection(wanted), owner)


def remove(policy_dir: Path, unwanted: Collection[KeyFile], owner: str | None) -> None:
    """Remove these keys, as far as they are there.

    Raises:
        OSError: The folder cannot be written to.
    """
    there = _index(policy_dir)
    _remove(policy_dir, unwanted)
    if there.intersection(unwanted):
        _write_index(policy_dir, there.difference(unwanted), owner)


def _remove(policy_dir: Path, files: Collection[KeyFile]) -> None:
    for file in files:
        path = key_path(policy_dir, file)
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            sync_folder(path.parent)


def _index(policy_dir: Path) -> set[KeyFile]:
    path = policy_dir / _INDEX
    if not path.exists():
        return set()
    entries = msgspec.json.decode(path.read_bytes(), type=list[_Entry])
    return {KeyFile(entry.domain, entry.selector, entry.key_id) for entry in entries}


def _write_index(policy_dir: Path, files: Collection[KeyFile], owner: str | None) -> None:
    entries = [_Entry(*file) for file in sorted(files)]
    replace_file(policy_dir / _INDEX, msgspec.json.encode(entries) + b"\n", mode=0o600, owner=owner)
