"""What a rehearsal consists of."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

from postmta_ctl.core import dkim
from postmta_ctl.features.policy.bundle_contents import Contents
from postmta_ctl.luavm import ConnectionMeta, Message

CLIENT = "192.0.2.1:25"
RECIPIENT = "bob@recipient.example"
_STRANGERS = ("192.0.2.1", "198.51.100.1", "203.0.113.1", "192.0.2.254", "198.51.100.254", "8.8.8.8", "9.9.9.9")


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


def stranger(contents: Contents) -> ConnectionMeta:
    """An SMTP session of somebody who may not relay: of the documentation's addresses (RFC 5737) the first such."""
    networks = [ip_network(each) for options in contents.listeners.smtp for each in options.get("relay_hosts", ())]
    outside = (each for each in _STRANGERS if not any(ip_address(each) in network for network in networks))
    address = next(outside, _STRANGERS[-1])
    return ConnectionMeta({"received_from": f"{address}:25"})


@cache
def stand_in_key(algorithm: str) -> bytes:
    """A private key of the algorithm (PEM), for signatures that nobody outside will verify."""
    return dkim.generate(algorithm).private_pem
