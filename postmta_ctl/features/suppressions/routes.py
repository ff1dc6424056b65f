"""``/api/v1/suppressions``."""

from typing import Annotated

from litestar import Router, delete, get, post
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import Stream

from postmta_ctl.features.suppressions import files, service
from postmta_ctl.features.suppressions.queries import Filters, Reason
from postmta_ctl.features.suppressions.schemas import (
    CheckRequest,
    CheckResult,
    Imported,
    Suppression,
    SuppressionCreate,
)
from postmta_ctl.store.paging import Page
from postmta_ctl.web import AnyRequest, Caller, Paging, TheSystem, scope, sortable


@get("/", opt=scope("suppressions:read") | sortable("address", "reason"), summary="List suppressed addresses")
async def list_suppressions(
    *,
    system: TheSystem,
    principal: Caller,
    paging: Paging,
    reason: FromQuery[Reason | None] = None,
    mailbox: Annotated[str | None, QueryParameter(name="address")] = None,
    domain: FromQuery[str | None] = None,
) -> Page[Suppression]:
    """Newest first; ``domain`` keeps the addresses at exactly that domain."""
    filters = Filters(reason=reason, address=mailbox, domain=domain)
    return await service.list_suppressions(system, principal, filters, paging)


@post("/", opt=scope("suppressions:write"), summary="Suppress an address")
async def add_suppression(system: TheSystem, principal: Caller, data: JSONBody[SuppressionCreate]) -> Suppression:
    """From now on mail to it is accepted as ``suppressed`` and not sent. An address that is listed stays as it is."""
    return await service.add(system, principal, data)


@post("/check", opt=scope("suppressions:read"), status_code=200, summary="Check addresses against the list")
async def check_addresses(system: TheSystem, principal: Caller, data: JSONBody[CheckRequest]) -> CheckResult:
    """Up to 1,000 at once; they are compared without regard to case."""
    return await service.check(system, principal, data)


@post("/import", opt=scope("suppressions:write"), status_code=200, summary="Import addresses from CSV")
async def import_suppressions(request: AnyRequest, system: TheSystem, principal: Caller) -> Imported:
    """The body is the file: ``address,reason,note`` on each line, all but the address optional, a header if you like.

    Good lines are taken whatever the others are. Sending a file again does no harm.
    """
    return await files.import_csv(system, principal, request.stream())


@get(
    "/export",
    opt=scope("suppressions:read"),
    media_type="text/csv",
    summary="Export the list as CSV",
    responses={200: ResponseSpec(data_container=bytes, description="The list", media_type="text/csv")},
)
async def export_suppressions(system: TheSystem, principal: Caller) -> Stream:
    """Oldest first. Cells that a spreadsheet would take for formulas have an apostrophe before them."""
    headers = {"Content-Disposition": 'attachment; filename="suppressions.csv"'}
    return Stream(files.export_csv(system, principal), media_type="text/csv; charset=utf-8", headers=headers)


@get("/{suppression_id:str}", opt=scope("suppressions:read"), summary="Get a suppression by ID")
async def get_suppression(system: TheSystem, principal: Caller, suppression_id: FromPath[str]) -> Suppression:
    """With the message that led to it, if one did."""
    return await service.get(system, principal, suppression_id)


@delete("/{suppression_id:str}", opt=scope("suppressions:write"), summary="Remove a suppression")
async def remove_suppression(system: TheSystem, principal: Caller, suppression_id: FromPath[str]) -> None:
    """Mail that is accepted from now on goes to the address again. It does not bring back what was held."""
    await service.remove(system, principal, suppression_id)


router = Router(
    "/api/v1/suppressions",
    route_handlers=[
        list_suppressions,
        add_suppression,
        check_addresses,
        import_suppressions,
        export_suppressions,
        get_suppression,
        remove_suppression,
    ],
    tags=["Suppressions"],
)
