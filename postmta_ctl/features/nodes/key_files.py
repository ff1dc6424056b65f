"""Private DKIM keys on a node: which are there, which are missing, which are no longer wanted.

``keys.json`` in the policy folder says which key lies in which file, so that a publication opens only what
changed, and removes only what was written by one before.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from postmta_ctl.compiler.node_files import key_path, replace_file, sync_folder, write_key

KeyFile = tuple[str, str]
"""Domain and selector: what names the file of a key."""

_INDEX = "keys.json"


class _Entry(msgspec.Struct, frozen=True):
    domain: str
    selector: str
    key_id: str


def missing(policy_dir: Path, wanted: Mapping[KeyFile, str]) -> list[KeyFile]:
    """The keys whose file is not there, or holds an earlier key of that domain and selector.

    Args:
        policy_dir: The node's folder.
        wanted: Id of the key for each file.
    """
    there = _index(policy_dir)
    return [
        file for file, key_id in wanted.items() if there.get(file) != key_id or not key_path(policy_dir, *file).exists()
    ]


def write(policy_dir: Path, keys: Mapping[KeyFile, bytes], ids: Mapping[KeyFile, str], owner: str | None) -> None:
    """Write keys (PEM), and note them in the index.

    Killed in between, the index names fewer files than there are, and the next publication writes those again.
    """
    for (domain, selector), pem in keys.items():
        write_key(policy_dir, domain, selector, pem, owner)
    _write_index(policy_dir, _index(policy_dir) | {file: ids[file] for file in keys}, owner)


def remove_others(policy_dir: Path, wanted: Mapping[KeyFile, str], owner: str | None) -> None:
    """Remove the keys that a publication wrote and that the running release has no use for."""
    there = _index(policy_dir)
    for file in there.keys() - wanted.keys():
        path = key_path(policy_dir, *file)
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            sync_folder(path.parent)
    _write_index(policy_dir, {file: there[file] for file in there if file in wanted}, owner)


def _index(policy_dir: Path) -> dict[KeyFile, str]:
    path = policy_dir / _INDEX
    if not path.exists():
        return {}
    entries = msgspec.json.decode(path.read_bytes(), type=list[_Entry])
    return {(entry.domain, entry.selector): entry.key_id for entry in entries}


def _write_index(policy_dir: Path, ids: Mapping[KeyFile, str], owner: str | None) -> None:
    entries = [_Entry(domain, selector, key_id) for (domain, selector), key_id in sorted(ids.items())]
    replace_file(policy_dir / _INDEX, msgspec.json.encode(entries) + b"\n", mode=0o600, owner=owner)
