"""What one process holds: made once by :mod:`postmta_ctl.app`, handed to every handler and job.

Each part is a seam. Tests replace a part by a fake that keeps state; nothing is ever patched.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from postmta_ctl.clients.dns import Resolver
from postmta_ctl.clients.engines import AntivirusEngine, SpamEngine
from postmta_ctl.clients.kumod import KumodClient, NodeAddress
from postmta_ctl.clients.limiter import Limiter, MemoryLimiter
from postmta_ctl.clients.payments import PaymentProvider
from postmta_ctl.clients.webhooks import WebhookClient
from postmta_ctl.crash_points import CrashPoint, pass_by
from postmta_ctl.groups import Groups
from postmta_ctl.in_flight import InFlight
from postmta_ctl.journal import Journal
from postmta_ctl.keys import Keys
from postmta_ctl.metrics import Metrics
from postmta_ctl.node_troubles import Troubles
from postmta_ctl.passwords import Passwords
from postmta_ctl.recent import Recent, RecentByKey, Shared
from postmta_ctl.settings import Settings
from postmta_ctl.store.engine import Database


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class System:
    """The parts that features work with."""

    settings: Settings
    db: Database
    keys: Keys
    resolver: Resolver
    kumod: KumodClient
    metrics: Metrics = field(default_factory=Metrics)
    limiter: Limiter = field(default_factory=MemoryLimiter)
    payments: PaymentProvider | None = None
    """Takes money; None: invoices are paid by hand."""
    spam: SpamEngine | None = None
    """Judges drafts; None: the built-in rules do."""
    antivirus: AntivirusEngine | None = None
    """Finds viruses; None: nobody does, and only the kind and the structure of files are looked at."""
    passwords: Passwords = field(default_factory=Passwords)
    now: Callable[[], datetime] = utc_now
    pause: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep)
    """Waiting for nothing but so many seconds."""
    random: Callable[[int], bytes] = field(default=secrets.token_bytes)
    reach: Callable[[CrashPoint], None] = pass_by
    """Told where the process is when its death would matter."""
    node_addresses: Recent[tuple[NodeAddress, ...]] = field(default_factory=lambda: Recent(1.0))
    """Where mail can be injected; the relay asks for every batch."""
    placements: Recent[Mapping[str, frozenset[str]]] = field(default_factory=lambda: Recent(1.0))
    """Names of the nodes that a tenant's mail can leave from, where that is not all of them."""
    node_troubles: Troubles = field(default_factory=Troubles)
    """Nodes that the relay passes over for a moment."""
    known: RecentByKey[Any] = field(default_factory=lambda: RecentByKey(1.0), init=False)
    """What requests ask for again and again and seldom changes: who asks, sending domains, plans, who listens."""
    authenticating: Shared[Any] = field(default_factory=Shared, init=False)
    """Who asks, being looked up."""
    accepting: Groups[Any, Any] = field(default_factory=lambda: Groups(limit=64), init=False)
    """Requests to accept mail, which share transactions."""
    outbox_length: Recent[int] = field(default_factory=lambda: Recent(2.0), init=False)
    """Recipients that wait for a node, counted no further than the limit."""
    keys_in_progress: set[Any] = field(default_factory=set, init=False)
    """The Idempotency-Keys of those of them that carry one."""
    ingesting: Groups[Any, Any] = field(init=False)
    """Deliveries of log records, which share transactions. While PostgreSQL works on one, the next one is prepared;
    SQLite has one writer."""
    fetches: Journal = field(init=False)
    """Opens and clicks that are to become events."""
    deliveries_held: set[object] = field(default_factory=set, init=False)
    """One for each request of a node that has a place: see ``features.ingest.intake``."""
    webhooks: WebhookClient = field(default_factory=WebhookClient)
    deliveries: InFlight[Any] = field(default_factory=InFlight)
    """Requests to customers' webhooks that are under way."""
    slow_webhooks: set[str] = field(default_factory=set)
    """Ids of the webhooks whose last answer took long."""
    refused_change: Recent[int] = field(default_factory=lambda: Recent(60.0))
    """The newest change when publishing was last refused: it is not tried again at once with nothing new."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "ingesting", Groups(limit=8, at_once=1 if self.db.is_sqlite else 2))
        object.__setattr__(self, "fetches", Journal(self.settings.data_dir / "fetches"))
