"""What a policy is made of, before any Lua: the desired state of the fleet as plain data.

``features.policy`` loads these structs from the database; ``compiler.build`` turns them into the tables
of a bundle. Nothing here knows of Lua, of the database or of time: the same model gives the same bytes.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from postmta_ctl.core.automation import Rule
from postmta_ctl.core.shaping import Limits


class Struct(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the model: immutable, compared by value."""


class Listener(Struct, frozen=True):
    """An SMTP or HTTP listener of a node. Changing one needs a restart of the node."""

    address: str
    """``ip:port``."""
    hostname: str | None = None
    """Name in the SMTP banner; the host's own when absent."""
    relay_hosts: tuple[str, ...] = ()
    """Peers that may relay without authentication, as addresses or CIDR blocks."""
    tls_certificate: str | None = None
    """SMTP only: PEM file on the node, the chain with the server's own first, for STARTTLS (RFC 3207). Without one
    KumoMTA makes one that no client trusts. It reads a renewed file within five minutes."""
    tls_private_key: str | None = None
    """PEM file on the node, which KumoMTA's user can read."""
    trusted_hosts: tuple[str, ...] = ()
    """HTTP only: peers that KumoMTA trusts with everything. Empty by intention: the control plane has a token."""


class TsaDaemons(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """KumoMTA's daemons for traffic shaping automation, which watch answers and slow down or hold mail by rules."""

    urls: tuple[str, ...] = ()
    """Where nodes and control plane reach each daemon, such as ``http://10.0.0.5:8008``; empty: there is none. Every
    node tells all of them what answers it got, and does what any of them says."""
    listen: str = "127.0.0.1:8008"
    """``ip:port`` that a daemon listens on."""
    trusted_hosts: tuple[str, ...] = ("127.0.0.1", "::1")
    """Nodes and control plane, as addresses or CIDR blocks; the daemon knows no other credential."""
    database: str = "/var/spool/kumomta/tsa.db"
    """File beside which a daemon keeps what it decided."""
    maintained: bool = True
    """Have the rules that come with PostMTA beside those that were made here."""


class NodeOptions(Struct, frozen=True, kw_only=True):
    """What of the nodes the operator sets in the table ``[policy]`` of his settings, rather than through the API."""

    smtp_listeners: tuple[Listener, ...] = ()
    submission_listeners: tuple[Listener, ...] = ()
    """Where customers submit mail (RFC 6409, port 587), with credentials and after STARTTLS only."""
    feedback_sender: str = "postmta"
    """Last part of ``Feedback-ID``: what Google's feedback loop knows this sender by, 5 to 15 characters."""
    http_listeners: tuple[Listener, ...] = ()
    spool_path: str = "/var/spool/kumomta"
    spool_kind: Literal["RocksDB", "LocalDisk"] = "RocksDB"
    log_path: str = "/var/log/kumomta"
    smart_host: tuple[str, ...] = ()
    """Where all mail is relayed instead of to the MX, as ``host:port`` or ``[ip]:port``; empty: by MX."""
    retry_interval: str = "20m"
    max_retry_interval: str = "4h"
    max_age: str = "3 days"
    path_defaults: dict[str, Any] = {}
    """Options of ``kumo.make_egress_path`` for every path (connection limits, TLS, timeouts …)."""
    relay_domains: dict[str, tuple[str, ...]] = {}
    """Domains that strangers may send mail for, and the hosts that it is passed on to, as ``host:port`` or
    ``[ip]:port``; there must not be fewer than one."""
    log_hook_batch_size: int = 500
    """Log records in one request to the control plane at most."""
    tsa: TsaDaemons = TsaDaemons()
    """Daemons for traffic shaping automation."""


class Installation(NodeOptions, frozen=True, kw_only=True):
    """Settings of the whole installation that the policy depends on."""

    bounce_domain: str
    """Host part of VERP envelope senders, also where DSNs and ARF reports come in."""
    tracking_host: str | None = None
    bounce_classifier_files: tuple[str, ...] = ()
    """TOML or JSON rule files on the node; without any, KumoMTA classifies no bounce."""
    fence: bool = True
    """Refuse a second injection of the same recipient id, so that a call without an answer can be repeated."""


class Greylisting(Struct, frozen=True):
    """How mail for the relay domains is put off when it is seen first (RFC 6647). Times in seconds."""

    enabled: bool = False
    delay: int = 300
    """How long an attempt is too early."""
    window: int = 2 * 24 * 3600
    """How long after the first attempt another one still counts as the same mail."""
    lifetime: int = 35 * 24 * 3600
    """How long what has passed is known after it was seen last."""
    allow_after: int = 5
    """Senders and recipients of one network that have to pass before it is trusted; 0: none ever is."""
    allowed_networks: tuple[str, ...] = ()
    """CIDR blocks of clients that are never put off."""
    allowed_domains: tuple[str, ...] = ()
    """Domains of envelope senders that are never put off, with their subdomains."""


class VirtualMta(Struct, frozen=True):
    """One address or a pair of them, their EHLO name, and what may be sent from them together."""

    organization: str
    """Slug of the owning organization."""
    name: str
    address: str
    """IPv4 or IPv6 address that mail leaves from; of a pair the IPv4 one."""
    ehlo_domain: str
    ipv6_address: str | None = None
    """Of a pair: where mail leaves from to hosts that have an IPv6 address."""
    version: int = 1
    """Raised whenever addresses, EHLO name or proxy change: KumoMTA freezes these in a busy ready queue,
    so each version is a source of its own name."""
    state: str = "active"
    """``active``, ``warming`` or ``paused``."""
    daily_limit: int | None = None
    """Deliveries allowed in any 24 hours while warming, by a fixed rate; 0: none now. Absent: as many as the control
    plane hands out tickets for (``core.warmup_tickets``), which is how its own vMTAs are warmed up."""
    proxy_protocol: str | None = None
    """``haproxy`` or ``socks5``: the addresses are then the proxy's."""
    proxy_server: str | None = None
    """``ip:port`` of the proxy."""
    nodes: tuple[str, ...] = ()
    """Names of the nodes that have the address; none: all of them, such as through a proxy."""


class SigningKey(Struct, frozen=True):
    """A published DKIM key. The private part is a file beside the bundle, never in it."""

    selector: str
    algorithm: str
    """``rsa-sha256`` or ``ed25519-sha256`` (RFC 6376, RFC 8463)."""
    id: str
    """Part of the file's name: KumoMTA keeps a loaded key by its path, so another key needs another path."""


class SendingDomain(Struct, frozen=True):
    """A verified From domain."""

    name: str
    """A-label form, lower case."""
    organization: str
    keys: tuple[SigningKey, ...] = ()
    pool: str | None = None
    """The named pool that its mail leaves from."""


class PoolMember(Struct, frozen=True):
    """A vMTA in a named pool."""

    vmta: str
    """Its name."""
    weight: int = 1
    """Its share of what leaves, against those of the others, once a queue has had one message by each."""


class Pool(Struct, frozen=True):
    """Some of an organization's vMTAs, under a name that messages and domains choose it by."""

    organization: str
    name: str
    members: tuple[PoolMember, ...] = ()
    is_default: bool = False
    """What mail that chooses none leaves from; without one, that is all vMTAs."""


class ShapingRule(Struct, frozen=True, kw_only=True):
    """Limits of one vMTA towards a provider, or else towards a domain."""

    organization: str | None = None
    """Slug of the one whose vMTAs it is for; none: all."""
    provider: str | None = None
    """Name of ``core.providers``."""
    domain: str | None = None
    """Of recipients, A-label form, lower case."""
    limits: Limits


class AutomationRule(Struct, frozen=True, kw_only=True):
    """What a TSA daemon does upon answers of a provider, or else of a domain, or else of anybody."""

    provider: str | None = None
    """Name of ``core.providers``."""
    domain: str | None = None
    """Of recipients, A-label form, lower case."""
    rule: Rule


class Organization(Struct, frozen=True):
    """A KumoMTA tenant."""

    slug: str


class PolicyModel(Struct, frozen=True):
    """Everything the policy of one installation is rendered from."""

    installation: Installation
    greylisting: Greylisting = Greylisting()
    organizations: tuple[Organization, ...] = ()
    vmtas: tuple[VirtualMta, ...] = ()
    pools: tuple[Pool, ...] = ()
    domains: tuple[SendingDomain, ...] = ()
    shaping: tuple[ShapingRule, ...] = ()
    automation: tuple[AutomationRule, ...] = ()
