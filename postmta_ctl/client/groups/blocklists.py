"""Security."""

from __future__ import annotations

from postmta_ctl.client.calls import Call, Group, R_co, operation
from postmta_ctl.features.security.blocklists.schemas import (
    Blocklists,
    CheckRequest,
    CheckResult,
    Cleared,
    ClearRequest,
)


class DnsBlocklists(Group[R_co]):
    """What stands in the document under Security."""

    @operation
    def check(self, body: CheckRequest) -> Call[CheckResult]:
        """Check IP against DNS blocklists."""
        return Call("POST", "/api/v1/security/dnsbl/check", CheckResult, body=body)

    @operation
    def clear_cache(self, body: ClearRequest | None = None) -> Call[Cleared]:
        """Clear DNSBL cache."""
        return Call("POST", "/api/v1/security/dnsbl/clear-cache", Cleared, body=body)

    @operation
    def list(self) -> Call[Blocklists]:
        """Configured blocklists."""
        return Call("GET", "/api/v1/security/dnsbl/blocklists", Blocklists)
