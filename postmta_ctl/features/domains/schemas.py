"""What the domain routes take and give."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

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
    """``ok``, ``missing``, ``wrong``, or ``unknown`` when DNS gave no answer."""
    found: list[str]
    """Values of all records of that type at that name."""
    explanation: str
    action: str
    """What to do about it; empty when there is nothing to do."""


class DomainCheck(msgspec.Struct, frozen=True, kw_only=True):
    """How records work together, or something beyond DNS."""

    name: str
    """What was judged, such as ``spf_evaluation`` or ``reverse_dns``."""
    subject: str
    """The name, address or URL that it is about."""
    verdict: str
    """``ok``, ``missing``, ``wrong``, ``warning``, or ``unknown`` when nobody could tell."""
    explanation: str
    action: str = ""
    """What to do about it; empty when there is nothing to do."""
    details: list[str] = []
    """Line by line what was found."""


class Bimi(msgspec.Struct, frozen=True, kw_only=True):
    """The logo that mailbox providers may show beside mail from the domain."""

    selector: str
    logo_url: str
    certificate_url: str | None
    record_name: str
    """Where to publish the TXT record."""
    record_value: str
    checks: list[DomainCheck]
    checked_at: datetime


class BimiUpdate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The logo of a domain. Without a URL the domain has none."""

    logo_url: Annotated[str, Meta(max_length=2000, examples=["https://example.com/logo.svg"])] | None
    certificate_url: Annotated[str, Meta(max_length=2000, examples=["https://example.com/vmc.pem"])] | None = None
    """A Verified or Common Mark Certificate, which most providers ask for."""
    selector: Annotated[str, Meta(max_length=63, examples=["default"])] = "default"
    svg: Annotated[str, Meta(max_length=65536)] | None = None
    """The logo itself, to be checked before it lies at the URL; absent: it is fetched from there."""
    certificate: Annotated[str, Meta(max_length=262144)] | None = None
    """The certificates in PEM, likewise."""


class DomainUpdate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a domain. What is absent stays as it is."""

    dkim_rotation_days: Annotated[int, Meta(ge=30, le=3650)] | UnsetType | None = UNSET
    """After how many days the DKIM keys are replaced by themselves; null: when asked to. Each time new records wait to
    be published, and webhooks are told of them (``domain.dkim_rotation_started``)."""


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
    checks: list[DomainCheck]
    """How the records work together, and what else the last verification looked at. None of it is required."""
    bimi: Bimi | None
    tracking_host: str | None
    """The host of its own that tracking links go through: null until its CNAME record was found."""
    dkim_rotation_days: int | None
    next_check_at: datetime | None
    """When its records are looked up again without being asked to."""
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
