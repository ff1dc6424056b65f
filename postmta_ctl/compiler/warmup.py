"""A day's allowance of a warming vMTA as a KumoMTA throttle.

KumoMTA's throttle is a leaky bucket (GCRA): it begins full, with as many tokens as its burst, and refills at its
rate all the while. ``100/d`` alone has a burst of 100 and so lets nearly 200 out on its first day. Here burst and
rate add up to the allowance, so that *no* 24 hours see more than it, whenever they begin.

The burst is half of the allowance: enough for a mailing that goes out in one hour, and what a restart or another
rate (both begin with a full bucket) may add stays bounded. The exact count is kept by the control plane, which
takes a vMTA out of its pools when the day's deliveries are made.

https://docs.kumomta.com/reference/kumo/make_egress_path/max_message_rate/
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Allowance(NamedTuple):
    """A bucket: what may leave at once, and what comes back in a day."""

    burst: int
    refill: int

    def __str__(self) -> str:
        """The throttle's text. KumoMTA lets one more than ``max_burst`` out at once."""
        return f"{self.refill}/d,max_burst={self.burst - 1}"


def allowance(daily_limit: int) -> Allowance:
    """The bucket that lets ``daily_limit`` (at least 1) out in any 24 hours, the first included.

    Over a day a bucket gives its burst and, while that is used, ``refill`` more but for the last, which falls due
    when the day is over.
    """
    burst = max(1, daily_limit // 2)
    return Allowance(burst, daily_limit - burst + 1)


def together(buckets: Iterable[Allowance]) -> Allowance:
    """One bucket that gives no more than these do side by side."""
    bursts, refills = zip(*buckets, strict=True)
    return Allowance(sum(bursts), sum(refills))
