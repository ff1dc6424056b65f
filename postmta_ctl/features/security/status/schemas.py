"""What the overview tells."""

from datetime import datetime

import msgspec

from postmta_ctl.clients.engines import EngineState
from postmta_ctl.core.dnsbl import Health
from postmta_ctl.features.security.greylisting.schemas import Inbound


class GreylistingStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Mail that strangers send to the relay domains."""

    enabled: bool
    """As configured; the nodes have it with the next release of the policy."""
    relay_domains: int
    """Domains that it is about; 0: it has nothing to do."""
    last_24h: Inbound | None
    """For operators."""


class ListStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A blocklist that is asked, as it answered when it was tested last."""

    id: str
    name: str
    health: Health
    """``unknown``: it was not tested yet; ``GET /dnsbl/blocklists`` tests it."""
    detail: str
    checked_at: datetime | None


class VmtaListing(msgspec.Struct, frozen=True, kw_only=True):
    """A vMTA of yours that is on a list."""

    vmta_id: str
    ip_address: str
    list: str
    since: datetime


class DnsblStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The blocklists, and what the monitor knows of your vMTAs."""

    lists: list[ListStatus]
    monitor_hours: float
    """How often vMTAs are checked by themselves; 0: never."""
    vmtas_checked: int
    last_check_at: datetime | None
    """Of any of your vMTAs, by the monitor."""
    listings: list[VmtaListing]


class AutoBlockStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The rules that stop mail by themselves."""

    rules_enabled: int
    active_blocks: int


class Checks(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for in the last 24 hours, by the credits that it took or would have taken."""

    dnsbl_checks: int
    spam_checks: int
    av_scans: int


class SecurityStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Each part by its own state; a part that is not set up says so."""

    greylisting: GreylistingStatus
    dnsbl: DnsblStatus
    spam: EngineState
    """What judges drafts."""
    antivirus: EngineState
    """What scans files; ``builtin``: nobody does, only their kind and structure are looked at."""
    auto_block: AutoBlockStatus
    last_24h: Checks
