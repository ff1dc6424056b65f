"""Security."""

from __future__ import annotations

from typing import Literal

from postmta_ctl.client.calls import Call, Group, R_co, operation
from postmta_ctl.features.security.greylisting.schemas import GreylistingConfig, GreylistingStats, GreylistingUpdate


class Greylisting(Group[R_co]):
    """What stands in the document under Security."""

    @operation
    def get(self) -> Call[GreylistingConfig]:
        """Greylisting configuration."""
        return Call("GET", "/api/v1/security/greylisting/config", GreylistingConfig)

    @operation
    def update(self, body: GreylistingUpdate, *, if_match: str | None = None) -> Call[GreylistingConfig]:
        """Change the greylisting configuration."""
        return Call(
            "PUT", "/api/v1/security/greylisting/config", GreylistingConfig, body=body, headers={"If-Match": if_match}
        )

    @operation
    def stats(
        self,
        *,
        period: Literal["24h", "7d", "30d", "90d"] | None = None,
        from_: str | None = None,
        to: str | None = None,
    ) -> Call[GreylistingStats]:
        """Greylisting statistics."""
        return Call(
            "GET",
            "/api/v1/security/greylisting/stats",
            GreylistingStats,
            query={"period": period, "from": from_, "to": to},
        )
