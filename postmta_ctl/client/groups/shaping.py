"""Policy: traffic shaping."""

from __future__ import annotations

from types import NoneType

from postmta_ctl.client.calls import Call, Group, Page, R_co, listing, operation
from postmta_ctl.features.shaping.schemas import ShapedProvider, ShapingCreate, ShapingRule, ShapingUpdate


class Shaping(Group[R_co]):
    """What stands in the document under Policy, of traffic shaping."""

    @operation
    def add(self, body: ShapingCreate) -> Call[ShapingRule]:
        """Limit what is sent to a provider or a domain."""
        return Call("POST", "/api/v1/shaping", ShapingRule, body=body)

    @operation
    def providers(self) -> Call[list[ShapedProvider]]:
        """List mailbox providers and their maintained limits."""
        return Call("GET", "/api/v1/shaping/providers", list[ShapedProvider])

    @operation
    def get(self, shaping_id: str) -> Call[ShapingRule]:
        """Get a rule of traffic shaping."""
        return Call("GET", "/api/v1/shaping/{shaping_id}", ShapingRule, parts={"shaping_id": shaping_id})

    @operation
    def update(self, shaping_id: str, body: ShapingUpdate, *, if_match: str | None = None) -> Call[ShapingRule]:
        """Change the limits of a rule."""
        return Call(
            "PUT",
            "/api/v1/shaping/{shaping_id}",
            ShapingRule,
            parts={"shaping_id": shaping_id},
            body=body,
            headers={"If-Match": if_match},
        )

    @operation
    def remove(self, shaping_id: str, *, if_match: str | None = None) -> Call[None]:
        """Delete a rule of traffic shaping."""
        return Call(
            "DELETE",
            "/api/v1/shaping/{shaping_id}",
            NoneType,
            parts={"shaping_id": shaping_id},
            headers={"If-Match": if_match},
        )

    @listing
    def list(
        self, *, limit: int | None = None, cursor: str | None = None, sort: str | None = None
    ) -> Call[Page[ShapingRule]]:
        """List rules of traffic shaping."""
        query = {"limit": limit, "cursor": cursor, "sort": sort}
        return Call("GET", "/api/v1/shaping", Page[ShapingRule], query=query)
