"""API Keys."""

from __future__ import annotations

from types import NoneType

from postmta_ctl.client.calls import Call, Group, Page, R_co, listing, operation
from postmta_ctl.features.api_keys.schemas import ApiKey, ApiKeyCreate, ApiKeyCreated, ApiKeyRotate


class ApiKeys(Group[R_co]):
    """What stands in the document under API Keys."""

    @listing
    def list(
        self, *, limit: int | None = None, cursor: str | None = None, sort: str | None = None
    ) -> Call[Page[ApiKey]]:
        """List all API keys."""
        return Call("GET", "/api/v1/api-keys", Page[ApiKey], query={"limit": limit, "cursor": cursor, "sort": sort})

    @operation
    def create(self, body: ApiKeyCreate) -> Call[ApiKeyCreated]:
        """Create a new API key."""
        return Call("POST", "/api/v1/api-keys", ApiKeyCreated, body=body)

    @operation
    def get(self, key_id: str) -> Call[ApiKey]:
        """Get API key details."""
        return Call("GET", "/api/v1/api-keys/{key_id}", ApiKey, parts={"key_id": key_id})

    @operation
    def delete(self, key_id: str, *, if_match: str | None = None) -> Call[None]:
        """Delete an API key."""
        return Call(
            "DELETE", "/api/v1/api-keys/{key_id}", NoneType, parts={"key_id": key_id}, headers={"If-Match": if_match}
        )

    @operation
    def rotate(
        self, key_id: str, body: ApiKeyRotate | None = None, *, if_match: str | None = None
    ) -> Call[ApiKeyCreated]:
        """Rotate API key."""
        return Call(
            "POST",
            "/api/v1/api-keys/{key_id}/rotate",
            ApiKeyCreated,
            parts={"key_id": key_id},
            body=body,
            headers={"If-Match": if_match},
        )
