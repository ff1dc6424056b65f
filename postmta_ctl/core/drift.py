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


class PathDifference(msgspec.Struct, frozen=True, kw_only=True):
    """An option of a path, of a source to a domain, that is another on the node than by the published policy."""

    source: str
    domain: str
    option: str
    """As ``kumo.make_egress_path`` calls it."""
    wanted: str
    """Its value by the published policy, as JSON."""
    found: str
    """Its value on the node, as JSON."""


class PathComparison(msgspec.Struct, frozen=True, kw_only=True):
    """Paths that the node resolves now, against what the published policy says in a VM; a sample of a few sources."""

    compared: int
    """Pairs of a source and a domain."""
    differences: list[PathDifference] = []
    """At most a hundred."""
    not_compared: str | None = None
    """Why the node was not asked, or not to the end."""
