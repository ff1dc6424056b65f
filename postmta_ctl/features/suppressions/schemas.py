"""What the suppression routes take and give."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from postmta_ctl.features.suppressions.queries import Reason

Address = Annotated[str, Meta(max_length=998, examples=["bob@example.org"])]
MAX_NOTE = 500


class SuppressionCreate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An address that shall get no more mail of the organization."""

    address: Address
    reason: Reason = "manual"
    note: Annotated[str, Meta(max_length=MAX_NOTE, pattern=r"^[^\x00-\x1f\x7f]*$")] | None = None
    """For people; one line."""


class Suppression(msgspec.Struct, frozen=True, kw_only=True):
    """An address that gets no mail of the organization."""

    id: str
    address: str
    """In lower case: case does not make another mailbox here."""
    reason: Reason
    note: str | None
    message_id: str | None
    """The message that bounced, was complained about or unsubscribed from."""
    created_at: datetime


class CheckRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Addresses to look up."""

    addresses: Annotated[list[Address], Meta(min_length=1, max_length=1000)]


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """Whether mail to one address would be held back."""

    address: str
    """As it was asked for."""
    suppressed: bool
    reason: Reason | None


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """An entry for each address, in the order they were asked for."""

    data: list[Checked]


class LineError(msgspec.Struct, frozen=True):
    """A line of a file that was not taken."""

    line: int
    """From 1."""
    message: str


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an uploaded file. The same file can be sent again: it adds what is missing."""

    added: int
    existing: int
    """Addresses that were on the list already, or stood in the file twice. What was known of them stays."""
    rejected: int
    errors: list[LineError]
    """The first hundred of them."""
