"""Who is asking, and what they may do."""

from __future__ import annotations

import msgspec

from postmta_ctl.errors import PermissionDenied

READ = frozenset(
    {
        "messages:read",
        "suppressions:read",
        "queues:read",
        "templates:read",
        "webhooks:read",
        "domains:read",
        "vmtas:read",
        "users:read",
        "api_keys:read",
        "smtp_credentials:read",
        "account:read",
        "account:write",
        "analytics:read",
        "credits:read",
        "security:read",
    },
)
DEVELOPER = READ | {
    "messages:send",
    "suppressions:write",
    "templates:write",
    "domains:write",
    "webhooks:write",
    "security:check",
}
ADMIN = DEVELOPER | {
    "audit:read",
    "queues:write",
    "vmtas:write",
    "users:write",
    "api_keys:write",
    "smtp_credentials:write",
    "credits:write",
    "billing:read",
    "billing:write",
    "security:write",
}
OPERATOR = frozenset(
    {"policy:read", "policy:write", "nodes:read", "nodes:write", "ips:write", "credits:grant", "billing:manage"}
)

ROLES = {"viewer": READ, "developer": DEVELOPER, "admin": ADMIN, "owner": ADMIN}
"""Scopes of each role within its organization, weakest first."""
SCOPES = ADMIN | OPERATOR
"""Every scope there is. A key never has one that its maker lacks."""


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """An authenticated user, or an API key acting for its organization."""

    organization_id: str
    organization: str
    """Slug of the organization."""
    role: str
    scopes: frozenset[str]
    user_id: str | None = None
    email: str | None = None
    api_key_id: str | None = None
    is_operator: bool = False
    address: str = ""
    """Where the request comes from."""
    request_id: str = ""
    plan: str | None = None
    """Id of the organization's plan; None before it is first asked for: the default one."""

    @property
    def name(self) -> str:
        """How this principal is named in records of what was done."""
        return self.email or f"api key {self.api_key_id}"

    def require(self, scope: str) -> None:
        """Refuse what this principal may not do.

        Raises:
            PermissionDenied: The scope is missing.
        """
        if scope not in self.scopes:
            raise PermissionDenied(f"This needs the scope {scope}.", code="missing_scope")


def scopes_of(role: str, *, is_operator: bool) -> frozenset[str]:
    """What a user may do by role, and as an operator of the platform."""
    return ROLES[role] | (OPERATOR if is_operator else frozenset())
