"""Simulated receivers: what a recipient's local part makes of a message, whatever the domain.

A local part that is one of the words below, or goes on after it with anything but a letter (``bounce``, ``bounce7``,
``bounce+x``, not ``bouncer``), meets that fate. Everybody else takes the mail.

======================= ================================================================================
word                    what happens
======================= ================================================================================
{table}
======================= ================================================================================

Every reply says ``(sandbox)``, so that no log record can be taken for a real receiver's.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

Stage = Literal["rcpt", "data"]
ReportKind = Literal["oob", "complaint"]
LABEL = "(sandbox)"


class Reply(msgspec.Struct, frozen=True):
    """A receiver's SMTP reply, and the command that it answers."""

    code: int
    enhanced: tuple[int, int, int]
    text: str
    stage: Stage

    @property
    def content(self) -> str:
        """The text of the reply line."""
        return f"{self.text} {LABEL}"

    def command(self, recipient: str) -> str:
        """The command as log records show it."""
        return ".\r\n" if self.stage == "data" else f"RCPT TO:<{recipient}>\r\n"


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a message; the last reply is repeated for ever."""

    words: tuple[str, ...]
    meaning: str
    replies: tuple[Reply, ...]
    seconds: float = 0.0
    """Real seconds that the receiver takes to answer."""
    report: ReportKind | None = None
    """What comes back some time after the delivery."""

    def reply(self, contacts: int) -> Reply:
        """The answer to a message that was offered ``contacts`` times before."""
        return self.replies[min(contacts, len(self.replies) - 1)]


_TAKEN = Reply(250, (2, 0, 0), "queued and thrown away", "data")
_GREYLISTED = Reply(451, (4, 7, 1), "Greylisted, try again later", "rcpt")
_NO_USER = Reply(550, (5, 1, 1), "Recipient address rejected: User unknown", "rcpt")

DELIVERED = Fate(words=("ok",), meaning="delivered, like every other address", replies=(_TAKEN,))

FATES = (
    DELIVERED,
    Fate(words=("bounce", "nouser"), meaning="hard bounce: 550 5.1.1 at once", replies=(_NO_USER,)),
    Fate(
        words=("soft",),
        meaning="soft bounce: 451 4.3.0 once, delivered at the next attempt",
        replies=(Reply(451, (4, 3, 0), "Temporary local problem", "data"), _TAKEN),
    ),
    Fate(words=("grey",), meaning="451 4.7.1 greylisted once, then delivered", replies=(_GREYLISTED, _TAKEN)),
    Fate(
        words=("defer",),
        meaning="421 4.7.0 at every attempt, until the message expires",
        replies=(Reply(421, (4, 7, 0), "Try again later, closing connection", "rcpt"),),
    ),
    Fate(
        words=("full",),
        meaning="452 4.2.2 once, then 552 5.2.2: mailbox full",
        replies=(
            Reply(452, (4, 2, 2), "mailbox full", "rcpt"),
            Reply(552, (5, 2, 2), "mailbox full", "rcpt"),
        ),
    ),
    Fate(
        words=("spam",),
        meaning="550 5.7.1 for its content",
        replies=(Reply(550, (5, 7, 1), "message content rejected as spam", "data"),),
    ),
    Fate(
        words=("block",),
        meaning="554 5.7.1: the sending address is on a blocklist",
        replies=(Reply(554, (5, 7, 1), "Service unavailable; client host blocked using DNSBL", "rcpt"),),
    ),
    Fate(
        words=("complaint", "complain"),
        meaning="delivered, and reported as spam (ARF, RFC 5965) a while later",
        replies=(_TAKEN,),
        report="complaint",
    ),
    Fate(
        words=("oob",),
        meaning="delivered, and returned by a delivery report (RFC 3464) a while later",
        replies=(_TAKEN,),
        report="oob",
    ),
    Fate(words=("slow",), meaning="delivered after three seconds", replies=(_TAKEN,), seconds=3.0),
)

REPORT_DELAY = 30.0
"""Simulated seconds between a delivery and the report that follows it."""
RETURNED = Reply(550, (5, 1, 1), "5.1.1 mailbox does not exist after all", "data")
"""What the delivery report of ``oob`` says."""

_BY_WORD = {word: fate for fate in FATES for word in fate.words}
_WORD = re.compile(r"[a-z]+")


def fate_of(recipient: str) -> Fate:
    """The fate that an address meets."""
    match = _WORD.match(recipient.lower())
    return _BY_WORD.get(match[0], DELIVERED) if match else DELIVERED


def table() -> str:
    """All magic recipients, one a line."""
    return "\n".join(f"{', '.join(f'{word}*' for word in fate.words):<23} {fate.meaning}" for fate in FATES)


__doc__ = (__doc__ or "").replace("{table}", table())
