"""What the queue routes take and give."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta


class HoldRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to hold a queue. Flush and release take nothing."""

    reason: Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")] = "held by hand"
    """People read it here, and in the log entry of each attempt that is not made."""
    expires_at: datetime | None = None
    """When to release it by itself (RFC 3339); null: never."""


class NodeState(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one node did what it was asked."""

    node: str
    ok: bool
    detail: str | None = None


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """A hold on a queue."""

    reason: str
    author: str
    created_at: datetime
    expires_at: datetime | None
    releasing: bool
    """It was released, and a node that is away still has it; it will be told."""
    nodes: list[NodeState]


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """One scheduled queue, over all nodes."""

    id: str
    """Its name: ``campaign:tenant@domain``."""
    domain: str
    tenant: str
    campaign: str | None
    organization: str
    vmta: str | None
    """Of messages that may leave from this vMTA only."""
    pool: str | None
    """Of messages that may leave from the vMTAs of this pool only."""
    size: int
    """Messages that wait for an attempt."""
    by_node: dict[str, int]
    hold: Hold | None
    oldest_waiting_since: datetime | None
    """When the oldest message that was deferred and still waits was accepted; of messages sent through the API."""
    last_error: str | None
    """The reply to the last attempt that failed for now."""
    last_error_at: datetime | None


class QueuePage(msgspec.Struct, frozen=True, kw_only=True):
    """Queues by name."""

    data: list[Queue]
    next_cursor: str | None
    """Pass as ``cursor`` to get the page after this one; null on the last."""
    nodes: list[NodeState]
    """Whether each node could be asked; the numbers are those of the nodes that could."""


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages wait."""

    name: str
    messages: int


class QueueStatus(msgspec.Struct, frozen=True, kw_only=True):
    """All queues in a few numbers. A message is counted once for each recipient."""

    here: int
    """Accepted, and not given to a node yet; those that are scheduled for later are among them."""
    scheduled: int
    """On nodes, waiting for an attempt."""
    ready: int
    """On nodes, about to be attempted."""
    queues: int
    held: int
    """Queues that are held."""
    by_provider: list[Waiting]
    """On nodes, largest first."""
    by_vmta: list[Waiting]
    """About to leave through each vMTA."""
    nodes: list[NodeState]


class ActionResult(msgspec.Struct, frozen=True, kw_only=True):
    """What an action did."""

    id: str
    action: str
    hold: Hold | None
    nodes: list[NodeState]
    """Whether each node did it. A hold or release that a node missed is made up for when it is back."""
