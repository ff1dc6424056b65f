"""What was looked at, what was found, and what to do about it."""

from __future__ import annotations

from typing import Literal

import msgspec

Level = Literal["ok", "warning", "error"]
LEVELS: tuple[Level, ...] = ("ok", "warning", "error")
"""From good to bad."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    check: str
    """Which kind of thing: ``settings``, ``files``, ``database``, ``node``, ``release``, ``clock``, ``dns``, ``ptr``,
    ``engine``, ``port_25``."""
    subject: str
    """Which one."""
    level: Level
    found: str
    todo: str = ""
    """Empty when there is nothing to do."""


def worst(findings: list[Finding]) -> Level:
    """The worst of them."""
    return max((one.level for one in findings), key=LEVELS.index, default="ok")
