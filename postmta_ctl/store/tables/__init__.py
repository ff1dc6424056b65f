"""Every table, by subject. ``metadata`` knows them all."""

from postmta_ctl.store.tables.base import metadata
from postmta_ctl.store.tables.domains import dkim_keys, domains
from postmta_ctl.store.tables.events import dead_letters, events
from postmta_ctl.store.tables.identity import api_keys, organizations, users
from postmta_ctl.store.tables.messages import idempotency_keys, message_contents, messages, outbox, recipients
from postmta_ctl.store.tables.policy import blobs, nodes, policy_changes, releases
from postmta_ctl.store.tables.vmtas import retired_vmtas, vmtas

__all__ = [
    "api_keys",
    "blobs",
    "dead_letters",
    "dkim_keys",
    "domains",
    "events",
    "idempotency_keys",
    "message_contents",
    "messages",
    "metadata",
    "nodes",
    "organizations",
    "outbox",
    "policy_changes",
    "recipients",
    "releases",
    "retired_vmtas",
    "users",
    "vmtas",
]
