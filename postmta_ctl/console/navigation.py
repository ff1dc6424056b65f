"""The menu: a line for each page that stands by itself."""

from __future__ import annotations

import msgspec

from postmta_ctl.features.auth.principal import Principal


class Entry(msgspec.Struct, frozen=True):
    """A page in the menu."""

    title: str
    path: str
    scope: str
    """Who lacks it does not see the entry."""


MENU: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    (
        "Mail",
        (
            Entry("Overview", "/console", "analytics:read"),
            Entry("Messages", "/console/messages", "messages:read"),
            Entry("Queues", "/console/queues", "queues:read"),
            Entry("Analytics", "/console/analytics", "analytics:read"),
        ),
    ),
    (
        "Sending",
        (
            Entry("Domains", "/console/domains", "domains:read"),
            Entry("vMTAs", "/console/vmtas", "vmtas:read"),
            Entry("Pools", "/console/pools", "vmtas:read"),
            Entry("Templates", "/console/templates", "templates:read"),
            Entry("Suppressions", "/console/suppressions", "suppressions:read"),
            Entry("Webhooks", "/console/webhooks", "webhooks:read"),
        ),
    ),
    (
        "Platform",
        (
            Entry("Nodes", "/console/nodes", "nodes:read"),
            Entry("Policy", "/console/policy", "policy:read"),
            Entry("Scenarios", "/console/policy/scenarios", "policy:read"),
            Entry("Shaping", "/console/shaping", "policy:read"),
            Entry("Automation", "/console/policy/tsa", "policy:read"),
            Entry("Security", "/console/security", "security:read"),
            Entry("First steps", "/console/first-steps", "nodes:write"),
        ),
    ),
    (
        "Organization",
        (
            Entry("API keys", "/console/keys", "api_keys:read"),
            Entry("Users", "/console/users", "users:read"),
            Entry("Credits", "/console/credits", "credits:read"),
            Entry("Billing", "/console/billing", "billing:read"),
            Entry("Audit log", "/console/audit", "audit:read"),
        ),
    ),
)
"""By group, in the order of the menu; a group without entries is not shown."""


class Shown(msgspec.Struct, frozen=True):
    """An entry as one request sees it."""

    title: str
    path: str
    here: bool


def menu(principal: Principal, path: str) -> list[tuple[str, list[Shown]]]:
    """What somebody may open, and where they are."""
    entries = [entry for _, group in MENU for entry in group]
    # The longest path that leads here, since the overview's is the beginning of all.
    leading = [one.path for one in entries if path == one.path or path.startswith(f"{one.path}/")]
    here = max(leading, key=len, default="")
    groups = [
        (name, [Shown(one.title, one.path, one.path == here) for one in group if one.scope in principal.scopes])
        for name, group in MENU
    ]
    return [(name, shown) for name, shown in groups if shown]
