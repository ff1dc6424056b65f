"""What can be found in a file, and how much of it may be unpacked to look."""

from __future__ import annotations

from typing import Literal

import msgspec

Severity = Literal["malware", "suspicious", "note"]
"""``malware``: it is; ``suspicious``: it could be, and mail filters refuse such files; ``note``: good to know."""
FileVerdict = Literal["infected", "suspicious", "no_findings"]

MAX_UNPACKED = 64 * 1024 * 1024
"""Octets that the archives of one request may unpack to, all together."""
MAX_MEMBERS = 1000
"""Members of the archives of one request, all together."""
MAX_DEPTH = 6
"""Archives in archives."""
MAX_RATIO = 100
"""Unpacked octets for each packed one; what shrinks more is a bomb."""
RATIO_FROM = 1024 * 1024
"""Unpacked octets from which on the ratio counts."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was found."""

    id: str
    severity: Severity
    description: str
    path: str
    """Where: the file's name and, within archives, those of the members, with ``!`` between them."""


class Budget:
    """What is left to be unpacked. One for a whole request, so that many small bombs are no way around it."""

    def __init__(self, octets: int = MAX_UNPACKED, members: int = MAX_MEMBERS) -> None:
        self.octets = octets
        self.members = members

    def spend(self, octets: int) -> None:
        """Count a member of this size."""
        self.octets = max(0, self.octets - octets)
        self.members = max(0, self.members - 1)


def verdict_of(findings: tuple[Finding, ...]) -> FileVerdict:
    """What the findings come to. None is not the same as clean: nobody looked for viruses."""
    severities = {one.severity for one in findings}
    if "malware" in severities:
        return "infected"
    return "suspicious" if "suspicious" in severities else "no_findings"
