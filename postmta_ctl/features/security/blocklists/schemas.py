"""What the blocklist routes take and give."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from postmta_ctl.core.dnsbl import Code, Health, Probe, Status

IpAddress = Annotated[str, Meta(max_length=60, examples=["203.0.114.7"])]
ListId = Annotated[str, Meta(max_length=63, examples=["spamhaus-zen"])]


class CheckRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to check: exactly one of ``ip_address``, ``vmta_id`` and ``all_vmtas``."""

    ip_address: IpAddress | None = None
    """A public IPv4 or IPv6 address."""
    vmta_id: str | None = None
    """One of the organization's vMTAs."""
    all_vmtas: bool = False
    """All vMTAs of the organization, up to a hundred; private addresses are passed over."""
    lists: Annotated[list[ListId], Meta(max_length=100)] | None = None
    """Ids of the lists to ask; absent: all that are enabled."""
    fresh: bool = False
    """Ask the lists even if their last answer still holds."""


class ListAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What one list says of the address."""

    list: str
    name: str
    status: Status
    """``refused``: the list does not answer us, see its terms of use; ``error``: nobody could tell. Neither means
    that the address is listed, nor that it is not."""
    codes: tuple[Code, ...]
    """Return codes of the list and what they mean."""
    reason: str | None
    """The list's own words (TXT record), not to be trusted as markup."""
    detail: str
    """What was wrong with the answer."""
    cached: bool
    checked_at: datetime


class AddressCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One address on all lists."""

    ip_address: str
    vmta_id: str | None
    vmta: str | None
    status: Literal["listed", "clean", "unknown"]
    """``unknown``: no list could tell."""
    listed_on: int
    answered: int
    """Lists that said either listed or clean."""
    asked: int
    results: list[ListAnswer]


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """An entry for each address that was checked."""

    data: list[AddressCheck]
    credits: int
    """``dnsbl_check`` credits: one for each address of which at least one list could tell."""
    skipped: list[str]
    """Names of vMTAs whose addresses are private."""


class ClearRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to forget."""

    ip_address: IpAddress | None = None
    """Absent: everything, which is for operators, since the cache is everybody's."""


class Cleared(msgspec.Struct, frozen=True, kw_only=True):
    """What was forgotten."""

    dropped: int
    """Answers that still held."""


class BlocklistStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A list, and whether it can be relied upon."""

    id: str
    name: str
    zone: str | None
    """None if it holds the operator's key."""
    ipv4: bool
    ipv6: bool
    codes: list[Code]
    source: str
    """The page that codes and terms are taken from."""
    terms: str
    health: Health
    """By its test points (RFC 5782 section 5): ``refused`` means that it does not answer our resolver."""
    detail: str
    probes: tuple[Probe, ...]
    checked_at: datetime


class Blocklists(msgspec.Struct, frozen=True, kw_only=True):
    """The lists that are asked, in the order of their ids."""

    data: list[BlocklistStatus]
