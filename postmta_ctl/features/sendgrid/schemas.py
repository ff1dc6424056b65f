"""The request as SendGrid's reference for v3 Mail Send describes it.

Every field of that reference is here, so that one which means nothing to us can be refused by its name.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

Text = Annotated[str, Meta(max_length=1000)]


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all: what is not in the reference is refused."""


class Email(Strict, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody with an address."""

    email: Annotated[str, Meta(max_length=998)]
    name: Text | None = None


class Personalization(Strict, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One message: who gets it, and what differs from the others of the request."""

    to: Annotated[list[Email], Meta(min_length=1)]
    sender: Email | None = msgspec.field(name="from", default=None)
    cc: list[Email] = []
    bcc: list[Email] = []
    subject: str | None = None
    headers: dict[str, str] = {}
    substitutions: dict[str, str] = {}
    dynamic_template_data: dict[str, Any] = {}
    custom_args: dict[str, str] = {}
    send_at: int | None = None


class Content(Strict, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body."""

    type: Text
    value: Annotated[str, Meta(min_length=1)]


class Attachment(Strict, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file."""

    content: str
    """In base64."""
    filename: str
    type: str | None = None
    disposition: str | None = None
    content_id: str | None = None


class Asm(Strict, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Unsubscribe groups."""

    group_id: int
    groups_to_display: list[int] = []


class Switch(Strict, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A setting that is on or off."""

    enable: bool = False


class Footer(Switch, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Text under every body."""

    text: str | None = None
    html: str | None = None


class SpamCheck(Switch, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A check of older versions of the reference."""

    threshold: int | None = None
    post_to_url: str | None = None


class MailSettings(Strict, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the message is handled."""

    sandbox_mode: Switch = Switch()
    footer: Footer = Footer()
    spam_check: SpamCheck = SpamCheck()
    bcc: dict[str, Any] | None = None
    bypass_list_management: Switch = Switch()
    bypass_spam_management: Switch = Switch()
    bypass_bounce_management: Switch = Switch()
    bypass_unsubscribe_management: Switch = Switch()


class ClickTracking(Switch, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether clicks are told."""

    enable_text: bool = False


class OpenTracking(Switch, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether opens are told."""

    substitution_tag: str | None = None


class SubscriptionTracking(Switch, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A link to unsubscribe by, in the bodies."""

    text: str | None = None
    html: str | None = None
    substitution_tag: str | None = None


class Ganalytics(Switch, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters that are put into links."""

    utm_source: str | None = None
    utm_medium: str | None = None
    utm_term: str | None = None
    utm_content: str | None = None
    utm_campaign: str | None = None


class TrackingSettings(Strict, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of the recipients' doing is told."""

    click_tracking: ClickTracking = ClickTracking()
    open_tracking: OpenTracking = OpenTracking()
    subscription_tracking: SubscriptionTracking = SubscriptionTracking()
    ganalytics: Ganalytics = Ganalytics()


class MailSend(Strict, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of ``POST /v3/mail/send``."""

    personalizations: Annotated[list[Personalization], Meta(min_length=1, max_length=1000)]
    sender: Email = msgspec.field(name="from")
    reply_to: Email | None = None
    reply_to_list: list[Email] = []
    subject: str | None = None
    content: list[Content] = []
    attachments: list[Attachment] = []
    template_id: str | None = None
    headers: dict[str, str] = {}
    categories: list[str] | str = []
    custom_args: dict[str, str] = {}
    send_at: int | None = None
    batch_id: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    asm: Asm | None = None
    ip_pool_name: str | None = None
    mail_settings: MailSettings = MailSettings()
    tracking_settings: TrackingSettings = TrackingSettings()


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong."""

    message: str
    field: str | None = None
    help: str | None = None
    error_id: str | None = None
    """Our code of the error."""


class Problems(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every error."""

    errors: list[Problem]
    id: str | None = None
    """Of the request, to quote."""
