"""Whose a queue is, by its name alone. Pure."""

from __future__ import annotations

import msgspec

from postmta_ctl.compiler.names import parse_tenant
from postmta_ctl.core.domain_names import parse_mail_domain
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.queue_requests import QueueScope
from postmta_ctl.luavm import QueueName

MAX_NAME = 400
"""Octets: campaign, tenant and domain at their longest."""


class TenantQueue(msgspec.Struct, frozen=True, kw_only=True):
    """A scheduled queue of a tenant."""

    name: str
    domain: str
    tenant: str
    campaign: str | None
    organization: str
    """Slug."""
    vmta: str | None
    pool: str | None = None

    @property
    def scope(self) -> QueueScope:
        """What a request about this queue is narrowed down to."""
        return QueueScope(tenant=self.tenant, domain=self.domain, campaign=self.campaign)


def tenant_queue(name: str) -> TenantQueue | None:
    """The parts of a queue's name; None unless it is one that mail of a tenant can be in.

    The node's own queues, the log hook's above all, are none of anybody's and so can be neither seen nor touched.
    """
    parts = QueueName.parse(name)
    tenant = parse_tenant(parts.tenant or "")
    if tenant is None or parts.routing_domain is not None or parts.campaign == "" or str(parts) != name:
        return None
    if len(name) > MAX_NAME or not _is_domain(parts.domain):
        return None
    return TenantQueue(
        name=name,
        domain=parts.domain,
        tenant=parts.tenant or "",
        campaign=parts.campaign,
        organization=tenant.organization,
        vmta=tenant.vmta,
        pool=tenant.pool,
    )


def _is_domain(name: str) -> bool:
    try:
        return parse_mail_domain(name) == name
    except InputError:
        return False
