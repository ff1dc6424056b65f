"""What the spam check takes and gives."""

from typing import Annotated

import msgspec
from msgspec import Meta

from postmta_ctl.core.spam.verdicts import RuleHit, Verdict
from postmta_ctl.features.security.files import FileIn

Address = Annotated[str, Meta(max_length=998, examples=["Ann <ann@example.com>"])]


class ScoreRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole message in ``raw`` or ``raw_base64``, or else its parts as for sending one; up to 5 MiB."""

    raw: str | None = None
    """A message with its header (RFC 5322)."""
    raw_base64: bytes | None = None
    """The same in base64, for messages that are not UTF-8."""
    sender: Address | None = msgspec.field(name="from", default=None)
    to: Annotated[list[Address], Meta(max_length=100)] = []
    subject: str = ""
    text: str | None = None
    html: str | None = None
    headers: dict[str, str] = {}
    attachments: Annotated[list[FileIn], Meta(max_length=50)] = []


class SpamScore(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict, and how it came about."""

    engine: str
    """``rspamd``, ``spamd``, or ``builtin``: no spam filter is configured, and rules of our own judge."""
    engine_version: str | None
    score: float
    threshold: float
    """The score of spam; with rspamd the one from which it rejects, whose ``action`` tells more."""
    verdict: Verdict
    action: str | None
    """What rspamd would do with the message; null: the engine does not tell."""
    rules: list[RuleHit]
    """What matched, heaviest first."""
    size: int
    """Octets of the message that was judged."""
    advice: list[str]
    """What to change. It comes from the built-in rules, whichever engine gives the score."""
    credits: int
    """``spam_check`` credits that were taken."""
