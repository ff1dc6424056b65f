"""What registration and login take and give."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Register(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new user with an organization of its own."""

    email: Annotated[str, Meta(max_length=254, examples=["admin@example.com"])]
    password: Annotated[str, Meta(min_length=12, max_length=1024, examples=["correct horse battery staple"])]
    organization: Annotated[str, Meta(min_length=1, max_length=200, examples=["Example Inc."])]
    name: Annotated[str, Meta(max_length=200)] | None = None
    setup_token: str | None = None
    """Asked of the first registration when the service is not bound to loopback; printed at its first start."""


class Login(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Email and password."""

    email: Annotated[str, Meta(max_length=254, examples=["admin@example.com"])]
    password: Annotated[str, Meta(max_length=1024)]


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user, as others of the organization see it."""

    id: str
    email: str
    name: str | None
    role: str
    is_operator: bool
    created_at: datetime


class Organization(msgspec.Struct, frozen=True, kw_only=True):
    """An organization. Its slug is the tenant in KumoMTA's queue names."""

    id: str
    slug: str
    name: str


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """The user and the organization that were made."""

    user: User
    organization: Organization


class AccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """An access token as RFC 6749 section 5.1 shapes it."""

    access_token: str
    expires_in: int
    """Seconds."""
    token_type: Literal["Bearer"] = "Bearer"


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asking, by whichever credential."""

    organization: Organization
    scopes: list[str]
    user: User | None
    """Null for an API key."""
    api_key_id: str | None = None
