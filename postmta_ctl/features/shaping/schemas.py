"""What the routes of traffic shaping take and give."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from postmta_ctl.core.shaping import Limits

Organization = Annotated[str, Meta(min_length=1, max_length=63, examples=["acme"])]
Note = Annotated[str, Meta(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$", examples=["agreed with their postmaster"])]
Target = Annotated[str, Meta(min_length=1, max_length=253, examples=["gmail"])]


class ShapingCreate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of each vMTA towards a provider, over all its sites together, or towards one domain."""

    kind: Literal["provider", "domain"]
    target: Target
    """Name of a provider, as ``GET /api/v1/shaping/providers`` lists them, or a domain of recipients. A domain that
    shares its mail exchangers with others has one queue with them: the rule of whichever comes first there holds."""
    limits: Limits
    """What is absent stays as it is without this rule."""
    organization: Organization | None = None
    """Slug of the only organization whose vMTAs it is for. Its rules come before those of the installation."""
    note: Note = ""


class ShapingUpdate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes; limits are replaced as a whole."""

    limits: Limits | UnsetType = UNSET
    note: Note | UnsetType = UNSET


class ShapingRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule. It holds from the next release of the policy on."""

    id: str
    kind: Literal["provider", "domain"]
    target: str
    organization: str | None
    limits: Limits
    note: str
    updated_at: datetime
    created_at: datetime


class ShapedProvider(msgspec.Struct, frozen=True, kw_only=True):
    """A mailbox provider that is told from the others."""

    name: str
    limits: Limits
    """Those that are maintained; empty where there are none."""
    source: str
    """Where they are from."""
