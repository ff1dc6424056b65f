"""What a block is about: which queues of the nodes, which of the mail that no node has, and
what nodes are not to take. Pure."""

from __future__ import annotations

from postmta_ctl.core.auto_block import Scope
from postmta_ctl.core.log_events import domain_of
from postmta_ctl.core.providers import domains_of, well_known
from postmta_ctl.features.queues.names import TenantQueue
from postmta_ctl.features.security.auto_block.block_queries import Stop


def covers_queue(stop: Stop, queue: TenantQueue) -> bool:
    """Whether all mail in the queue is what the block is about. A queue says nothing of sending domains."""
    if queue.organization != stop.organization:
        return False
    if stop.scope == Scope.ORGANIZATION:
        return True
    if stop.scope == Scope.VMTA:
        return queue.vmta == stop.value
    return stop.scope == Scope.PROVIDER and _is_at(stop, queue.domain)


def covers_recipient(stop: Stop, *, organization_id: str, domain: str, address: str, vmta: str | None) -> bool:
    """Whether mail to a recipient is what the block is about.

    Args:
        stop: The block.
        organization_id: Who sends it.
        domain: Of the From header.
        address: Of the recipient.
        vmta: That it must leave from, if from one only; what may leave from any does not wait for this one.
    """
    if organization_id != stop.organization_id:
        return False
    if stop.scope == Scope.ORGANIZATION:
        return True
    if stop.scope == Scope.DOMAIN:
        return domain == stop.value
    if stop.scope == Scope.VMTA:
        return vmta == stop.value
    return _is_at(stop, domain_of(address))


def submission_keys(stop: Stop) -> list[str]:
    """What of the mail that is submitted to nodes the block is about, as ``core.live_data.BLOCKED`` has it.

    A vMTA that is blocked is paused, on the nodes too, so there is nothing to refuse.
    """
    if stop.scope == Scope.ORGANIZATION:
        return [stop.organization]
    if stop.scope == Scope.DOMAIN:
        return [f"{stop.organization}/{stop.value}"]
    if stop.scope == Scope.PROVIDER:
        domains = {*stop.recipient_domains, *domains_of(stop.value)}
        return [f"{stop.organization}/@{domain}" for domain in sorted(domains)]
    return []


def _is_at(stop: Stop, domain: str) -> bool:
    return domain in stop.recipient_domains or well_known(domain) == stop.value
