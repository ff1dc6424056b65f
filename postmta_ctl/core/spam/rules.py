"""What a rule is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from postmta_ctl.core.spam.mail import Mail


class Rule(NamedTuple):
    """One reason to distrust a message."""

    id: str
    score: float
    description: str
    advice: str
    """What its author should do about it."""
    check: Callable[[Mail], str | None]
    """What of the message matches; None if nothing does."""


MAX_QUOTE = 80


def quoted(text: str) -> str:
    """A part of a message, short enough to show."""
    flat = " ".join(text.split())
    return f"“{flat[:MAX_QUOTE]}…”" if len(flat) > MAX_QUOTE else f"“{flat}”"
