"""vMTAs."""

from __future__ import annotations

from types import NoneType

from postmta_ctl.client.calls import Call, Group, Page, R_co, listing, operation
from postmta_ctl.features.pools.schemas import Pool, PoolCreate, PoolUpdate


class Pools(Group[R_co]):
    """What stands in the document under vMTAs."""

    @listing
    def list(self, *, limit: int | None = None, cursor: str | None = None, sort: str | None = None) -> Call[Page[Pool]]:
        """List all pools."""
        return Call("GET", "/api/v1/pools", Page[Pool], query={"limit": limit, "cursor": cursor, "sort": sort})

    @operation
    def create(self, body: PoolCreate) -> Call[Pool]:
        """Create a pool of vMTAs."""
        return Call("POST", "/api/v1/pools", Pool, body=body)

    @operation
    def get(self, pool_id: str) -> Call[Pool]:
        """Get a pool."""
        return Call("GET", "/api/v1/pools/{pool_id}", Pool, parts={"pool_id": pool_id})

    @operation
    def update(self, pool_id: str, body: PoolUpdate, *, if_match: str | None = None) -> Call[Pool]:
        """Change a pool."""
        return Call(
            "PUT",
            "/api/v1/pools/{pool_id}",
            Pool,
            parts={"pool_id": pool_id},
            body=body,
            headers={"If-Match": if_match},
        )

    @operation
    def delete(self, pool_id: str, *, if_match: str | None = None) -> Call[None]:
        """Delete a pool."""
        return Call(
            "DELETE", "/api/v1/pools/{pool_id}", NoneType, parts={"pool_id": pool_id}, headers={"If-Match": if_match}
        )
