"""When a canary is stopped."""

from __future__ import annotations

import pytest

from postmta_ctl.core.canary import MIN_ATTEMPTS, Figures, trouble

QUIET = Figures(delivered=950, deferred=40, bounced=10)


@pytest.mark.parametrize(
    ("before", "since", "words"),
    [
        (QUIET, Figures(), None),
        (QUIET, Figures(deferred=MIN_ATTEMPTS - 1), None),
        (QUIET, Figures(deferred=MIN_ATTEMPTS), "50 of 50 attempts were deferred, 100.0% against 4.0% before"),
        (QUIET, Figures(delivered=91, deferred=9), None),
        (QUIET, Figures(delivered=90, deferred=10), "deferred"),
        (QUIET, Figures(delivered=94, bounced=6), None),
        (QUIET, Figures(delivered=93, bounced=7), "7 of 100 attempts were bounced, 7.0% against 1.0% before"),
        (Figures(), Figures(delivered=70, deferred=30), None),
        (Figures(), Figures(delivered=69, deferred=31), "against an ordinary 15%"),
        (Figures(), Figures(delivered=92, bounced=8), None),
        (Figures(), Figures(delivered=91, bounced=9), "against an ordinary 3%"),
        (Figures(delivered=50, deferred=50), Figures(deferred=100), None),
    ],
)
def test_what_stops_a_trial(before: Figures, since: Figures, words: str | None) -> None:
    found = trouble(before, since)
    assert (found is None) if words is None else (found is not None and words in found)
