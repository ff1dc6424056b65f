"""What the queue status of a vMTA shows."""

from datetime import datetime

import msgspec

from postmta_ctl.features.vmtas.queries import State
from postmta_ctl.features.vmtas.schemas import NodeState, Pause


class Suspension(msgspec.Struct, frozen=True, kw_only=True):
    """A node lets nothing leave from the vMTA to a site: since it is paused, or by the node's own rules."""

    node: str
    reason: str
    expires_at: datetime


class SiteQueue(msgspec.Struct, frozen=True, kw_only=True):
    """What is about to leave from the vMTA to one site: the hosts that share an MX record set."""

    site: str
    """Their names rolled up as KumoMTA does it: ``(mx1|mx2).example.com``."""
    provider: str | None
    """Null when it is none of the well-known ones."""
    ready: int
    connections: int
    """Open ones."""
    by_node: dict[str, int]
    """Of ``ready``."""
    suspended: list[Suspension]


class VmtaQueue(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for a vMTA. On nodes, KumoMTA assigns a vMTA only when an attempt is due."""

    id: str
    name: str
    state: State
    pause: Pause | None
    here: int
    """Accepted to leave from this vMTA only, and not given to a node yet."""
    scheduled_for_it: int
    """On nodes, waiting for an attempt that this vMTA only may make."""
    scheduled_for_any: int
    """On nodes, waiting for an attempt that any vMTA of a pool may make, this one among them."""
    ready: int
    """On nodes, about to leave from this vMTA."""
    connections: int
    """Open ones."""
    sites: list[SiteQueue]
    """Largest first, at most 200."""
    sites_left_off: int
    last_error: str | None
    """The reply to the last attempt from this vMTA that failed for now."""
    last_error_at: datetime | None
    last_error_provider: str | None
    nodes: list[NodeState]
    """Whether each node could be asked; the numbers are those of the nodes that could."""
