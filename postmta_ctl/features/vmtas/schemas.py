"""What the vMTA routes take and give."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from postmta_ctl.features.vmtas.queries import ProxyProtocol, State

ScheduleName = Annotated[str, Meta(max_length=63, examples=["standard"])]
"""``conservative``, ``standard``, ``aggressive``, or one that the organization keeps."""
Shares = Annotated[
    dict[
        Annotated[str, Meta(max_length=100)],
        Annotated[float, Meta(gt=0, le=1)],
    ],
    Meta(max_length=50, examples=[{"gmail": 0.4, "outlook": 0.25}]),
]
Allowances = Annotated[
    list[Annotated[int, Meta(ge=1, le=1_000_000_000)]], Meta(min_length=1, max_length=366, examples=[[50, 100, 200]])
]
IpAddress = Annotated[str, Meta(max_length=45, examples=["192.0.2.10"])]
Ipv6Address = Annotated[str, Meta(max_length=45, examples=["2001:db8::10"])]
EhloDomain = Annotated[str, Meta(max_length=255, examples=["mx1.example.com"])]
NodeNames = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=63)]], Meta(max_length=1000, examples=[["mx-1"]])
]


class WarmupCreate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a new address is warmed up: by a schedule of ours, or by one's own. Exactly one is given."""

    schedule: ScheduleName | None = None
    daily_allowances: Allowances | None = None
    """Deliveries allowed on the first sending day, the second, and so on; after the last the vMTA is active."""
    provider_shares: Shares = {}
    """Provider → the most of a day's allowance that may go there, from 0 to 1; the others share what is left."""


class Proxy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A proxy that connections are made through; the vMTA's addresses are then the proxy's."""

    protocol: ProxyProtocol
    """``haproxy``: the PROXY protocol of HAProxy, version 2; ``socks5``: RFC 1928."""
    server: Annotated[str, Meta(max_length=60, examples=["10.0.0.5:1080"])]
    """``ip:port``, an IPv6 address in brackets."""


class VmtaCreate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A virtual MTA: an address of a node, or a pair of IPv4 and IPv6, and the name it goes by."""

    name: Annotated[str, Meta(max_length=63, examples=["mx1"])]
    """1 to 63 of ``a-z``, ``0-9`` and ``-``."""
    ip_address: IpAddress
    """IPv4 or IPv6; of a pair the IPv4 one."""
    ipv6_address: Ipv6Address | None = None
    """The second address of a pair. Mail leaves from the one that the receiving hosts have the family of."""
    ehlo_domain: EhloDomain
    """Fully qualified; its addresses and the reverse names of these should be each other's."""
    warmup: WarmupCreate | None = None
    proxy: Proxy | None = None
    nodes: NodeNames = []
    """Names of the nodes that have the address; it is used there alone. Empty: on all of them, as through a proxy."""


class VmtaUpdate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes; fields that are absent stay as they are. The name never does: mail that waits is known by it."""

    ip_address: IpAddress | UnsetType = UNSET
    ipv6_address: Ipv6Address | UnsetType | None = UNSET
    """Null: ``ip_address`` alone, of either family."""
    ehlo_domain: EhloDomain | UnsetType = UNSET
    proxy: Proxy | UnsetType | None = UNSET
    """Null: connect directly."""
    nodes: NodeNames | UnsetType = UNSET
    """Empty: all nodes. What a node has taken by then and no longer has a way out for waits there."""


class Warmup(msgspec.Struct, frozen=True, kw_only=True):
    """Where the warm-up stands."""

    schedule: str | None
    """Null for daily allowances of one's own."""
    daily_allowances: list[int]
    provider_shares: dict[str, float]
    day: int
    """The stage: which of the allowances is in force, from 1. Days on which nothing is sent do not count."""
    allowance_today: int
    """Deliveries; 0 while it is paused or stopped."""
    is_paused: bool
    """The warm-up, by hand; a pause of the vMTA itself is another thing."""


class PauseRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to pause a vMTA."""

    reason: Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")] = "paused by hand"
    """People read it here, and in the log entries of mail that finds no other way out."""
    until: datetime | None = None
    """When to resume it by itself (RFC 3339); null: not by itself."""


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """Why nothing leaves from a vMTA."""

    reason: str
    author: str
    since: datetime
    until: datetime | None
    """When it is resumed by itself; null: not by itself."""


class Vmta(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual MTA."""

    id: str
    name: str
    ip_address: str
    """In its canonical form."""
    ipv6_address: str | None
    """The second one of a pair; null: there is only one, of either family."""
    is_public: bool
    """False where one is private or loopback: mail leaves through NAT or a proxy, or not at all."""
    ehlo_domain: str
    state: State
    version: int
    """Part of the egress source's name at the nodes; a new one with every change of addresses, EHLO name, proxy or
    nodes."""
    proxy: Proxy | None
    nodes: list[str]
    """Those that have the address; empty: all of them."""
    warmup: Warmup | None
    """Null unless it is warming, or paused while warming."""
    pause: Pause | None
    updated_at: datetime
    created_at: datetime


class NodeState(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one node did what it was asked."""

    node: str
    ok: bool
    detail: str | None = None


class VmtaSwitched(msgspec.Struct, frozen=True, kw_only=True):
    """A vMTA that was paused or resumed."""

    vmta: Vmta
    nodes: list[NodeState]
    """Whether each node knows by now; one that could not be asked is told when it is back."""
