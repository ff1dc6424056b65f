"""How a folder differs from what was put there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec


class FileDifference(msgspec.Struct, frozen=True, kw_only=True):
    """One file that is not as it was written."""

    path: str
    """From the node's policy folder on."""
    kind: Literal["changed", "missing", "extra"]


def differences(wanted: Mapping[str, str], found: Mapping[str, str]) -> list[FileDifference]:
    """What differs, by path.

    Args:
        wanted: SHA-256 of each file by path.
        found: The same, of the files that are there.
    """
    changed = [
        FileDifference(path=path, kind="changed") for path in wanted if found.get(path, wanted[path]) != wanted[path]
    ]
    missing = [FileDifference(path=path, kind="missing") for path in wanted.keys() - found.keys()]
    extra = [FileDifference(path=path, kind="extra") for path in found.keys() - wanted.keys()]
    return sorted([*changed, *missing, *extra], key=lambda one: one.path)
