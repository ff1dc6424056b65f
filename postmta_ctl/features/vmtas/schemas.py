"""What the vMTA routes take and give."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from postmta_ctl.features.vmtas.queries import State

ScheduleName = Literal["conservative", "standard", "aggressive"]
Allowances = Annotated[
    list[Annotated[int, Meta(ge=1, le=1_000_000_000)]], Meta(min_length=1, max_length=366, examples=[[50, 100, 200]])
]


class WarmupCreate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a new address is warmed up: by a schedule of ours, or by one's own. Exactly one is given."""

    schedule: ScheduleName | None = None
    daily_allowances: Allowances | None = None
    """Deliveries allowed on the first sending day, the second, and so on; after the last the vMTA is active."""


class VmtaCreate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A virtual MTA: an address of a node, and the name it goes by."""

    name: Annotated[str, Meta(max_length=63, examples=["mx1"])]
    """1 to 63 of ``a-z``, ``0-9`` and ``-``."""
    ip_address: Annotated[str, Meta(max_length=45, examples=["192.0.2.10"])]
    ehlo_domain: Annotated[str, Meta(max_length=255, examples=["mx1.example.com"])]
    """Fully qualified; its address and the reverse name of ``ip_address`` should be each other's."""
    warmup: WarmupCreate | None = None


class Warmup(msgspec.Struct, frozen=True, kw_only=True):
    """Where the warm-up stands."""

    schedule: str | None
    """Null for daily allowances of one's own."""
    daily_allowances: list[int]
    day: int
    """Which sending day this is, from 1. Days on which nothing is sent do not count."""
    allowance_today: int | None
    """Deliveries; null when the last day of the list is over."""


class Vmta(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual MTA."""

    id: str
    name: str
    ip_address: str
    """In its canonical form."""
    is_public: bool
    """False for a private or loopback address: mail leaves through NAT or a proxy, or not at all."""
    ehlo_domain: str
    state: State
    version: int
    """Part of the egress source's name at the nodes; a new one with every change of address or EHLO name."""
    warmup: Warmup | None
    """Null unless ``state`` is ``warming``."""
    updated_at: datetime
    created_at: datetime
