"""The folders of releases in a node's policy folder: written beside, moved into place whole, never changed.

Whoever is killed here leaves at most a folder whose name begins with a dot, which the next publication removes.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from postmta_ctl.compiler.bundle import MANIFEST, Bundle, read_manifest
from postmta_ctl.compiler.names import release_folder
from postmta_ctl.compiler.node_files import current_release, switch_release, sync_folder

KEPT = 10
"""Releases that stay on a node, unless something else is set."""
_DAY_SECONDS = 86_400

_FOLDER = re.compile(r"\d{6,}-[0-9a-f]{12}")

_COPY = "-copy"


class ContentNeeded(Exception):
    """Files of the release that are not at hand are not in the one before on this node."""

    def __init__(self, paths: Collection[str]) -> None:
        super().__init__(f"{len(paths)} files are not there")
        self.paths = paths


class ReleaseChanged(Exception):
    """The folder of the release holds something else than was published: somebody edited it by hand."""


def put_release(policy_dir: Path, number: int, bundle: Bundle) -> str:
    """Write a release, durably; does nothing when it is there.

    Returns:
        The name of its folder, for ``node_files.switch_release``.

    Raises:
        ContentNeeded: Files that are not at hand cannot be taken over from the release before.
        ReleaseChanged: The folder is there with other content, which is not overwritten.
        OSError: It cannot be written.
    """
    releases = policy_dir / "releases"
    folder = releases / release_folder(number, bundle.digest)
    contents = bundle.contents(number)
    if folder.exists():
        _require_same(folder, bundle, contents[MANIFEST])
        return folder.name
    make_folder(releases)
    _remove_unfinished(releases)
    staged = releases / f".{folder.name}"
    previous = _running(policy_dir)
    _take_over(staged, bundle.elsewhere, previous)
    _write(staged, contents, previous, beside=bundle.elsewhere)
    staged.rename(folder)
    sync_folder(releases)
    return folder.name


def replace(policy_dir: Path, number: int, bundle: Bundle) -> None:
    """Put a release in the place of what its folder holds now, which is moved to ``edited/`` and kept.

    A node may read it meanwhile: it is switched to a copy first, and back once the folder is as it should be. Each step
    may be the last one before a crash; the copy is a whole release.

    Raises:
        OSError: It cannot be written.
    """
    releases = policy_dir / "releases"
    folder = releases / release_folder(number, bundle.digest)
    if folder.exists():
        _remove_unfinished(releases)
        copy = releases / f"{folder.name}{_COPY}"
        shutil.rmtree(copy, ignore_errors=True)
        staged = releases / f".{copy.name}"
        _write(staged, bundle.contents(number), None)
        staged.rename(copy)
        sync_folder(releases)
        switch_release(policy_dir, copy.name)
        kept = policy_dir / "edited"
        make_folder(kept)
        folder.rename(_free_name(kept, folder.name))
    switch_release(policy_dir, put_release(policy_dir, number, bundle))
    shutil.rmtree(releases / f"{folder.name}{_COPY}", ignore_errors=True)


def _free_name(folder: Path, name: str) -> Path:
    names = (f"{name}.{number}" for number in itertools.count(1))
    return next(folder / one for one in names if not (folder / one).exists())


def make_folder(folder: Path) -> None:
    """Make a folder that kumod can look into, whatever the umask; one that is there is left as it is."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir()
        folder.chmod(0o755)


def prune(policy_dir: Path, *, kept: int = KEPT, days: float = 0.0, now: datetime) -> None:
    """Remove old releases; the one that is switched to stays in any case.

    Args:
        policy_dir: The node's folder.
        kept: So many of the newest stay.
        days: Those that were written within so many days stay as well.
        now: The time.
    """
    releases = policy_dir / "releases"
    folders = sorted((path for path in releases.iterdir() if _FOLDER.fullmatch(path.name)), key=_number)
    since = now.timestamp() - days * _DAY_SECONDS
    for folder in folders[:-kept]:
        if folder.name != current_release(policy_dir) and _written_at(folder) <= since:
            shutil.rmtree(folder)


def _written_at(folder: Path) -> float:
    """Seconds since the epoch; that of the manifest, whose time no link to another release's file can change."""
    manifest = folder / MANIFEST
    return (manifest if manifest.is_file() else folder).stat().st_mtime


def _number(folder: Path) -> int:
    return int(folder.name.partition("-")[0])


def _require_same(folder: Path, bundle: Bundle, manifest: bytes) -> None:
    found = folder / MANIFEST
    if not found.is_file() or found.read_bytes() != manifest or Bundle.read(folder).digest != bundle.digest:
        raise ReleaseChanged(f"{folder} is not as it was published: somebody changed it by hand")


def _remove_unfinished(releases: Path) -> None:
    for path in releases.glob(".*"):
        shutil.rmtree(path)


def _running(policy_dir: Path) -> Path | None:
    name = current_release(policy_dir)
    return None if name is None else policy_dir / "releases" / name


def _take_over(staged: Path, digests: Mapping[str, str], previous: Path | None) -> None:
    """Link the files that are not at hand to those of the release before.

    They are not read, since there may be thousands. The manifest says what was written, and one that was edited since
    is younger than the manifest; an edit that hides its time is found by the watch over drift.
    """
    for parent in _parents(digests):
        make_folder(staged / parent)
    known, written_at = _manifest(previous)
    lacking = [
        path
        for path, digest in digests.items()
        if known.get(path) != digest or not _relink(f"{previous}/{path}", f"{staged}/{path}", written_at)
    ]
    if lacking:
        shutil.rmtree(staged, ignore_errors=True)
        raise ContentNeeded(lacking)


def _manifest(folder: Path | None) -> tuple[dict[str, str], int]:
    """The digests in a release's manifest, and when it was written, in nanoseconds."""
    if folder is None:
        return {}, 0
    try:
        return read_manifest(folder).files, (folder / MANIFEST).stat().st_mtime_ns
    except (OSError, msgspec.MsgspecError):
        return {}, 0


def _relink(source: str, target: str, written_at: int) -> bool:
    try:
        # No Path objects: for thousands of files they cost more than the calls do.
        if os.lstat(source).st_mtime_ns > written_at:
            return False
        os.link(source, target)
    except OSError:
        return False
    return True


def _parents(paths: Iterable[str]) -> set[Path]:
    """The folders that these lie in, the outermost included."""
    inner = {path.rpartition("/")[0] for path in paths}
    return {Path(), *(part for folder in inner for part in (Path(folder), *Path(folder).parents))}


def _write(staged: Path, contents: dict[str, bytes], previous: Path | None, *, beside: Collection[str] = ()) -> None:
    """All files, then all of them to the disk: one by one, each would wait for a commit of the file system."""
    written = [path for path, content in contents.items() if _place(staged / path, content, previous, path)]
    for path in written:
        _sync_file(staged / path)
    for folder in sorted((staged / part for part in _parents([*contents, *beside])), reverse=True):
        sync_folder(folder)


def _place(target: Path, content: bytes, previous: Path | None, path: str) -> bool:
    """Put one file there; false if it is a hard link to the same file of the release before."""
    make_folder(target.parent)
    if previous is not None and _link(previous / path, content, target):
        return False
    target.write_bytes(content)
    # Read-only, since releases share the file: an edit in one would be an edit in all.
    target.chmod(0o444)
    return True


def _link(source: Path, content: bytes, target: Path) -> bool:
    try:
        if source.read_bytes() != content:
            return False
        os.link(source, target)
    except OSError:
        # Not there, too many links, or a file system without them.
        return False
    return True


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
