"""Whether a release may go on from a few nodes to all: what receivers answer there, against what they did before.

A policy that is proved may still be wrong about the world: a pool whose addresses nobody trusts, a rate that receivers
defer. It shows in the first answers, so a few nodes try it first.
"""

from __future__ import annotations

import msgspec

MIN_ATTEMPTS = 50
"""Fewer attempts than this decide nothing."""
FACTOR = 2.0
MARGIN = 0.05
"""A rate has jumped when it is more than ``FACTOR`` times what it was, and by more than ``MARGIN``."""
ORDINARY_DEFERRALS = 0.15
ORDINARY_BOUNCES = 0.03
"""What counts as the rate before where there was too little mail to know it."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Attempts at some nodes in some time, by how they ended."""

    delivered: int = 0
    deferred: int = 0
    bounced: int = 0

    @property
    def attempts(self) -> int:
        """All of them."""
        return self.delivered + self.deferred + self.bounced


def trouble(before: Figures, since: Figures) -> str | None:
    """What got worse, in words with both figures; None while nothing did.

    Args:
        before: The attempts at these nodes before they ran the release.
        since: Those since then.
    """
    if since.attempts < MIN_ATTEMPTS:
        return None
    deferrals = _jump("deferred", before, before.deferred, ORDINARY_DEFERRALS, since, since.deferred)
    return deferrals or _jump("bounced", before, before.bounced, ORDINARY_BOUNCES, since, since.bounced)


def _jump(word: str, before: Figures, earlier: int, ordinary: float, since: Figures, now: int) -> str | None:
    known = before.attempts >= MIN_ATTEMPTS
    rate_before = earlier / before.attempts if known else ordinary
    rate = now / since.attempts
    if rate <= max(rate_before * FACTOR, rate_before + MARGIN):
        return None
    against = f"{rate_before:.1%} before" if known else f"an ordinary {ordinary:.0%}"
    return f"{now} of {since.attempts} attempts were {word}, {rate:.1%} against {against}"
