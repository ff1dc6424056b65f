"""``/api/v1/domains``."""

from litestar import Response, Router, delete, get, post, put
from litestar.params import FromPath, JSONBody

from postmta_ctl.features.domains import bimi, rotation, service, verification
from postmta_ctl.features.domains.schemas import (
    BimiUpdate,
    DkimRotation,
    Domain,
    DomainCreate,
    DomainUpdate,
    RotateDkim,
)
from postmta_ctl.store.paging import Page
from postmta_ctl.web import Caller, Paging, TheSystem, Unchanged, scope, sortable, tagged


@post("/", opt=scope("domains:write"), summary="Create domain with DKIM key generation")
async def create_domain(system: TheSystem, principal: Caller, data: JSONBody[DomainCreate]) -> Domain:
    """The answer lists the DNS records to publish; mail is refused until they are verified."""
    return await service.create(system, principal, data)


@get("/", opt=scope("domains:read") | sortable("domain", "status"), summary="List all domains")
async def list_domains(system: TheSystem, principal: Caller, paging: Paging) -> Page[Domain]:
    """Newest first."""
    return await service.list_domains(system, principal, paging)


@get("/{domain_id:str}", opt=scope("domains:read"), summary="Get domain details")
async def get_domain(system: TheSystem, principal: Caller, domain_id: FromPath[str]) -> Response[Domain]:
    """With its DNS records and what the last verification found."""
    return tagged(await service.get(system, principal, domain_id))


@put("/{domain_id:str}", opt=scope("domains:write"), summary="Update the settings of a domain")
async def update_domain(
    system: TheSystem, principal: Caller, domain_id: FromPath[str], data: JSONBody[DomainUpdate], unchanged: Unchanged
) -> Response[Domain]:
    """Fields that are absent stay as they are."""
    return tagged(await service.update(system, principal, domain_id, data, unchanged))


@put("/{domain_id:str}/bimi", opt=scope("domains:write"), summary="Update BIMI configuration")
async def update_bimi(
    system: TheSystem, principal: Caller, domain_id: FromPath[str], data: JSONBody[BimiUpdate], unchanged: Unchanged
) -> Response[Domain]:
    """Makes the record to publish, and checks the logo (SVG Tiny PS), the certificate and the DMARC policy.

    What is found wrong is said in the answer, and does not keep the configuration from being stored.
    """
    return tagged(await bimi.update(system, principal, domain_id, data, unchanged))


@post("/{domain_id:str}/verify", opt=scope("domains:write"), status_code=200, summary="Verify domain DNS configuration")
async def verify_domain(system: TheSystem, principal: Caller, domain_id: FromPath[str]) -> Response[Domain]:
    """Looks every record up now. A look-up that fails never takes a verification back."""
    return tagged(await verification.verify(system, principal, domain_id))


@post("/{domain_id:str}/rotate-dkim", opt=scope("domains:write"), status_code=202, summary="Rotate DKIM keys")
async def rotate_dkim(
    system: TheSystem, principal: Caller, domain_id: FromPath[str], data: JSONBody[RotateDkim | None] = None
) -> DkimRotation:
    """Makes new keys and says which records to publish. Once they are found, mail is signed with them; the old records
    stay until nothing needs them. At no moment is mail unsigned, or signed with a key that is not in DNS."""
    return await rotation.start(system, principal, domain_id, data or RotateDkim())


@get("/{domain_id:str}/dkim-rotation", opt=scope("domains:read"), summary="Get the last rotation of DKIM keys")
async def get_dkim_rotation(system: TheSystem, principal: Caller, domain_id: FromPath[str]) -> DkimRotation:
    """Its steps, and what to do with each record."""
    return await rotation.show(system, principal, domain_id)


@delete(
    "/{domain_id:str}/dkim-rotation",
    opt=scope("domains:write"),
    status_code=200,
    summary="Cancel a rotation of DKIM keys",
)
async def cancel_dkim_rotation(system: TheSystem, principal: Caller, domain_id: FromPath[str]) -> DkimRotation:
    """Refused with 409 once mail is signed with the new keys."""
    return await rotation.cancel(system, principal, domain_id)


@delete("/{domain_id:str}", opt=scope("domains:write"), summary="Delete a domain")
async def delete_domain(system: TheSystem, principal: Caller, domain_id: FromPath[str], unchanged: Unchanged) -> None:
    """Refused with 409 while accepted mail from it waits for a node. Its DKIM keys are gone for good."""
    await service.delete(system, principal, domain_id, unchanged)


router = Router(
    "/api/v1/domains",
    route_handlers=[
        create_domain,
        list_domains,
        get_domain,
        update_domain,
        update_bimi,
        verify_domain,
        rotate_dkim,
        get_dkim_rotation,
        cancel_dkim_rotation,
        delete_domain,
    ],
    tags=["Domains"],
)
