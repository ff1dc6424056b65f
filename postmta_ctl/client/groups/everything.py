"""All parts of the API, as attributes of one client. A part is imported when it is used first: some take a while."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from postmta_ctl.client.calls import Group, R_co

if TYPE_CHECKING:
    from postmta_ctl.client.groups.analytics import Analytics
    from postmta_ctl.client.groups.api_keys import ApiKeys
    from postmta_ctl.client.groups.audit import AuditLog
    from postmta_ctl.client.groups.auth import Authentication
    from postmta_ctl.client.groups.auto_block import AutoBlock
    from postmta_ctl.client.groups.automation import Automation
    from postmta_ctl.client.groups.billing import Billing
    from postmta_ctl.client.groups.blocklists import DnsBlocklists
    from postmta_ctl.client.groups.credits import Credits
    from postmta_ctl.client.groups.domains import Domains
    from postmta_ctl.client.groups.greylisting import Greylisting
    from postmta_ctl.client.groups.health import HealthChecks
    from postmta_ctl.client.groups.ingest import Ingestion
    from postmta_ctl.client.groups.ips import Addresses
    from postmta_ctl.client.groups.messages import Messages
    from postmta_ctl.client.groups.nodes import Nodes
    from postmta_ctl.client.groups.policy import Policy
    from postmta_ctl.client.groups.pools import Pools
    from postmta_ctl.client.groups.queues import Queues
    from postmta_ctl.client.groups.security import Security
    from postmta_ctl.client.groups.shaping import Shaping
    from postmta_ctl.client.groups.smtp_credentials import SmtpCredentials
    from postmta_ctl.client.groups.state import StateFiles
    from postmta_ctl.client.groups.suppressions import Suppressions
    from postmta_ctl.client.groups.templates import Templates
    from postmta_ctl.client.groups.tracking import Tracking
    from postmta_ctl.client.groups.users import Users
    from postmta_ctl.client.groups.vmtas import Vmtas
    from postmta_ctl.client.groups.warmup import Warmup
    from postmta_ctl.client.groups.webhooks import Webhooks


class Everything(Group[R_co]):
    """One attribute for each part of the API, of the name of its module."""

    health: HealthChecks[R_co]
    auth: Authentication[R_co]
    users: Users[R_co]
    audit: AuditLog[R_co]
    api_keys: ApiKeys[R_co]
    credits: Credits[R_co]
    domains: Domains[R_co]
    vmtas: Vmtas[R_co]
    warmup: Warmup[R_co]
    ips: Addresses[R_co]
    pools: Pools[R_co]
    messages: Messages[R_co]
    queues: Queues[R_co]
    templates: Templates[R_co]
    smtp_credentials: SmtpCredentials[R_co]
    suppressions: Suppressions[R_co]
    ingest: Ingestion[R_co]
    webhooks: Webhooks[R_co]
    tracking: Tracking[R_co]
    nodes: Nodes[R_co]
    policy: Policy[R_co]
    shaping: Shaping[R_co]
    automation: Automation[R_co]
    state: StateFiles[R_co]
    analytics: Analytics[R_co]
    billing: Billing[R_co]
    blocklists: DnsBlocklists[R_co]
    greylisting: Greylisting[R_co]
    security: Security[R_co]
    auto_block: AutoBlock[R_co]

    def __getattr__(self, name: str) -> Any:
        kind = Everything.__annotations__.get(name)
        if kind is None:
            raise AttributeError(f"the API has no part {name!r}")
        module = import_module(f"postmta_ctl.client.groups.{name}")
        group = getattr(module, kind.partition("[")[0])(self.runner)
        setattr(self, name, group)
        return group
