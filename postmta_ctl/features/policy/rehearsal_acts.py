"""What a rehearsal consists of."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from postmta_ctl.core import dkim
from postmta_ctl.luavm import ConnectionMeta, Message

CLIENT = "192.0.2.1:25"
RECIPIENT = "bob@recipient.example"


class Act(NamedTuple):
    """One thing to try."""

    where: str
    """What it is about, for the finding."""
    run: Callable[[], str | None]
    """Answers what went wrong, if anything; a PolicyError is caught outside."""
    code: str = "rehearsal-failed"
    """Of the finding when it answers something."""


def message(sender: str, extra: dict[str, Any], *, recipients: tuple[str, ...] = (RECIPIENT,)) -> Message:
    """A message from an address, with the metadata that the control plane injects it with."""
    text = (
        f"From: {sender}\r\nTo: {', '.join(recipients)}\r\nSubject: rehearsal\r\n"
        f"Date: Sun, 22 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@{sender}>\r\n\r\nHello\r\n"
    )
    return Message("rehearsal", sender, recipients, text.encode(), {"extra": extra} if extra else {})


def stranger() -> ConnectionMeta:
    """An SMTP session of somebody who may not relay."""
    return ConnectionMeta({"received_from": CLIENT})


@cache
def stand_in_key(algorithm: str) -> bytes:
    """A private key of the algorithm (PEM), for signatures that nobody outside will verify."""
    return dkim.generate(algorithm).private_pem
