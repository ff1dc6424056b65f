"""What the domain routes take and give."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from postmta_ctl.core.dkim_rotation import State
from postmta_ctl.features.domains.queries import KeyState, Status


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
    state: KeyState
    """``active``: mail is signed with it. ``pending``: it will be, once its record is found in DNS. ``retiring``: mail
    that it signed may still be on its way, so its record must stay."""
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


class RotateDkim(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to replace the DKIM keys."""

    dkim_selector: Annotated[str, Meta(max_length=63, examples=["pmta2"])] | None = None
    """Selector of the new RSA key, never used before; absent: the present one with the day behind it."""


class RotationStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a rotation."""

    name: str
    """``generated``, ``published``, ``switched``, ``confirmed``, ``retired``, in this order."""
    state: str
    """``done``, ``current``, ``waiting`` or ``cancelled``."""
    at: datetime | None
    """When it was done."""
    explanation: str


class RotationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The record of a key, and what to do with it."""

    action: str
    """``publish``, ``keep`` or ``remove``."""
    selector: str
    type: str
    name: str
    value: str
    revoked_value: str | None
    """What may stand in place of a record to remove: it says that the key is revoked (RFC 6376 section 3.6.1)."""
    verdict: str | None
    """Of the last look at a new key's record; null before the first."""
    found: list[str]
    explanation: str


class DkimRotation(msgspec.Struct, frozen=True, kw_only=True):
    """A replacement of a domain's DKIM keys."""

    id: str
    domain_id: str
    domain: str
    state: State
    """``publishing``: waits for the new records; ``switching``: for the nodes; ``grace``: the old records must stay;
    ``done``; ``cancelled``."""
    author: str
    steps: list[RotationStep]
    records: list[RotationRecord]
    can_cancel: bool
    checked_at: datetime | None
    not_before: datetime | None
    """The switch waits until then, since resolvers may remember that the new records were not there (RFC 2308)."""
    retire_at: datetime | None
    """When the old keys are deleted, and their records may be removed."""
    created_at: datetime
    finished_at: datetime | None
