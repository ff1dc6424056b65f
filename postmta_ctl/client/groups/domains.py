"""Domains."""

from __future__ import annotations

from types import NoneType

from postmta_ctl.client.calls import Call, Group, Page, R_co, listing, operation
from postmta_ctl.features.domains.schemas import (
    BimiUpdate,
    DkimRotation,
    Domain,
    DomainCreate,
    DomainUpdate,
    RotateDkim,
)


class Domains(Group[R_co]):
    """What stands in the document under Domains."""

    @listing
    def list(
        self, *, limit: int | None = None, cursor: str | None = None, sort: str | None = None
    ) -> Call[Page[Domain]]:
        """List all domains."""
        return Call("GET", "/api/v1/domains", Page[Domain], query={"limit": limit, "cursor": cursor, "sort": sort})

    @operation
    def create(self, body: DomainCreate) -> Call[Domain]:
        """Create domain with DKIM key generation."""
        return Call("POST", "/api/v1/domains", Domain, body=body)

    @operation
    def get(self, domain_id: str) -> Call[Domain]:
        """Get domain details."""
        return Call("GET", "/api/v1/domains/{domain_id}", Domain, parts={"domain_id": domain_id})

    @operation
    def update(self, domain_id: str, body: DomainUpdate, *, if_match: str | None = None) -> Call[Domain]:
        """Update the settings of a domain."""
        return Call(
            "PUT",
            "/api/v1/domains/{domain_id}",
            Domain,
            parts={"domain_id": domain_id},
            body=body,
            headers={"If-Match": if_match},
        )

    @operation
    def delete(self, domain_id: str, *, if_match: str | None = None) -> Call[None]:
        """Delete a domain."""
        return Call(
            "DELETE",
            "/api/v1/domains/{domain_id}",
            NoneType,
            parts={"domain_id": domain_id},
            headers={"If-Match": if_match},
        )

    @operation
    def update_bimi(self, domain_id: str, body: BimiUpdate, *, if_match: str | None = None) -> Call[Domain]:
        """Update BIMI configuration."""
        return Call(
            "PUT",
            "/api/v1/domains/{domain_id}/bimi",
            Domain,
            parts={"domain_id": domain_id},
            body=body,
            headers={"If-Match": if_match},
        )

    @operation
    def verify(self, domain_id: str) -> Call[Domain]:
        """Verify domain DNS configuration."""
        return Call("POST", "/api/v1/domains/{domain_id}/verify", Domain, parts={"domain_id": domain_id})

    @operation
    def rotate_dkim(self, domain_id: str, body: RotateDkim | None = None) -> Call[DkimRotation]:
        """Rotate DKIM keys."""
        return Call(
            "POST", "/api/v1/domains/{domain_id}/rotate-dkim", DkimRotation, parts={"domain_id": domain_id}, body=body
        )

    @operation
    def get_dkim_rotation(self, domain_id: str) -> Call[DkimRotation]:
        """Get the last rotation of DKIM keys."""
        return Call("GET", "/api/v1/domains/{domain_id}/dkim-rotation", DkimRotation, parts={"domain_id": domain_id})

    @operation
    def cancel_dkim_rotation(self, domain_id: str) -> Call[DkimRotation]:
        """Cancel a rotation of DKIM keys."""
        return Call("DELETE", "/api/v1/domains/{domain_id}/dkim-rotation", DkimRotation, parts={"domain_id": domain_id})
