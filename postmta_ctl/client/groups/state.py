"""The configuration as a file."""

from __future__ import annotations

from postmta_ctl.client.calls import Call, Group, R_co, operation
from postmta_ctl.features.state.schemas import State, StateChange, StateFile


class StateFiles(Group[R_co]):
    """What of Policy is about the configuration as one document."""

    @operation
    def get(self) -> Call[State]:
        """The configuration as a file."""
        return Call("GET", "/api/v1/state", State)

    @operation
    def plan(self, body: StateFile) -> Call[StateChange]:
        """What applying a file would change."""
        return Call("POST", "/api/v1/state/plan", StateChange, body=body)

    @operation
    def apply(self, body: StateFile) -> Call[StateChange]:
        """Bring the configuration to a file."""
        return Call("POST", "/api/v1/state/apply", StateChange, body=body)
