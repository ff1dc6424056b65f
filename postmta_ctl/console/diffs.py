"""A unified diff, cut into its files and to what can be read on a page. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import msgspec

LINES = 400
"""Shown of one file at most."""
FILES = 60
"""Shown of one diff at most."""


class FileDiff(msgspec.Struct, frozen=True):
    """What changes in one file."""

    path: str
    added: int
    removed: int
    text: str
    """At most as many lines as are shown."""
    left_out: int
    """Lines beyond them."""


class Diff(msgspec.Struct, frozen=True):
    """The files that are shown, and how many there are beyond them."""

    files: list[FileDiff]
    left_out: int
    added: int
    removed: int


def parted(text: str) -> Diff:
    """Part a unified diff by its files."""
    files = [_file(lines) for lines in _by_file(text)]
    return Diff(files[:FILES], max(0, len(files) - FILES), sum(f.added for f in files), sum(f.removed for f in files))


def _by_file(text: str) -> Iterator[list[str]]:
    lines = text.splitlines()
    # A removed line may begin with two dashes of its own; a header is followed by the other.
    starts = [
        place
        for place, line in enumerate(lines[:-1])
        if line.startswith("--- ") and lines[place + 1].startswith("+++ ")
    ]
    for start, end in pairwise([*starts, len(lines)]):
        yield lines[start:end]


def _file(lines: list[str]) -> FileDiff:
    body = lines[2:]
    names = [line[4:].partition("\t")[0] for line in lines[:2]]
    name = next((one for one in reversed(names) if one != "/dev/null"), "")
    return FileDiff(
        path=name.partition("/")[2] if name.startswith(("a/", "b/")) else name,
        added=sum(line.startswith("+") for line in body),
        removed=sum(line.startswith("-") for line in body),
        text="\n".join(body[:LINES]),
        left_out=max(0, len(body) - LINES),
    )
