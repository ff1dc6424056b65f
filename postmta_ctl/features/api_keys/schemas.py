"""What the API key routes take and give."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta


class ApiKeyCreate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new key. It never has a scope that its maker lacks."""

    name: Annotated[str, Meta(min_length=1, max_length=200, examples=["production"])]
    scopes: Annotated[list[str], Meta(min_length=1, examples=[["messages:send", "messages:read"]])]
    expires_at: datetime | None = None
    allowed_ips: Annotated[list[str], Meta(min_length=1, max_length=100, examples=[["192.0.2.0/24"]])] | None = None
    """Addresses and networks (CIDR) from which the key may be used; null: from anywhere."""


class ApiKeyRotate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the old secret goes."""

    overlap_seconds: Annotated[int, Meta(ge=0, le=30 * 24 * 3600, examples=[3600])] = 0
    """How long the old secret works beside the new one."""


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret."""

    id: str
    name: str
    prefix: str
    """The eight characters after ``pmta_``, by which a key can be told in a list."""
    scopes: list[str]
    allowed_ips: list[str] | None
    previous_until: datetime | None
    """Until when the secret before the last rotation still works; null if there is none."""
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime


class ApiKeyCreated(msgspec.Struct, frozen=True, kw_only=True):
    """A new or rotated key with its secret, which is shown this once."""

    api_key: ApiKey
    secret: str
