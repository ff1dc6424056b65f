"""How parsers get at files, and what they may take of them."""

from __future__ import annotations

from typing import Protocol

MAX_FILE = 16 * 1024 * 1024
"""Octets of one file: some 300,000 lines."""
MAX_FILES = 500
MAX_DIRECTIVES = 500_000
"""Of all files together."""
MAX_SHOWN = 200
"""Characters of a directive that the report shows."""


class Reader(Protocol):
    """Reads the files of a configuration."""

    def read(self, path: str, *, beside: str = "") -> tuple[str, bytes]:
        """A file, and what it is called from now on.

        Args:
            path: As a configuration has it.
            beside: The file that names it, which a relative path is relative to.

        Raises:
            InputError: It may not be read, is not there, or is too large.
        """


def shown(text: str) -> str:
    """A directive for the report: in one line, printable, not too long."""
    line = "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))
    return line if len(line) <= MAX_SHOWN else f"{line[: MAX_SHOWN - 1]}…"


class FolderReader(Reader, Protocol):
    """Reads the files of a folder."""

    def names(self) -> list[tuple[str, bool]]:
        """What is in the folder, by name, and whether it is a folder itself; hidden ones are left out."""
