"""An SMTP server on loopback that keeps what it takes; the local part of a recipient says how it answers."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.serving import free_port, wait_for

NO_SUCH_USER = "550 5.1.1 No such user here"
BLOCKED = '451 4.7.1 You are [blocked] "for now", it\'s too much'
GREYLISTED = "451 4.7.1 Greylisted, come back later"


@dataclass(frozen=True)
class Received:
    """A message as it arrived, and who brought it."""

    source_address: str
    ehlo: str
    sender: str
    recipient: str
    content: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def parsed(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=policy.default)


@dataclass
class Sink:
    """``bounce…`` is refused, ``blocked…`` put off every time, ``grey…`` the first time; others get their mail.

    ``slow…`` takes half a second, during which its domain is ``busy``.
    """

    port: int = field(default_factory=free_port)
    received: list[Received] = field(default_factory=list)
    put_off: set[str] = field(default_factory=set)
    busy: Counter[str] = field(default_factory=Counter)
    """Transactions of slow recipients that are under way, by domain."""
    busiest: Counter[str] = field(default_factory=Counter)
    """As many as there were at once."""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("bounce"):
            return NO_SUCH_USER
        if address.startswith("blocked"):
            return BLOCKED
        if address.startswith("grey") and address not in self.put_off:
            self.put_off.add(address)
            return GREYLISTED
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content: Any = envelope.content
        if envelope.rcpt_tos[0].startswith("slow"):
            await self._dawdle(envelope.rcpt_tos[0].partition("@")[2])
        for recipient in envelope.rcpt_tos:
            self.received.append(
                Received(
                    source_address=session.peer[0] if session.peer else "",
                    ehlo=session.host_name or "",
                    sender=envelope.mail_from or "",
                    recipient=recipient,
                    content=bytes(content),
                )
            )
        return f"250 2.0.0 OK, kept as number {len(self.received)}"

    async def _dawdle(self, domain: str) -> None:
        self.busy[domain] += 1
        self.busiest[domain] = max(self.busiest[domain], self.busy[domain])
        await asyncio.sleep(0.5)
        self.busy[domain] -= 1

    def to(self, recipient: str) -> list[Received]:
        """Everything that arrived for an address."""
        return [one for one in list(self.received) if one.recipient == recipient]

    def wait_for(self, recipient: str, seconds: float = 30.0) -> Received:
        """The first message for an address."""
        return wait_for(lambda: self.to(recipient), f"mail to {recipient}", seconds)[0]


class SinkServer(Controller):
    """Serves a sink from a thread of its own."""

    def __init__(self, sink: Sink, host: str = "127.0.0.1") -> None:
        super().__init__(sink, hostname=host, port=sink.port, enable_SMTPUTF8=True, ident="sink")
