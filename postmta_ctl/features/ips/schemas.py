"""What the routes of IP addresses take and give."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

OrganizationSlug = Annotated[str, Meta(min_length=1, max_length=63, examples=["acme"])]
Note = Annotated[str, Meta(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$", examples=["rack 4, eth1"])]


class IpCreate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An address of the installation. Assigned to nobody and not shared, it is in reserve."""

    ip_address: Annotated[str, Meta(max_length=45, examples=["192.0.2.10"])]
    organization: OrganizationSlug | None = None
    """Slug of the only organization whose vMTAs may have it."""
    shared: bool = False
    """Any organization may have a vMTA of it; its reputation is then everybody's."""
    note: Note = ""
    """For operators."""


class IpUpdate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes; fields that are absent stay as they are."""

    organization: OrganizationSlug | UnsetType | None = UNSET
    shared: bool | UnsetType = UNSET
    note: Note | UnsetType = UNSET


class Ip(msgspec.Struct, frozen=True, kw_only=True):
    """An address and whose it is."""

    id: str
    ip_address: str
    organization: str | None
    shared: bool
    note: str
    """Empty to all but operators."""
    vmtas: list[str]
    """Those that have it, as ``organization.vmta``; of the caller's organization only, but for operators."""
    created_at: datetime
