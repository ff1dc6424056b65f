"""What registration and login take and give."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from postmta_ctl.features.users.profile import User

Password = Annotated[str, Meta(min_length=12, max_length=1024, examples=["correct horse battery staple"])]


class Register(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new user, with an organization of its own or by invitation into one: exactly one of the two is given."""

    email: Annotated[str, Meta(max_length=254, examples=["admin@example.com"])]
    password: Password
    organization: Annotated[str, Meta(min_length=1, max_length=200, examples=["Example Inc."])] | None = None
    """Name of the new organization."""
    name: Annotated[str, Meta(max_length=200)] | None = None
    invitation: Annotated[str, Meta(max_length=200)] | None = None
    """Token of an invitation to this address."""
    setup_token: Annotated[str, Meta(max_length=200)] | None = None
    """Asked of the first registration when the service is not bound to loopback; printed at its first start."""


class Login(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Email and password."""

    email: Annotated[str, Meta(max_length=254, examples=["admin@example.com"])]
    password: Annotated[str, Meta(max_length=1024, examples=["correct horse battery staple"])]


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
    refresh_token: str
    """Good for one exchange, see ``POST /api/v1/auth/refresh``."""
    refresh_expires_in: int
    """Seconds; each exchange starts them anew."""
    token_type: Literal["Bearer"] = "Bearer"


class RefreshToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The refresh token of a login."""

    refresh_token: Annotated[str, Meta(max_length=200)]


class PasswordChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The password in use, and the one to use from now on."""

    current_password: Annotated[str, Meta(max_length=1024, examples=["correct horse battery staple"])]
    new_password: Password


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asking, by whichever credential."""

    organization: Organization
    scopes: list[str]
    user: User | None
    """Null for an API key."""
    api_key_id: str | None = None
