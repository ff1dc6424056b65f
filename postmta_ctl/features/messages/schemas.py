"""What the message routes take and give."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from postmta_ctl.errors import FieldError

Address = Annotated[str, Meta(max_length=998, examples=["Ann <ann@example.com>"])]
MAX_RECIPIENTS = 100
"""Recipients of one message, over to, cc and bcc."""


class AttachmentIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file that travels with the message."""

    content: bytes
    """The file in base64."""
    filename: str | None = None
    content_type: str = "application/octet-stream"
    content_id: str | None = None
    """Makes the file inline: the HTML shows it as ``cid:`` and this id (RFC 2392)."""


class SendRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One message. It needs ``text`` or ``html``, and comes from a verified domain."""

    sender: Address = msgspec.field(name="from")
    to: Annotated[list[Address], Meta(max_length=MAX_RECIPIENTS)] = []
    cc: Annotated[list[Address], Meta(max_length=MAX_RECIPIENTS)] = []
    bcc: Annotated[list[Address], Meta(max_length=MAX_RECIPIENTS)] = []
    reply_to: Address | list[Address] | None = None
    subject: str = ""
    text: str | None = None
    html: str | None = None
    headers: dict[str, str] = {}
    """More header fields, such as ``List-Unsubscribe`` or ``X-…``."""
    attachments: Annotated[list[AttachmentIn], Meta(max_length=50)] = []
    tags: Annotated[list[Annotated[str, Meta(min_length=1, max_length=100)]], Meta(max_length=10)] = []
    """For analytics; the first one names the campaign in KumoMTA's queues."""
    metadata: Annotated[dict[str, str], Meta(max_length=50)] = {}
    """Kept with the message and given back in events; never sent."""
    vmta: str | None = None
    """Send through this vMTA only."""
    pool: str | None = None
    """Send through the vMTAs of this pool only; null: of the pool that the From domain has, if any."""
    track_opens: bool = False
    track_clicks: bool = False
    unsubscribe: bool = False
    """Add the header fields of one-click unsubscription (RFC 8058), with a link of its own for each recipient."""
    template_id: str | None = None
    """Takes subject and bodies from a stored template."""
    template_version: int | None = None
    """Null: the newest."""
    variables: dict[str, Any] = {}
    """Values for the template. One that it needs and does not get is an error."""
    send_at: datetime | None = None
    """Not before this moment (RFC 3339, with a time zone), up to 30 days ahead. Its Date field will say the same."""


class AcceptedRecipient(msgspec.Struct, frozen=True, kw_only=True):
    """A recipient of an accepted message."""

    id: str
    address: str
    status: str
    """``queued``, or ``suppressed``: it is on the suppression list and gets nothing."""


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The message is on durable storage and will be sent, but to those of its recipients that are suppressed."""

    id: str
    status: str
    """``queued``, or ``suppressed`` if all of its recipients are."""
    recipients: list[AcceptedRecipient]
    created_at: datetime
    scheduled_at: datetime | None


class CancelledRecipient(msgspec.Struct, frozen=True, kw_only=True):
    """What cancelling did for one recipient."""

    id: str
    address: str
    result: str
    """``cancelled``: it will not be sent. ``pending``: a node has it and was asked to discard it; the message's time
    line will tell. ``too_late``: it was delivered or bounced. ``suppressed``: it never was to be sent."""


class Cancelled(msgspec.Struct, frozen=True, kw_only=True):
    """What cancelling did."""

    id: str
    result: str
    """That of all recipients, or ``partial`` if they differ."""
    recipients: list[CancelledRecipient]


class ScheduleRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another moment to send at."""

    send_at: datetime
    """RFC 3339 with a time zone, up to 30 days ahead."""


class Scheduled(msgspec.Struct, frozen=True, kw_only=True):
    """When a message will be sent."""

    id: str
    scheduled_at: datetime | None
    """Null: at once."""


class BatchRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Up to 100 messages. Each is judged by itself: a bad one never keeps the good ones back."""

    messages: Annotated[list[Any], Meta(min_length=1, max_length=100)]
    """Each as for sending a single one. They are read one by one, so the schema does not say more."""
    batch_id: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    """Kept with each message, to find them by."""


class BatchResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one message of a batch."""

    index: int
    """Its place in the request, from 0."""
    status: str
    """``queued``, ``suppressed`` or ``rejected``."""
    message: Accepted | None = None
    code: str = ""
    detail: str = ""
    errors: tuple[FieldError, ...] = ()


class BatchAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """A result for each message of the batch, in the order of the request."""

    batch_id: str | None
    accepted: int
    rejected: int
    results: list[BatchResult]


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands with one recipient."""

    id: str
    address: str
    kind: str
    """``to``, ``cc`` or ``bcc``."""
    status: str
    status_at: datetime
    complained: bool
    attempts: int
    code: int | None
    """SMTP reply code of the last attempt."""
    reply: str | None
    """Text of the last reply."""
    bounce_class: str | None
    vmta: str | None
    kept_here: str | None
    """What keeps it from being given to a node: an auto-block, by its id and the name of its rule."""


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened to the message, with the receiver's own words where it had any."""

    type: str
    at: datetime
    recipient: str | None = None
    code: int | None = None
    enhanced_code: str | None = None
    reply: str | None = None
    bounce_class: str | None = None
    vmta: str | None = None
    node: str | None = None
    queue: str | None = None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A message as lists show it."""

    id: str
    sender: str = msgspec.field(name="from")
    subject: str
    status: str
    tags: list[str]
    batch_id: str | None
    scheduled_at: datetime | None
    created_at: datetime


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message with its recipients and all that happened to it, oldest first."""

    id: str
    sender: str = msgspec.field(name="from")
    subject: str
    status: str
    tags: list[str]
    batch_id: str | None
    metadata: dict[str, Any]
    vmta: str | None
    pool: str | None
    track_opens: bool
    track_clicks: bool
    unsubscribe: bool
    scheduled_at: datetime | None
    """It is ``queued`` and not sent before this moment."""
    smtp_username: str | None
    """The SMTP credential that it was submitted with; null: it came by the API, or from a host that may relay."""
    created_at: datetime
    recipients: list[Recipient]
    timeline: list[TimelineEntry]
    events_missing_before: datetime | None
    """Events that came before this moment are no longer kept (``event_retention_days``); null: all of them are here."""
