"""A bundle in a folder of somebody's choice, such as a checkout of an ops repository."""

from __future__ import annotations

from pathlib import Path

import msgspec

from postmta_ctl.compiler.bundle import MANIFEST, Bundle, Manifest, read_manifest
from postmta_ctl.compiler.check import Finding
from postmta_ctl.errors import ConfigurationError
from postmta_ctl.features.policy.proofs import Proof, prove_lua


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


def prove(folder: Path) -> list[Proof]:
    """What can be proved of a bundle without its database: it is whole, and its Lua runs."""
    manifest = _manifest(folder)
    bundle = Bundle.read(folder)
    if bundle.digest == manifest.digest:
        whole = Proof(name="files", ok=True, detail=f"release {manifest.release}, digest {manifest.digest}")
    else:
        whole = Proof(name="files", ok=False, detail="not as rendered", findings=_differences(manifest, bundle))
    return [whole, prove_lua(folder)]


def _differences(manifest: Manifest, bundle: Bundle) -> tuple[Finding, ...]:
    there = bundle.manifest(manifest.release).files
    paths = sorted(path for path in manifest.files.keys() | there.keys() if manifest.files.get(path) != there.get(path))
    return tuple(Finding(code="file-changed", message="is not what was rendered", where=path) for path in paths)


def _manifest(folder: Path) -> Manifest:
    try:
        return read_manifest(folder)
    except FileNotFoundError:
        raise ConfigurationError(f"{folder} holds no bundle: there is no {MANIFEST}") from None
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"{folder}/{MANIFEST} cannot be read: {error}") from error
