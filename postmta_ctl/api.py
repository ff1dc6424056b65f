"""The contents page of the API: a line for each group of routes."""

from __future__ import annotations

from collections.abc import Collection

from litestar.types import ControllerRouterHandler

from postmta_ctl.console.routes import console
from postmta_ctl.features.agents.routes import router as agents
from postmta_ctl.features.analytics.routes import router as analytics
from postmta_ctl.features.api_keys.routes import router as api_keys
from postmta_ctl.features.audit.routes import router as audit
from postmta_ctl.features.auth.routes import router as auth
from postmta_ctl.features.billing.routes import router as billing
from postmta_ctl.features.credits.routes import router as credits
from postmta_ctl.features.docs.routes import docs, openapi
from postmta_ctl.features.domains.routes import router as domains
from postmta_ctl.features.explain.routes import router as explain
from postmta_ctl.features.health.routes import health, ready
from postmta_ctl.features.ingest.routes import router as ingest
from postmta_ctl.features.ips.routes import router as ips
from postmta_ctl.features.messages.routes import router as messages
from postmta_ctl.features.metrics.routes import metrics
from postmta_ctl.features.nodes.routes import router as nodes
from postmta_ctl.features.policy.routes import router as policy
from postmta_ctl.features.pools.routes import router as pools
from postmta_ctl.features.queues.routes import router as queues
from postmta_ctl.features.security.auto_block.routes import router as auto_block
from postmta_ctl.features.security.blocklists.routes import router as blocklists
from postmta_ctl.features.security.greylisting.routes import router as greylisting
from postmta_ctl.features.security.spam.routes import router as spam_score
from postmta_ctl.features.security.status.routes import router as security_status
from postmta_ctl.features.security.virus.routes import router as av_scan
from postmta_ctl.features.sendgrid.routes import router as sendgrid
from postmta_ctl.features.shaping.routes import router as shaping
from postmta_ctl.features.smtp_credentials.routes import router as smtp_credentials
from postmta_ctl.features.state.routes import router as state
from postmta_ctl.features.suppressions.routes import router as suppressions
from postmta_ctl.features.suppressions.unsubscribe_routes import router as unsubscribe
from postmta_ctl.features.templates.routes import router as templates
from postmta_ctl.features.tracking.routes import router as tracking
from postmta_ctl.features.tsa.routes import router as tsa
from postmta_ctl.features.users.routes import router as users
from postmta_ctl.features.vmtas.routes import router as vmtas
from postmta_ctl.features.warmup.routes import router as warmup
from postmta_ctl.features.warmup.routes import vmta_router as warmup_of_vmta
from postmta_ctl.features.webhooks.routes import router as webhooks
from postmta_ctl.roles import Role

EVERYWHERE: list[ControllerRouterHandler] = [health, ready, metrics]
"""What every process answers, whatever its roles."""
API: list[ControllerRouterHandler] = [
    openapi,
    docs,
    console,
    auth,
    users,
    audit,
    api_keys,
    credits,
    domains,
    vmtas,
    warmup_of_vmta,
    warmup,
    ips,
    pools,
    shaping,
    tsa,
    messages,
    sendgrid,
    queues,
    templates,
    smtp_credentials,
    suppressions,
    unsubscribe,
    webhooks,
    tracking,
    nodes,
    agents,
    policy,
    state,
    explain,
    analytics,
    billing,
    blocklists,
    greylisting,
    security_status,
    auto_block,
    spam_score,
    av_scan,
]


def routes_of(roles: Collection[Role]) -> list[ControllerRouterHandler]:
    """The routes of a process with these roles; it answers others with 404."""
    return EVERYWHERE + (API if Role.API in roles else []) + ([ingest] if Role.INGEST in roles else [])
