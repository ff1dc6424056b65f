"""vMTAs."""

from __future__ import annotations

from types import NoneType

from postmta_ctl.client.calls import Call, Group, Page, R_co, listing, operation
from postmta_ctl.features.ips.schemas import Ip, IpCreate, IpUpdate


class Addresses(Group[R_co]):
    """What stands in the document under vMTAs."""

    @listing
    def list(self, *, limit: int | None = None, cursor: str | None = None, sort: str | None = None) -> Call[Page[Ip]]:
        """List IP addresses."""
        return Call("GET", "/api/v1/ips", Page[Ip], query={"limit": limit, "cursor": cursor, "sort": sort})

    @operation
    def add(self, body: IpCreate) -> Call[Ip]:
        """List an IP address of the installation."""
        return Call("POST", "/api/v1/ips", Ip, body=body)

    @operation
    def get(self, ip_id: str) -> Call[Ip]:
        """Get an IP address."""
        return Call("GET", "/api/v1/ips/{ip_id}", Ip, parts={"ip_id": ip_id})

    @operation
    def update(self, ip_id: str, body: IpUpdate, *, if_match: str | None = None) -> Call[Ip]:
        """Assign, share or reserve an IP address."""
        return Call("PUT", "/api/v1/ips/{ip_id}", Ip, parts={"ip_id": ip_id}, body=body, headers={"If-Match": if_match})

    @operation
    def remove(self, ip_id: str, *, if_match: str | None = None) -> Call[None]:
        """Take an IP address off the list."""
        return Call("DELETE", "/api/v1/ips/{ip_id}", NoneType, parts={"ip_id": ip_id}, headers={"If-Match": if_match})
