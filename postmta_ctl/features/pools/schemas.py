"""What the pool routes take and give."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

VmtaName = Annotated[str, Meta(max_length=63, examples=["mx1"])]
MAX_DOMAINS = 1000


class Member(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A vMTA in a pool."""

    vmta: VmtaName
    """Its name."""
    weight: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    """Its share of what leaves, against those of the others. Each queue begins with one message by each of them."""


Members = Annotated[list[Member], Meta(max_length=500)]
Domains = Annotated[
    list[Annotated[str, Meta(max_length=255)]], Meta(max_length=MAX_DOMAINS, examples=[["news.example.com"]])
]


class PoolCreate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Some of the organization's vMTAs under a name."""

    name: Annotated[str, Meta(max_length=63, examples=["newsletters"])]
    """1 to 63 of ``a-z``, ``0-9`` and ``-``."""
    members: Members = []
    """Mail waits in a pool without any, and expires in the end."""
    domains: Domains = []
    """From domains whose mail leaves from this pool, unless the message says another."""
    default: bool = False
    """Mail leaves from it that neither says a pool nor comes from a domain that has one; else from all vMTAs."""


class PoolUpdate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes; fields that are absent stay as they are, lists are replaced. The name never changes: mail that
    waits is known by it."""

    members: Members | UnsetType = UNSET
    domains: Domains | UnsetType = UNSET
    default: bool | UnsetType = UNSET


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """A pool. Its order on the nodes is ours: one warming vMTA first, the established ones next, by name."""

    id: str
    name: str
    members: list[Member]
    """By name."""
    domains: list[str]
    default: bool
    updated_at: datetime
    created_at: datetime
