"""Private DKIM keys on a node: which are there, which are missing, which are no longer wanted.

The files in ``keys.index`` say which key lies in which file, so that a publication opens only what changed, and removes
only what was written by one before. A domain's entries are found by its digest, so that one domain's change rewrites a
small file however many there are.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import msgspec

from postmta_ctl.compiler.node_files import KeyFile, key_path, replace_file, sync_folder, write_key

_INDEX = "keys.index"


class _Entry(msgspec.Struct, frozen=True):
    domain: str
    selector: str
    key_id: str


def missing(policy_dir: Path, wanted: Collection[KeyFile]) -> list[KeyFile]:
    """The keys whose file is not there."""
    there = _index(policy_dir, {file.domain for file in wanted})
    return sorted(file for file in wanted if file not in there or not key_path(policy_dir, file).exists())


def write(policy_dir: Path, keys: Mapping[KeyFile, bytes], owner: str | None) -> None:
    """Write keys (PEM), and note them in the index.

    Killed in between, the index names fewer files than there are, and the next publication writes those again.
    """
    for file, pem in keys.items():
        write_key(policy_dir, file, pem, owner)
    note(policy_dir, keys, owner)


def note(policy_dir: Path, files: Iterable[KeyFile], owner: str | None) -> None:
    """Take keys whose files are there into the index."""
    new = set(files)
    _change(policy_dir, {file.domain for file in new}, owner, add=new)


def remove_others(
    policy_dir: Path, wanted: Collection[KeyFile], owner: str | None, *, domains: Collection[str] | None = None
) -> None:
    """Remove the keys that a publication wrote and that the running release has no use for.

    Args:
        policy_dir: The node's folder.
        wanted: The keys that stay.
        owner: Whose files these are.
        domains: Look at the keys of these domains only; at all of them when absent.
    """
    others = _index(policy_dir, domains).difference(wanted)
    others = others if domains is None else {file for file in others if file.domain in set(domains)}
    _remove(policy_dir, others)
    _change(policy_dir, {file.domain for file in others}, owner, drop=others)


def remove(policy_dir: Path, unwanted: Collection[KeyFile], owner: str | None) -> None:
    """Remove these keys, as far as they are there.

    Raises:
        OSError: The folder cannot be written to.
    """
    _remove(policy_dir, unwanted)
    _change(policy_dir, {file.domain for file in unwanted}, owner, drop=unwanted)


def _remove(policy_dir: Path, files: Collection[KeyFile]) -> None:
    for file in files:
        path = key_path(policy_dir, file)
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            sync_folder(path.parent)


def _index(policy_dir: Path, domains: Collection[str] | None) -> set[KeyFile]:
    """The entries of the files that these domains stand in; all entries when absent."""
    folder = policy_dir / _INDEX
    paths = folder.glob("*.json") if domains is None else {_file(folder, name) for name in domains}
    return {file for path in paths for file in _read(path)}


def _change(
    policy_dir: Path,
    domains: Iterable[str],
    owner: str | None,
    *,
    add: Collection[KeyFile] = (),
    drop: Collection[KeyFile] = (),
) -> None:
    folder = policy_dir / _INDEX
    added: defaultdict[Path, set[KeyFile]] = defaultdict(set)
    for file in add:
        added[_file(folder, file.domain)].add(file)
    for path in {_file(folder, name) for name in domains}:
        before = _read(path)
        after = (before | added[path]).difference(drop)
        if after != before:
            folder.mkdir(mode=0o700, exist_ok=True)
            text = msgspec.json.encode([_Entry(*file) for file in sorted(after)])
            replace_file(path, text + b"\n", mode=0o600, owner=owner)


def _file(folder: Path, domain: str) -> Path:
    return folder / f"{hashlib.sha256(domain.encode()).hexdigest()[:2]}.json"


def _read(path: Path) -> set[KeyFile]:
    if not path.exists():
        return set()
    entries = msgspec.json.decode(path.read_bytes(), type=list[_Entry])
    return {KeyFile(entry.domain, entry.selector, entry.key_id) for entry in entries}
