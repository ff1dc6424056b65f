"""Which nodes did not take mail a moment ago, as this process found."""

from __future__ import annotations

import time

TROUBLE_SECONDS = 5.0
"""How long a node that refused a connection or a request is passed over while there are others."""


class Troubles:
    """Nodes by name, each until a moment of the monotonic clock."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def note(self, node: str) -> None:
        """It has just failed."""
        self._until[node] = time.monotonic() + TROUBLE_SECONDS

    def forget(self, node: str) -> None:
        """It has just taken something."""
        self._until.pop(node, None)

    def until(self, node: str) -> float:
        """When it is trusted again; 0: it is now."""
        until = self._until.get(node, 0.0)
        return until if until > time.monotonic() else 0.0
