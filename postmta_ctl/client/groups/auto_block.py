"""Security."""

from __future__ import annotations

from types import NoneType

from postmta_ctl.client.calls import Call, Group, Page, R_co, listing, operation
from postmta_ctl.features.security.auto_block.schemas import Block, Resolve, Rule, RuleCreate, RuleUpdate, Toggle


class AutoBlock(Group[R_co]):
    """What stands in the document under Security."""

    @listing
    def list_rules(
        self, *, limit: int | None = None, cursor: str | None = None, sort: str | None = None
    ) -> Call[Page[Rule]]:
        """List auto-block rules."""
        return Call(
            "GET",
            "/api/v1/security/auto-block/rules",
            Page[Rule],
            query={"limit": limit, "cursor": cursor, "sort": sort},
        )

    @operation
    def create_rule(self, body: RuleCreate) -> Call[Rule]:
        """Create an auto-block rule."""
        return Call("POST", "/api/v1/security/auto-block/rules", Rule, body=body)

    @operation
    def get_rule(self, rule_id: str) -> Call[Rule]:
        """Get an auto-block rule."""
        return Call("GET", "/api/v1/security/auto-block/rules/{rule_id}", Rule, parts={"rule_id": rule_id})

    @operation
    def update_rule(self, rule_id: str, body: RuleUpdate, *, if_match: str | None = None) -> Call[Rule]:
        """Update an auto-block rule."""
        return Call(
            "PUT",
            "/api/v1/security/auto-block/rules/{rule_id}",
            Rule,
            parts={"rule_id": rule_id},
            body=body,
            headers={"If-Match": if_match},
        )

    @operation
    def delete_rule(self, rule_id: str, *, if_match: str | None = None) -> Call[None]:
        """Delete an auto-block rule."""
        return Call(
            "DELETE",
            "/api/v1/security/auto-block/rules/{rule_id}",
            NoneType,
            parts={"rule_id": rule_id},
            headers={"If-Match": if_match},
        )

    @operation
    def toggle_rule(self, body: Toggle) -> Call[Rule]:
        """Toggle auto-block rule."""
        return Call("POST", "/api/v1/security/auto-block/toggle", Rule, body=body)

    @listing
    def active_blocks(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        sort: str | None = None,
        everybody: bool | None = None,
    ) -> Call[Page[Block]]:
        """Get active blocks."""
        return Call(
            "GET",
            "/api/v1/security/auto-block/active",
            Page[Block],
            query={"limit": limit, "cursor": cursor, "sort": sort, "everybody": everybody},
        )

    @listing
    def past_blocks(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        sort: str | None = None,
        everybody: bool | None = None,
    ) -> Call[Page[Block]]:
        """List blocks that are over."""
        return Call(
            "GET",
            "/api/v1/security/auto-block/history",
            Page[Block],
            query={"limit": limit, "cursor": cursor, "sort": sort, "everybody": everybody},
        )

    @operation
    def get_block(self, block_id: str) -> Call[Block]:
        """Get a block."""
        return Call("GET", "/api/v1/security/auto-block/{block_id}", Block, parts={"block_id": block_id})

    @operation
    def resolve_block(self, block_id: str, body: Resolve | None = None) -> Call[Block]:
        """Resolve an auto-block."""
        return Call(
            "POST", "/api/v1/security/auto-block/{block_id}/resolve", Block, parts={"block_id": block_id}, body=body
        )
