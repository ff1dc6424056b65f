"""What an engine says of a message, whichever it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

Verdict = Literal["ham", "borderline", "spam"]


class RuleHit(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that matched."""

    id: str
    score: float | None
    """What it adds to the score; negative speaks for the message. None: the engine does not tell."""
    description: str
    reason: str
    """What of the message matched; empty: the engine does not tell."""


class SpamVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """A score and how it came about."""

    engine: str
    version: str | None
    score: float
    threshold: float
    """From this score on the engine takes a message for spam."""
    verdict: Verdict
    action: str | None
    """What the engine would do with it, in its own words; None: it does not tell."""
    rules: tuple[RuleHit, ...]


def judge(score: float, threshold: float) -> Verdict:
    """Spam from the threshold on; borderline in the upper half of the way there."""
    if score >= threshold:
        return "spam"
    return "borderline" if score > 0 and score >= threshold / 2 else "ham"


def heaviest_first(hits: Iterable[RuleHit]) -> tuple[RuleHit, ...]:
    """In the order in which they are worth reading."""
    return tuple(sorted(hits, key=lambda hit: (-(hit.score or 0.0), hit.id)))
