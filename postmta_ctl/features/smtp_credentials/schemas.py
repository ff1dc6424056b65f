"""What the routes of SMTP credentials take and give."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

Name = Annotated[str, Meta(min_length=1, max_length=200, examples=["shop"])]
Domains = Annotated[list[str], Meta(min_length=1, max_length=100, examples=[["example.com"]])]
Networks = Annotated[list[str], Meta(min_length=1, max_length=100, examples=[["192.0.2.0/24"]])]


class SmtpCredentialCreate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new credential. Its user name is made with it."""

    name: Name
    domains: Domains | None = None
    """From domains that it may be used for; null: every verified domain of the organization."""
    allowed_ips: Networks | None = None
    """Addresses and networks (CIDR) from which it may be used; null: from anywhere."""
    expires_at: datetime | None = None


class SmtpCredentialUpdate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be another; null takes a limit away. Nodes go by it within seconds."""

    name: Name | UnsetType = UNSET
    domains: Domains | UnsetType | None = UNSET
    allowed_ips: Networks | UnsetType | None = UNSET
    expires_at: datetime | UnsetType | None = UNSET


class SmtpCredentialRotate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the old secret goes."""

    overlap_seconds: Annotated[int, Meta(ge=0, le=30 * 24 * 3600, examples=[3600])] = 0
    """How long the old secret works beside the new one."""


class SmtpCredential(msgspec.Struct, frozen=True, kw_only=True):
    """A credential without its secret."""

    id: str
    name: str
    username: str
    domains: list[str] | None
    allowed_ips: list[str] | None
    previous_until: datetime | None
    """Until when the secret before the last rotation still works; null if there is none."""
    expires_at: datetime | None
    last_used_at: datetime | None
    """When a message was last submitted with it, to about a minute."""
    created_at: datetime


class SmtpCredentialCreated(msgspec.Struct, frozen=True, kw_only=True):
    """A new or rotated credential with its secret, the password of SMTP AUTH, which is shown this once."""

    smtp_credential: SmtpCredential
    secret: str
