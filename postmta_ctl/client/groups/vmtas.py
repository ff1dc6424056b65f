"""vMTAs."""

from __future__ import annotations

from types import NoneType

from postmta_ctl.client.calls import Call, Group, Page, R_co, listing, operation
from postmta_ctl.features.vmtas.queue_schemas import VmtaQueue
from postmta_ctl.features.vmtas.schemas import PauseRequest, Vmta, VmtaCreate, VmtaSwitched, VmtaUpdate


class Vmtas(Group[R_co]):
    """What stands in the document under vMTAs."""

    @listing
    def list(self, *, limit: int | None = None, cursor: str | None = None, sort: str | None = None) -> Call[Page[Vmta]]:
        """List all vMTAs."""
        return Call("GET", "/api/v1/vmtas", Page[Vmta], query={"limit": limit, "cursor": cursor, "sort": sort})

    @operation
    def create(self, body: VmtaCreate) -> Call[Vmta]:
        """Create a virtual MTA."""
        return Call("POST", "/api/v1/vmtas", Vmta, body=body)

    @operation
    def get(self, vmta_id: str) -> Call[Vmta]:
        """Get vMTA details."""
        return Call("GET", "/api/v1/vmtas/{vmta_id}", Vmta, parts={"vmta_id": vmta_id})

    @operation
    def update(self, vmta_id: str, body: VmtaUpdate, *, if_match: str | None = None) -> Call[Vmta]:
        """Update vMTA configuration."""
        return Call(
            "PUT",
            "/api/v1/vmtas/{vmta_id}",
            Vmta,
            parts={"vmta_id": vmta_id},
            body=body,
            headers={"If-Match": if_match},
        )

    @operation
    def delete(self, vmta_id: str, *, if_match: str | None = None) -> Call[None]:
        """Delete a vMTA."""
        return Call(
            "DELETE", "/api/v1/vmtas/{vmta_id}", NoneType, parts={"vmta_id": vmta_id}, headers={"If-Match": if_match}
        )

    @operation
    def pause(self, vmta_id: str, body: PauseRequest | None = None) -> Call[VmtaSwitched]:
        """Pause vMTA sending."""
        return Call("POST", "/api/v1/vmtas/{vmta_id}/pause", VmtaSwitched, parts={"vmta_id": vmta_id}, body=body)

    @operation
    def resume(self, vmta_id: str) -> Call[VmtaSwitched]:
        """Resume vMTA sending."""
        return Call("POST", "/api/v1/vmtas/{vmta_id}/resume", VmtaSwitched, parts={"vmta_id": vmta_id})

    @operation
    def queue(self, vmta_id: str) -> Call[VmtaQueue]:
        """Get vMTA queue status."""
        return Call("GET", "/api/v1/vmtas/{vmta_id}/queue", VmtaQueue, parts={"vmta_id": vmta_id})
