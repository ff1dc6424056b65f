"""Faults that tests order: a node that misbehaves as nodes do, for so many calls of the injection endpoint.

======================= ================================================================================
mode                    what happens to a call of /api/inject/v1
======================= ================================================================================
{table}
======================= ================================================================================
"""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

Mode = Literal["unavailable", "hang", "refuse", "reset_before", "reset_after", "partial", "internal", "garbage"]

MEANINGS: dict[Mode, str] = {
    "unavailable": "503 and nothing is done, as while KumoMTA starts or sheds load",
    "hang": "nothing is done and nothing answered until the caller gives up",
    "refuse": "401 and nothing is done, as with a token that was changed on the node alone",
    "reset_before": "the connection is cut before anything was done",
    "reset_after": "the connection is cut after everything was accepted",
    "partial": "the connection is cut after the first half of the recipients was accepted",
    "internal": "every recipient fails in KumoMTA itself, as with a pool that cannot be resolved: 200, and Bounces",
    "garbage": "everything is accepted, and the answer is no JSON",
}

__doc__ = (__doc__ or "").replace("{table}", "\n".join(f"{name:<23} {text}" for name, text in MEANINGS.items()))


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A misbehaviour and how many calls it is still good for."""

    mode: Mode
    count: int = 1


class Faults:
    """The faults that are ordered, used up first come, first served."""

    def __init__(self) -> None:
        self._ordered: list[Fault] = []

    def order(self, fault: Fault) -> None:
        """Let the next ``count`` calls meet this fault, after those ordered before."""
        self._ordered.append(msgspec.structs.replace(fault))

    def take(self) -> Mode | None:
        """The fault that the call now coming in meets."""
        self._ordered = [fault for fault in self._ordered if fault.count > 0]
        if not self._ordered:
            return None
        self._ordered[0].count -= 1
        return self._ordered[0].mode

    def clear(self) -> None:
        """Behave again."""
        self._ordered.clear()

    def pending(self) -> list[Fault]:
        """What is still to come."""
        return [fault for fault in self._ordered if fault.count > 0]


MODES: tuple[Mode, ...] = get_args(Mode)
