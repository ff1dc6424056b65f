"""The tables that say what becomes of directives; the documentation shows them as they stand."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from postmta_ctl.importing.report import Outcome


class Rule(msgspec.Struct, frozen=True):
    """What becomes of one directive when its value can be read."""

    scope: str
    """Where it stands."""
    name: str
    """``*`` for every other one there."""
    outcome: Outcome
    note: str
    action: str = ""
    """How the mapping goes about it; empty: the note says all."""
    detail: str = ""
    """For the action: the setting that it becomes."""


def find(rules: Sequence[Rule]) -> dict[tuple[str, str], Rule]:
    """The rules by scope and name."""
    return {(one.scope, one.name): one for one in rules}
