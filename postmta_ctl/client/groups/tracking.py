"""Webhooks & Tracking."""

from __future__ import annotations

from postmta_ctl.client.calls import Call, Group, R_co, operation
from postmta_ctl.features.tracking.schemas import KnownHost


class Tracking(Group[R_co]):
    """What stands in the document under Webhooks & Tracking."""

    @operation
    def open_pixel(self, token: str) -> Call[bytes]:
        """Open tracking pixel (1x1 transparent GIF)."""
        return Call("GET", "/track/open/{token}", bytes, parts={"token": token})

    @operation
    def follow_link(self, token: str) -> Call[str]:
        """Click tracking redirect."""
        return Call("GET", "/track/click/{token}", str, parts={"token": token})

    @operation
    def known_host(self, *, domain: str) -> Call[KnownHost]:
        """Whether a host is one that tracking links go through."""
        return Call("GET", "/track/host", KnownHost, query={"domain": domain})
