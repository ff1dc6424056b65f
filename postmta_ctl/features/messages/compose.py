"""From a request to what is stored of it. Pure: a request, an id and a moment in, rows out or an error."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from postmta_ctl.core.addresses import Mailbox, parse_mailbox
from postmta_ctl.core.attachments import Attachment
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.ids import new_id
from postmta_ctl.core.kept_content import KeptContent, kept
from postmta_ctl.core.mime import Content, Draft, compose, size_estimate
from postmta_ctl.core.status import summarise
from postmta_ctl.errors import InvalidRequest
from postmta_ctl.features.fields import Fields
from postmta_ctl.features.messages.schemas import MAX_RECIPIENTS, SendRequest

MAX_SIZE = 25 * 1024 * 1024
"""Octets of a message as it travels; the large mailbox providers take no more."""

MAX_AHEAD = timedelta(days=30)
"""How far ahead a message can be scheduled."""
MAX_PAST = timedelta(minutes=5)
"""Clocks differ: a moment that has just passed means at once, one that is long past is a mistake."""


class NewRecipient(msgspec.Struct, frozen=True, kw_only=True):
    """One envelope recipient."""

    id: str
    address: str
    kind: str
    key: str
    """What suppressions are kept by."""
    status: str = "queued"

    @property
    def is_waiting(self) -> bool:
        """Whether it will be sent to."""
        return self.status == "queued"


class NewMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that may be stored once its domain and vMTA are known to be the organization's."""

    id: str
    sender: Mailbox
    content: KeptContent
    recipients: tuple[NewRecipient, ...]
    campaign: str | None
    pool: str | None = None
    """The named pool that it leaves from, as it or its domain chose."""
    request: SendRequest
    created_at: datetime
    scheduled_at: datetime | None = None

    @property
    def status(self) -> str:
        """Of the message as a whole, when it is accepted."""
        return summarise([one.status for one in self.recipients])

    @property
    def waiting(self) -> tuple[NewRecipient, ...]:
        """The recipients that it will be sent to."""
        return tuple(one for one in self.recipients if one.is_waiting)

    def without(self, suppressed: Collection[str]) -> NewMessage:
        """The same message, not to be sent to these addresses (dedupe keys)."""
        people = [
            msgspec.structs.replace(one, status="suppressed") if one.key in suppressed else one
            for one in self.recipients
        ]
        return msgspec.structs.replace(self, recipients=tuple(people))


def new_message(request: SendRequest, now: datetime) -> NewMessage:
    """Check the request and put it into the form that is stored.

    Raises:
        InvalidRequest: Names each address, header or attachment that cannot be sent, and why.
    """
    problems = Fields()
    sender = _mailbox("from", request.sender, problems)
    to, cc, bcc = (_mailboxes(field, getattr(request, field), problems) for field in ("to", "cc", "bcc"))
    given = request.reply_to or []
    reply_to = _mailboxes("reply_to", [given] if isinstance(given, str) else given, problems)
    scheduled_at = read_send_at(request.send_at, now, problems)
    _check_count(request, problems)
    _check_unsubscribe(request, problems)
    problems.done()
    assert sender is not None  # else there was a problem
    message_id = new_id(now)
    draft = Draft(
        sender=sender,
        to=to,
        cc=cc,
        reply_to=reply_to,
        subject=request.subject,
        text=request.text,
        html=request.html,
        headers=tuple(request.headers.items()),
        attachments=_attachments(request),
    )
    return NewMessage(
        id=message_id,
        sender=sender,
        content=kept(_content(draft, f"<{message_id}@{sender.domain}>", scheduled_at or now)),
        recipients=_recipients({"to": to, "cc": cc, "bcc": bcc}, now),
        campaign=campaign_of(request.tags),
        request=request,
        created_at=now,
        scheduled_at=scheduled_at,
    )


def campaign_of(tags: list[str]) -> str | None:
    """The campaign of KumoMTA's queue names: the first tag, in the letters that are safe there.

    ``:``, ``@`` and ``!`` divide queue names, and metric labels are not escaped (KumoMTA: reference/queues).
    """
    return _slug(tags[0]) if tags else None


@lru_cache(maxsize=1024)
def _slug(tag: str) -> str | None:
    return re.sub(r"[^a-z0-9._-]+", "-", tag.lower()).strip("-")[:63] or None


def _mailbox(field: str, text: str, problems: Fields) -> Mailbox | None:
    try:
        return parse_mailbox(text)
    except InputError as error:
        problems.refuse(field, error.message, code=error.code)
        return None


def _mailboxes(field: str, texts: list[str], problems: Fields) -> tuple[Mailbox, ...]:
    found = (_mailbox(f"{field}[{index}]", text, problems) for index, text in enumerate(texts))
    return tuple(mailbox for mailbox in found if mailbox is not None)


def _check_count(request: SendRequest, problems: Fields) -> None:
    count = len(request.to) + len(request.cc) + len(request.bcc)
    if count == 0:
        problems.refuse("to", "a message needs a recipient", code="recipient_missing")
    if count > MAX_RECIPIENTS:
        message = f"to, cc and bcc hold {count} recipients; at most {MAX_RECIPIENTS} are taken"
        problems.refuse("to", message, code="too_many_recipients")


def read_send_at(moment: datetime | None, now: datetime, problems: Fields) -> datetime | None:
    """The moment to send at, in UTC; None for at once, which a moment that has just passed means as well."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        problems.refuse("send_at", "needs a time zone, such as Z at its end (RFC 3339)", code="time_zone_missing")
    elif moment > now + MAX_AHEAD:
        problems.refuse("send_at", f"is more than {MAX_AHEAD.days} days ahead", code="too_far_ahead")
    elif moment < now - MAX_PAST:
        problems.refuse("send_at", "has passed", code="in_the_past")
    elif moment > now:
        return moment.astimezone(UTC)
    return None


def _check_unsubscribe(request: SendRequest, problems: Fields) -> None:
    own = [name for name in request.headers if name.lower() in ("list-unsubscribe", "list-unsubscribe-post")]
    if request.unsubscribe and own:
        problems.refuse(f"headers.{own[0][:40]}", "is set by unsubscribe", code="header_conflict")


def _content(draft: Draft, message_id: str, now: datetime) -> Content:
    try:
        content = compose(draft, message_id=message_id, date=now)
    except InputError as error:
        raise InvalidRequest.of(error.field, error.message, code=error.code) from None
    if (size := size_estimate(content)) > MAX_SIZE:
        message = f"the message would have about {size} octets; at most {MAX_SIZE} are taken"
        raise InvalidRequest.of("attachments", message, code="message_too_large")
    return content


def _recipients(groups: dict[str, tuple[Mailbox, ...]], now: datetime) -> tuple[NewRecipient, ...]:
    """One envelope recipient for each mailbox, however often it is named; the first naming counts."""
    chosen: dict[str, tuple[str, str]] = {}
    for kind, mailboxes in groups.items():
        for mailbox in mailboxes:
            chosen.setdefault(mailbox.dedupe_key, (mailbox.address, kind))
    return tuple(
        NewRecipient(id=new_id(now), address=address, kind=kind, key=key) for key, (address, kind) in chosen.items()
    )


def _attachments(request: SendRequest) -> tuple[Attachment, ...]:
    return tuple(
        Attachment(data=one.content, content_type=one.content_type, file_name=one.filename, content_id=one.content_id)
        for one in request.attachments
    )
