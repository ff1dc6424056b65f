"""A bundle in a folder of somebody's choice, such as a checkout of an ops repository."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from postmta_ctl.compiler.bundle import MANIFEST, Bundle, Manifest, read_manifest
from postmta_ctl.compiler.check import Finding
from postmta_ctl.errors import ConfigurationError
from postmta_ctl.features.policy.bundle_files import link_problems
from postmta_ctl.features.policy.proofs import Proof, prove

POLICY = "policy"
"""The bundle's folder in an ops repository."""
SCENARIOS = "scenarios.toml"
"""The operator's scenarios, beside it: they are no part of what nodes get."""


def replace(folder: Path, bundle: Bundle, number: int) -> None:
    """Write a bundle into the folder; an earlier one there is replaced, anything else is not.

    Raises:
        ConfigurationError: The folder holds something else.
    """
    if (folder / MANIFEST).exists():
        _remove_files(folder, _manifest(folder))
    try:
        bundle.write(folder, number)
    except FileExistsError as error:
        raise ConfigurationError(f"{folder} holds files that are not of a bundle") from error


def _remove_files(folder: Path, manifest: Manifest) -> None:
    for path in (*manifest.files, MANIFEST):
        target = folder / path
        if target.resolve().is_relative_to(folder.resolve()):
            target.unlink(missing_ok=True)
    for inner in sorted((each for each in folder.rglob("*") if each.is_dir()), reverse=True):
        if not any(inner.iterdir()):
            inner.rmdir()


def verify(folder: Path, *, kumod: str = "", scenarios: Path | None = None) -> list[Proof]:
    """All proofs of a bundle without its database.

    Args:
        folder: A bundle, or an ops repository with one in ``policy`` and scenarios beside it.
        kumod: A kumod program; the one on the ``PATH`` when empty, if any.
        scenarios: A file of scenarios other than that of the repository.

    Raises:
        ConfigurationError: There is no bundle, or its manifest or the scenarios cannot be read.
    """
    place = folder if (folder / MANIFEST).exists() else folder / POLICY
    manifest = _manifest(place)
    links = tuple(link_problems(place))
    if links:
        # What they lead to is not even read.
        return [Proof(name="files", ok=False, detail="not as rendered", findings=links)]
    bundle = Bundle.read(place)
    beside = folder / SCENARIOS
    chosen = scenarios or (beside if place != folder and beside.exists() else None)
    text = "" if chosen is None else read_scenarios(chosen)
    return [_whole(manifest, bundle), *asyncio.run(prove(bundle, text, kumod=kumod))]


def _whole(manifest: Manifest, bundle: Bundle) -> Proof:
    findings = _differences(manifest, bundle)
    if findings:
        return Proof(name="files", ok=False, detail="not as rendered", findings=findings)
    return Proof(name="files", ok=True, detail=f"release {manifest.release}, digest {manifest.digest}")


def _differences(manifest: Manifest, bundle: Bundle) -> tuple[Finding, ...]:
    there = bundle.manifest(manifest.release).files
    paths = sorted(path for path in manifest.files.keys() | there.keys() if manifest.files.get(path) != there.get(path))
    findings = [Finding(code="file-changed", message="is not what was rendered", where=path) for path in paths]
    if not findings and bundle.digest != manifest.digest:
        message = f"the digest of these files is {bundle.digest}"
        findings.append(Finding(code="wrong-digest", message=message, where=MANIFEST))
    return tuple(findings)


def read_scenarios(path: Path) -> str:
    """The text of a file of scenarios.

    Raises:
        ConfigurationError: It cannot be read.
    """
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error


def _manifest(folder: Path) -> Manifest:
    try:
        return read_manifest(folder)
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigurationError(f"{folder} holds no bundle: there is no {MANIFEST}") from None
    except (msgspec.MsgspecError, OSError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{folder}/{MANIFEST} cannot be read: {error}") from error
