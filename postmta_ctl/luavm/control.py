"""What a node offers to its own policy: injection and administration without HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

ControlKind = Literal["suspend", "bounce", "suspend_ready_q"]


class NodeControl(Protocol):
    """The node behind ``kumo.api``. Requests have the shape of the HTTP API's bodies."""

    def inject(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take in messages (``InjectV1Request``); answers an ``InjectV1Response``."""
        ...

    def entries(self, kind: ControlKind) -> Sequence[Mapping[str, Any]]:
        """The suspensions or bounces in force."""
        ...

    def add(self, kind: ControlKind, request: Mapping[str, Any]) -> str:
        """Put one in force; answers its id."""
        ...

    def remove(self, kind: ControlKind, entry_id: str) -> bool:
        """Lift one; False when there is none of that id."""
        ...
