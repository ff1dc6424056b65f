"""Policy: traffic shaping automation."""

from __future__ import annotations

from types import NoneType

from postmta_ctl.client.calls import Call, Group, Page, R_co, listing, operation
from postmta_ctl.features.tsa.schemas import (
    AutomationCreate,
    AutomationRule,
    AutomationUpdate,
    MaintainedRule,
    TsaState,
)

_RULES = "/api/v1/policy/tsa/rules"


class Automation(Group[R_co]):
    """What stands in the document under Policy, of traffic shaping automation."""

    @operation
    def state(self) -> Call[TsaState]:
        """What the TSA daemons decided."""
        return Call("GET", "/api/v1/policy/tsa", TsaState)

    @operation
    def maintained(self) -> Call[list[MaintainedRule]]:
        """List the automation rules that come with PostMTA."""
        return Call("GET", "/api/v1/policy/tsa/maintained", list[MaintainedRule])

    @operation
    def add(self, body: AutomationCreate) -> Call[AutomationRule]:
        """Have TSA daemons act upon an answer."""
        return Call("POST", _RULES, AutomationRule, body=body)

    @operation
    def get(self, automation_id: str) -> Call[AutomationRule]:
        """Get a rule of traffic shaping automation."""
        return Call("GET", _RULES + "/{automation_id}", AutomationRule, parts={"automation_id": automation_id})

    @operation
    def update(
        self, automation_id: str, body: AutomationUpdate, *, if_match: str | None = None
    ) -> Call[AutomationRule]:
        """Change a rule of traffic shaping automation."""
        return Call(
            "PUT",
            _RULES + "/{automation_id}",
            AutomationRule,
            parts={"automation_id": automation_id},
            body=body,
            headers={"If-Match": if_match},
        )

    @operation
    def remove(self, automation_id: str, *, if_match: str | None = None) -> Call[None]:
        """Delete a rule of traffic shaping automation."""
        return Call(
            "DELETE",
            _RULES + "/{automation_id}",
            NoneType,
            parts={"automation_id": automation_id},
            headers={"If-Match": if_match},
        )

    @listing
    def list(
        self, *, limit: int | None = None, cursor: str | None = None, sort: str | None = None
    ) -> Call[Page[AutomationRule]]:
        """List rules of traffic shaping automation."""
        return Call("GET", _RULES, Page[AutomationRule], query={"limit": limit, "cursor": cursor, "sort": sort})
