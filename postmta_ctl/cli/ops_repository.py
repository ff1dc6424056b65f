"""A release as a commit in a Git work tree of the operator's. It touches what is its own there, and nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path

from postmta_ctl.cli import bundle_folder
from postmta_ctl.cli.bundle_folder import POLICY, SCENARIOS
from postmta_ctl.errors import ConfigurationError
from postmta_ctl.features.policy.bundle_files import file_problems, link_problems
from postmta_ctl.features.policy.exporting import Exported

_OURS = (POLICY, SCENARIOS)
_SECONDS = 120
_SETTINGS = ("core.quotePath=false", "core.autocrlf=false", "core.fsmonitor=false")
"""Bytes are committed as they were rendered, whatever the operator's habits are; else digests would differ."""


def commit(folder: Path, release: Exported) -> str | None:
    """Write the release into the folder and commit it.

    Args:
        folder: A folder of a Git work tree.
        release: What to write.

    Returns:
        The commit's id; None: the folder had this release already, and nothing was done.

    Raises:
        ConfigurationError: It is no work tree, what is ours in it was changed by somebody and not committed, or Git
            refuses; then everything is as it was.
    """
    _require_clean(folder)
    _require_no_secret(release)
    paths = [name for name in _OURS if name == POLICY or release.scenarios or (folder / SCENARIOS).exists()]
    try:
        bundle_folder.replace(folder / POLICY, release.bundle, release.number)
        _write_scenarios(folder / SCENARIOS, release.scenarios)
        _git(folder, "add", "--all", "--force", "--", *paths)
        if not _git(folder, "status", "--porcelain", "--", *paths):
            return None
        _git(folder, "commit", "--quiet", "--only", "--file=-", "--", *paths, text=message(release))
    except (ConfigurationError, OSError) as error:
        _put_back(folder)
        raise ConfigurationError(f"Nothing was committed to {folder}: {error}") from error
    return _git(folder, "rev-parse", "HEAD").strip()


def message(release: Exported) -> str:
    """What a reader of the history sees."""
    lines = [f"policy: release {release.number}: {_one_line(release.reason)}"[:100], ""]
    takes = {"nothing": "nothing on the nodes", "live": "effect at once", "restart": "a restart of the nodes"}
    change = takes[release.change_class.kind]
    if release.change_class.settings:
        change += f" ({', '.join(release.change_class.settings)})"
    lines += [_one_line(release.reason), ""] if len(lines[0]) == 100 else []
    lines += [f"- {_one_line(change)}" for change in release.changes]
    lines += [""] if release.changes else []
    lines += [
        f"Author: {_one_line(release.author)}",
        *([f"Approved-By: {_one_line(release.approved_by)}"] if release.approved_by else []),
        f"Published: {release.published_at:%Y-%m-%d %H:%M:%S} UTC",
        f"Takes: {change}",
        f"Digest: {release.bundle.digest}",
    ]
    return "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _require_clean(folder: Path) -> None:
    if _git(folder, "rev-parse", "--is-inside-work-tree").strip() != "true":
        raise ConfigurationError(f"{folder} is no work tree of Git")
    for name in _OURS:
        if (folder / name).is_symlink():
            raise ConfigurationError(f"{folder / name} is a link; what it leads to is not ours")
    if (folder / POLICY).is_dir() and (links := list(link_problems(folder / POLICY))):
        raise ConfigurationError(f"{folder / POLICY / links[0].where} is a link; what it leads to is not ours")
    changed = _git(folder, "status", "--porcelain", "--untracked-files=all", "--ignored", "--", *_OURS)
    if changed:
        raise ConfigurationError(f"{folder} has changes that nobody committed:\n{changed.rstrip()}")


def _require_no_secret(release: Exported) -> None:
    for finding in file_problems(release.bundle):
        if finding.code == "secret-in-bundle":
            raise ConfigurationError(f"{finding.where}: {finding.message}")


def _write_scenarios(path: Path, text: str) -> None:
    if text:
        path.write_bytes(text.encode())
    else:
        path.unlink(missing_ok=True)


def _put_back(folder: Path) -> None:
    """What is ours, as the last commit has it; it was clean before, so nothing of anybody's is lost."""
    _git(folder, "rm", "-r", "--quiet", "--cached", "--force", "--ignore-unmatch", "--", *_OURS)
    _git(folder, "clean", "-d", "--force", "--quiet", "-x", "--", *_OURS)
    for name in _OURS:
        if _git(folder, "ls-tree", "HEAD", "--", name, check=False):
            _git(folder, "checkout", "--quiet", "HEAD", "--", name)


def _git(folder: Path, *arguments: str, text: str | None = None, check: bool = True) -> str:
    settings = [part for setting in _SETTINGS for part in ("-c", setting)]
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and paths stand behind "--"
            ["git", *settings, "-C", str(folder), *arguments],  # noqa: S607 - the operator's git
            input=(text or "").encode(),
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigurationError(f"git {arguments[0]}: {error}") from error
    if done.returncode != 0 and check:
        words = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
        raise ConfigurationError(f"git {arguments[0]}: {words or f'exit status {done.returncode}'}")
    return done.stdout.decode("utf-8", "replace")
