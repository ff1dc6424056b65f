"""What verdicts on the required records make of a domain."""

from __future__ import annotations

import pytest

from postmta_ctl.features.domains.queries import Status
from postmta_ctl.features.domains.status import next_status


@pytest.mark.parametrize(
    ("current", "verdicts", "then"),
    [
        ("pending", ["ok", "ok", "ok"], "verified"),
        ("pending", ["ok", "missing", "ok"], "pending"),
        ("pending", ["ok", "unknown", "ok"], "pending"),
        ("pending", [], "pending"),
        ("verified", ["ok", "ok", "ok"], "verified"),
        ("verified", ["unknown", "unknown", "ok"], "verified"),
        ("verified", ["ok", "wrong", "ok"], "failing"),
        ("verified", ["unknown", "missing", "ok"], "failing"),
        ("failing", ["unknown", "ok", "ok"], "failing"),
        ("failing", ["ok", "ok", "ok"], "verified"),
    ],
)
def test_next_status(current: Status, verdicts: list[str], then: Status) -> None:
    assert next_status(current, verdicts) == then
