"""A message in the node's keeping, and the ids that KumoMTA gives it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from postmta_ctl.luavm import Clock, Message
from postmta_ctl.sandbox.durations import moment
from postmta_ctl.sandbox.records import LOG_RECORD

_UUID_EPOCH = 0x01B21DD213814000
"""100 ns intervals between 1582-10-15, where UUID version 1 begins, and 1970 (RFC 9562, 5.1)."""


class SpoolIds:
    """Spool ids: UUIDs version 1 in 32 hexadecimal digits, which hold the time of reception."""

    def __init__(self, clock: Clock, node_id: str) -> None:
        self._clock = clock
        self._node = uuid.UUID(node_id).int & 0xFFFF_FFFF_FFFF
        self._last = 0

    def next(self) -> str:
        """A new id, later than all before it."""
        ticks = moment(self._clock) // 100 + _UUID_EPOCH
        self._last = max(ticks, self._last + 1)
        fields = (
            self._last & 0xFFFF_FFFF,
            (self._last >> 32) & 0xFFFF,
            (self._last >> 48) & 0x0FFF,
            0,
            0,
            self._node,
        )
        return uuid.UUID(fields=fields, version=1).hex


def created_at(spool_id: str) -> int:
    """The time in a spool id, in nanoseconds since 1970."""
    return (uuid.UUID(hex=spool_id).time - _UUID_EPOCH) * 100


@dataclass(slots=True, eq=False)
class Mail:
    """A message and where it stands. ``data`` is None while it lies in the spool only."""

    id: str
    sender: str
    recipients: list[str]
    meta: dict[str, Any]
    data: bytes | None
    size: int
    queue: str
    """Name of the scheduled queue that it is in."""
    due: int = 0
    num_attempts: int = 0
    contacts: int = 0
    """How often it was offered to its receiver; attempts that ended within the node do not count."""
    scheduling: dict[str, Any] | None = None
    headers: dict[str, Any] = field(default_factory=dict)
    """The header fields that loggers want."""
    record_type: str | None = None
    """Of a message that carries a log record: its type."""
    busy: bool = False
    """True while a receiver or a log hook has it."""

    @property
    def created(self) -> int:
        """When it was received, in nanoseconds since 1970."""
        return created_at(self.id)

    @property
    def recipient(self) -> str | list[str]:
        """As log records and inspections show it: a list only if there is not exactly one."""
        return self.recipients[0] if len(self.recipients) == 1 else self.recipients

    @property
    def is_log_record(self) -> bool:
        """Whether it carries a log record to a hook."""
        return self.meta.get("reception_protocol") == LOG_RECORD

    def as_message(self, data: bytes, clock: Clock) -> Message:
        """The message as a policy sees it; what the policy changes comes back by :meth:`take_over`."""
        message = Message(self.id, self.sender, self.recipients, data, self.meta, clock)
        message.num_attempts = self.num_attempts
        message.scheduling = self.scheduling
        return message

    def take_over(self, message: Message) -> None:
        """Keep what a policy changed in envelope, meta and scheduling."""
        self.sender = str(message.sender)
        self.recipients = [str(recipient) for recipient in message.recipients]
        self.meta = message.meta
        self.scheduling = message.scheduling
