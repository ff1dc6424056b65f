"""What a log record tells of a message that a node took by SMTP, so that the message is known here as well.

The policy (``kumo_policy/reception.lua``) writes it into the meta of such messages, and it comes with every record of
them: whichever is first will do. What does not have the form that the policy gives it is passed over. Pure.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from postmta_ctl.compiler.names import parse_tenant
from postmta_ctl.core.addresses import parse_mailbox
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.ids import is_id
from postmta_ctl.core.kumo_log import LogRecord
from postmta_ctl.core.log_events import campaign_of, is_report, rid_of, tenant_of

_LONGEST = 320


class _Smtp(msgspec.Struct, frozen=True, kw_only=True):
    """The meta ``x_smtp``."""

    sender: str = msgspec.field(name="from")
    subject: str = ""
    # An empty table of Lua is written as an object.
    tags: list[str] | dict[str, str] = []
    unsubscribe: bool = False
    send_at: int | None = None
    username: str | None = None


class Submitted(msgspec.Struct, frozen=True, kw_only=True):
    """One recipient of one message that came by SMTP."""

    rid: str
    message_id: str
    organization: str
    """Slug."""
    vmta: str | None
    sender: str
    domain: str
    subject: str
    tags: list[str]
    campaign: str | None
    unsubscribe: bool
    scheduled_at: datetime | None
    username: str | None
    """The credential it was submitted with; None: it came from a host that may relay."""
    address: str
    mailbox: str
    """``Mailbox.dedupe_key`` of the address."""
    created_at: datetime


def submitted(record: LogRecord) -> Submitted | None:
    """The recipient that a record is about, if the message came by SMTP."""
    meta = record.meta or {}
    rid, message_id, tenant = rid_of(record), meta.get("x_mid"), parse_tenant(tenant_of(record) or "")
    if "x_smtp" not in meta or is_report(record) or record.type == "Rejection" or tenant is None:
        return None
    if not (rid and is_id(rid) and isinstance(message_id, str) and is_id(message_id)) or len(record.recipients) != 1:
        return None
    try:
        smtp = msgspec.convert(meta["x_smtp"], _Smtp)
    except msgspec.ValidationError:
        return None
    address = record.recipients[0][:_LONGEST]
    return Submitted(
        rid=rid,
        message_id=message_id,
        organization=tenant.organization,
        vmta=tenant.vmta,
        sender=smtp.sender[:_LONGEST],
        domain=smtp.sender.rpartition("@")[2].lower()[:253],
        subject=smtp.subject,
        tags=list(smtp.tags),
        campaign=campaign_of(record),
        unsubscribe=smtp.unsubscribe,
        scheduled_at=None if smtp.send_at is None else datetime.fromtimestamp(smtp.send_at, UTC),
        username=smtp.username,
        address=address,
        mailbox=_mailbox(address),
        created_at=_created_at(record),
    )


def _mailbox(address: str) -> str:
    try:
        return parse_mailbox(address).dedupe_key
    except InputError:
        return address.lower()


def _created_at(record: LogRecord) -> datetime:
    try:
        return msgspec.convert(record.created_time, datetime).astimezone(UTC)
    except msgspec.ValidationError:
        return record.occurred_at
