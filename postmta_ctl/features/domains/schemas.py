"""What the domain routes take and give."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from postmta_ctl.features.domains.queries import Status


class DomainCreate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A domain to send from."""

    domain: Annotated[str, Meta(min_length=1, max_length=255, examples=["example.com"])]
    dkim_selector: Annotated[str, Meta(max_length=63, examples=["pmta"])] = "pmta"
    """Selector of the RSA key; the Ed25519 key's is the same with ``-ed25519`` behind it."""


class RecordCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What the last verification found where a record should be."""

    verdict: str
    found: list[str]
    """Values of all records of that type at that name."""
    explanation: str


class DnsRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record to publish."""

    purpose: str
    type: str
    name: str
    value: str
    required: bool
    """Without it the domain is not verified; the others are recommended."""
    check: RecordCheck | None
    """Null until the record, as it stands here, has been looked up."""


class DkimKey(msgspec.Struct, frozen=True, kw_only=True):
    """A DKIM key; its private part is never shown."""

    selector: str
    algorithm: str
    created_at: datetime


class Domain(msgspec.Struct, frozen=True, kw_only=True):
    """A sending domain."""

    id: str
    domain: str
    """In A-labels and lower case."""
    status: Status
    """``verified``: mail may come from it. ``failing``: it was verified, and a required record has gone since."""
    dkim_keys: list[DkimKey]
    dns_records: list[DnsRecord]
    checked_at: datetime | None
    verified_at: datetime | None
    created_at: datetime
