"""Every table, by subject. ``metadata`` knows them all."""

from postmta_ctl.store.tables.audit import audit_log
from postmta_ctl.store.tables.auto_block import auto_block_queues, auto_block_rules, auto_blocks
from postmta_ctl.store.tables.base import metadata
from postmta_ctl.store.tables.billing import (
    billing_details,
    checkouts,
    counters,
    invoices,
    payments,
    subscriptions,
)
from postmta_ctl.store.tables.credits import credit_alerts, credit_balances, credit_entries
from postmta_ctl.store.tables.domains import dkim_keys, dkim_rotations, domains
from postmta_ctl.store.tables.events import dead_letters, events
from postmta_ctl.store.tables.identity import api_keys, invitations, organizations, refresh_tokens, sessions, users
from postmta_ctl.store.tables.live_data import live_changes, live_files
from postmta_ctl.store.tables.messages import (
    cancellations,
    idempotency_keys,
    message_contents,
    message_tags,
    messages,
    outbox,
    recipients,
)
from postmta_ctl.store.tables.policy import blobs, nodes, policy_changes, policy_scenarios, releases
from postmta_ctl.store.tables.pools import pool_domains, pool_members, pools
from postmta_ctl.store.tables.queues import hold_nodes, queue_holds
from postmta_ctl.store.tables.rollups import rollup_attempts, rollup_dimensions, rollup_outcomes, rollup_types
from postmta_ctl.store.tables.security import (
    dnsbl_answers,
    dnsbl_health,
    greylisting_config,
    greylisting_counts,
    vmta_listings,
)
from postmta_ctl.store.tables.shaping import shaping_rules
from postmta_ctl.store.tables.smtp_credentials import smtp_credentials
from postmta_ctl.store.tables.suppressions import suppressions
from postmta_ctl.store.tables.templates import template_versions, templates
from postmta_ctl.store.tables.tsa import automation_rules
from postmta_ctl.store.tables.vmtas import ip_addresses, retired_vmtas, vmtas
from postmta_ctl.store.tables.warmup import (
    warmup_allowances,
    warmup_counts,
    warmup_decisions,
    warmup_nodes,
    warmup_schedules,
    warmup_tickets,
)
from postmta_ctl.store.tables.webhooks import webhook_attempts, webhook_deliveries, webhooks

__all__ = [
    "api_keys",
    "audit_log",
    "auto_block_queues",
    "auto_block_rules",
    "auto_blocks",
    "automation_rules",
    "billing_details",
    "blobs",
    "cancellations",
    "checkouts",
    "counters",
    "credit_alerts",
    "credit_balances",
    "credit_entries",
    "dead_letters",
    "dkim_keys",
    "dkim_rotations",
    "dnsbl_answers",
    "dnsbl_health",
    "domains",
    "events",
    "greylisting_config",
    "greylisting_counts",
    "hold_nodes",
    "idempotency_keys",
    "invitations",
    "invoices",
    "ip_addresses",
    "live_changes",
    "live_files",
    "message_contents",
    "message_tags",
    "messages",
    "metadata",
    "nodes",
    "organizations",
    "outbox",
    "payments",
    "policy_changes",
    "policy_scenarios",
    "pool_domains",
    "pool_members",
    "pools",
    "queue_holds",
    "recipients",
    "refresh_tokens",
    "releases",
    "retired_vmtas",
    "rollup_attempts",
    "rollup_dimensions",
    "rollup_outcomes",
    "rollup_types",
    "sessions",
    "shaping_rules",
    "smtp_credentials",
    "subscriptions",
    "suppressions",
    "template_versions",
    "templates",
    "users",
    "vmta_listings",
    "vmtas",
    "warmup_allowances",
    "warmup_counts",
    "warmup_decisions",
    "warmup_nodes",
    "warmup_schedules",
    "warmup_tickets",
    "webhook_attempts",
    "webhook_deliveries",
    "webhooks",
]
