"""What an explanation tells."""

from datetime import datetime
from typing import Literal

import msgspec

from postmta_ctl.features.messages.simulation_schemas import DkimIdentity, Retries
from postmta_ctl.luavm.trace import Step


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """The message that is asked about. It need not exist, nor be one that could be sent."""

    sender: str
    recipient: str
    tag: str | None = None
    vmta: str | None = None
    pool: str | None = None
    release: int | None = None
    """None: the one that every node should run."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """What keeps the message from being sent."""

    by: Literal["postmta", "policy"]
    """``postmta``: it is refused, or kept, before a node gets it. ``policy``: by the node's Lua."""
    code: str
    text: str


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """Something that bounds how much leaves."""

    name: str
    """KumoMTA's option, or ``warmup`` and the provider it is for."""
    value: str
    used_today: int | None = None
    """Null: not known here, since each node counts it in its memory."""
    left_today: int | None = None
    note: str = ""


class AttemptsToday(msgspec.Struct, frozen=True, kw_only=True):
    """What receivers of the same provider answered to the vMTA since midnight UTC, by the hourly counts."""

    provider: str
    delivered: int
    deferred: int
    bounced: int


class WayOut(msgspec.Struct, frozen=True, kw_only=True):
    """A vMTA that the message may leave through."""

    vmta: str
    egress_source: str
    ip_address: str | None
    ehlo_domain: str | None
    state: Literal["active", "warming", "paused", "deleted"]
    """As it is configured now; the release may be older."""
    share: float
    """Of 1,000 messages sent one after the other into a fresh queue, with what is left of today's allowance."""
    limits: list[Limit]
    today: AttemptsToday | None
    """Null in an explanation of a past message."""


class Absent(msgspec.Struct, frozen=True, kw_only=True):
    """A vMTA of the organization that the message cannot leave through now."""

    vmta: str
    reason: str


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the release's tables that is about this message."""

    file: str
    line: int
    text: str


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a release decides about one recipient."""

    outcome: Literal["sent", "waits", "refused", "suppressed"]
    """``waits``: the policy takes it, and then a hold, a block, or the lack of a vMTA keeps it."""
    refusals: list[Refusal]
    tenant: str | None
    campaign: str | None
    queue: str | None
    pool: str | None
    first_vmta: str | None
    """The one that a fresh queue chooses first."""
    ways: list[WayOut]
    absent: list[Absent]
    delayed_share: float
    """Of the same 1,000, those that would find every vMTA out of its allowance, and wait."""
    limits: list[Limit]
    """Of the queue and its pool, whatever the vMTA."""
    retries: Retries | None
    dkim: list[DkimIdentity]
    rules: list[Rule]
    steps: list[Step]
    """The handlers that KumoMTA asks, with the line at which each function of theirs ended."""


class OfRelease(msgspec.Struct, frozen=True, kw_only=True):
    """The release that decided."""

    number: int
    digest: str
    published_at: datetime | None
    is_latest: bool


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What would become of a message. Nothing was sent, stored or charged."""

    release: OfRelease
    organization: str
    sender: str = msgspec.field(name="from")
    recipient: str = msgspec.field(name="to")
    decision: Decision
    notes: list[str]


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """An event of the recipient."""

    type: str
    at: datetime
    vmta: str | None
    node: str | None
    queue: str | None
    code: int | None
    reply: str | None


class PastRecipient(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided about a recipient, beside what became of it."""

    id: str
    address: str
    status: str
    release: OfRelease | None
    """The one whose policy took it in or refused it; null while no node has had it."""
    decision: Decision | None
    not_explained: str | None
    """Why there is no decision."""
    happened: list[Happened]
    differences: list[str]
    """Where what happened is not what the release decides today."""


class PastExplanation(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was accepted, explained by the release that each recipient met."""

    message_id: str
    sender: str = msgspec.field(name="from")
    recipients: list[PastRecipient]
    left_out: int
    """Recipients beyond the first ten; ask for one by ``recipient``."""
    notes: list[str]
