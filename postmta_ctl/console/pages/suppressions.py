"""``/console/suppressions``: addresses that get no mail."""

from collections.abc import AsyncIterator

from litestar import get, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath, FromQuery
from litestar.response import Stream

from postmta_ctl.console.forms import by_field, posted, read
from postmta_ctl.console.guard import needs
from postmta_ctl.console.rendering import Confirmation, Page, confirm, page, see
from postmta_ctl.errors import InvalidRequest
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.suppressions import files, service
from postmta_ctl.features.suppressions.queries import Filters, Reason
from postmta_ctl.features.suppressions.schemas import SuppressionCreate
from postmta_ctl.store.paging import PageRequest
from postmta_ctl.system import System
from postmta_ctl.web import AnyRequest, Caller, Paging, TheSystem

READ, WRITE = needs("suppressions:read"), needs("suppressions:write")
AT = "/console/suppressions"
REASONS: tuple[Reason, ...] = ("manual", "hard_bounce", "complaint", "unsubscribe")
Text = FromQuery[str]


@get("/suppressions", opt=READ)
async def suppressions(
    *,
    request: AnyRequest,
    system: TheSystem,
    principal: Caller,
    paging: Paging,
    address: Text = "",
    domain: Text = "",
    reason: Text = "",
) -> Page:
    """The list, or what a search finds of it."""
    asked = {"address": address.strip(), "domain": domain.strip(), "reason": reason}
    return await _list(request, system, principal, paging, asked)


async def _list(
    request: AnyRequest,
    system: System,
    principal: Principal,
    paging: PageRequest,
    asked: dict[str, str],
    values: dict[str, str] | None = None,
    error: InvalidRequest | None = None,
) -> Page:
    reason = next((one for one in REASONS if one == asked["reason"]), None)
    wanted = Filters(reason=reason, address=asked["address"] or None, domain=asked["domain"] or None)
    found = None
    try:
        found = await service.list_suppressions(system, principal, wanted, paging)
    except InvalidRequest as wrong:
        error = error or wrong
    return page(
        request,
        "suppressions/list.html",
        status=error.status if error else 200,
        found=found,
        asked=asked,
        reasons=REASONS,
        values=values or {},
        may_act="suppressions:write" in principal.scopes,
        errors=by_field(error) if error else {},
    )


@get("/suppressions/export", opt=READ, media_type="text/csv")
async def export(system: TheSystem, principal: Caller) -> Stream:
    """The whole list as a file."""
    headers = {"Content-Disposition": 'attachment; filename="suppressions.csv"'}
    return Stream(files.export_csv(system, principal), media_type="text/csv; charset=utf-8", headers=headers)


@post("/suppressions", opt=WRITE, status_code=200)
async def add(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Put an address on the list."""
    fields = await posted(request)
    try:
        made = await service.add(system, principal, read(fields, SuppressionCreate))
    except InvalidRequest as error:
        asked = {"address": "", "domain": "", "reason": ""}
        return await _list(request, system, principal, PageRequest(), asked, fields, error)
    return see(request, AT, f"{made.address} gets no more mail.")


@post("/suppressions/import", opt=WRITE, status_code=200)
async def import_file(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Take the addresses of a CSV file."""
    given = (await request.form()).get("file")
    if not isinstance(given, UploadFile):
        raise InvalidRequest.of("file", "choose a file")
    taken = await files.import_csv(system, principal, _parts(given))
    return page(request, "suppressions/imported.html", taken=taken, name=given.filename)


async def _parts(file: UploadFile) -> AsyncIterator[bytes]:
    while part := await file.read(65536):
        yield part


@get("/suppressions/{suppression_id:str}/remove", opt=WRITE)
async def ask_to_remove(
    request: AnyRequest, system: TheSystem, principal: Caller, suppression_id: FromPath[str]
) -> Page:
    """What removing means."""
    one = await service.get(system, principal, suppression_id)
    asked = Confirmation(
        title=f"Send to {one.address} again?",
        sentences=(
            f"It is on the list for {one.reason.replace('_', ' ')}. Mail accepted from now on goes to it.",
            "What was held back stays so.",
        ),
        button="Take it off the list",
        back=AT,
    )
    return confirm(request, asked)


@post("/suppressions/{suppression_id:str}/remove", opt=WRITE, status_code=200)
async def remove(request: AnyRequest, system: TheSystem, principal: Caller, suppression_id: FromPath[str]) -> Page:
    """Take it off."""
    one = await service.get(system, principal, suppression_id)
    await service.remove(system, principal, suppression_id)
    return see(request, AT, f"{one.address} is off the list.")


PAGES = [suppressions, export, add, import_file, ask_to_remove, remove]
