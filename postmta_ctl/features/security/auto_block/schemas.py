"""What the auto-block routes take and give."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from postmta_ctl.core.auto_block import Action, Metric, Scope

Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
WindowMinutes = Annotated[int, Meta(ge=5, le=7 * 24 * 60, examples=[60])]
Threshold = Annotated[float, Meta(gt=0, le=1, examples=[0.05])]
MinimumVolume = Annotated[int, Meta(ge=1, le=1_000_000_000, examples=[500])]
BlockMinutes = Annotated[int, Meta(ge=5, le=30 * 24 * 60, examples=[60])]
Text = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
State = Literal["active", "resolved", "expired", "rule_deleted"]


class RuleCreate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rate that must not be reached, and what happens when it is."""

    name: Name
    """One line, without white space around it, and unlike those of the organization's other rules."""
    metric: Metric
    """``bounce_rate`` and ``hard_bounce_rate``: of deliveries and bounces; ``complaint_rate``: of deliveries;
    ``deferral_rate`` and ``spam_block_rate``: of all attempts."""
    scope: Scope
    """What is looked at one by one, and blocked: the organization, a sending domain, a vMTA or a provider."""
    window_minutes: WindowMinutes
    """How far back it looks. The window begins on five full minutes, so up to that much more is counted."""
    threshold: Threshold
    """A share: 0.05 is 5 %. A rate that reaches it is too high."""
    minimum_volume: MinimumVolume = 100
    """Fewer deliveries, bounces or attempts are not judged."""
    action: Action = Action.NOTIFY
    """``pause`` keeps here what no node has, and pauses a vMTA; ``hold`` holds what waits on the nodes as well;
    ``notify`` only tells."""
    block_minutes: BlockMinutes | None = 60
    """How long a block lasts; null: until it is resolved."""
    enabled: bool = True


class RuleUpdate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes of a rule; fields that are absent stay. What it looks at (metric, scope) is the rule and stays, too."""

    name: Name | UnsetType = UNSET
    window_minutes: WindowMinutes | UnsetType = UNSET
    threshold: Threshold | UnsetType = UNSET
    minimum_volume: MinimumVolume | UnsetType = UNSET
    action: Action | UnsetType = UNSET
    block_minutes: BlockMinutes | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET


class Toggle(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which rule is to be on or off."""

    rule_id: Annotated[str, Meta(max_length=36)]
    enabled: bool


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule."""

    id: str
    name: str
    metric: Metric
    scope: Scope
    window_minutes: int
    threshold: float
    minimum_volume: int
    action: Action
    block_minutes: int | None
    enabled: bool
    updated_at: datetime
    created_at: datetime


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers that led to a block."""

    metric: str
    rate: float
    threshold: float
    count: int
    """Of the outcome that the metric is named after."""
    volume: int
    """What it is a share of."""
    window_start: datetime
    window_end: datetime


class BlockedQueue(msgspec.Struct, frozen=True, kw_only=True):
    """A queue that the block held on the nodes."""

    queue: str
    held: bool
    """False: somebody released it, or the block is over."""


class PausedVmta(msgspec.Struct, frozen=True, kw_only=True):
    """The vMTA that the block paused."""

    id: str
    paused: bool
    """False: somebody resumed it, or the block is over."""


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What a block does at this moment."""

    keeps_here: bool
    """What no node has stays here."""
    waiting_here: int
    """Recipients that it keeps here."""
    queues: list[BlockedQueue]
    vmta: PausedVmta | None


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was stopped, why, and how it ended."""

    id: str
    organization_id: str
    rule_id: str | None
    """Null: the rule was deleted."""
    rule_name: str
    scope: str
    value: str
    """What of the scope: the organization's slug, a domain, a vMTA or a provider."""
    action: str
    state: State
    cause: Cause
    effect: Effect
    created_at: datetime
    expires_at: datetime | None
    ended_at: datetime | None
    ended_by: str | None
    note: str | None


class Resolve(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a block is lifted."""

    note: Text | None = None
