"""``/console/templates``: stored subjects and bodies in their versions, with what they come to."""

from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from postmta_ctl.console.forms import by_field, posted, read
from postmta_ctl.console.guard import POLICY_OF_STRANGERS, needs
from postmta_ctl.console.rendering import Confirmation, Page, confirm, page, see
from postmta_ctl.errors import Conflict, InvalidRequest
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.templates import service
from postmta_ctl.features.templates.schemas import PreviewRequest, TemplateCreate, TemplateUpdate
from postmta_ctl.store.versions import Condition
from postmta_ctl.system import System
from postmta_ctl.web import AnyRequest, Caller, Paging, TheSystem

READ, WRITE = needs("templates:read"), needs("templates:write")
AT = "/console/templates"
Id = FromPath[str]


@get("/templates", opt=READ)
async def templates(request: AnyRequest, system: TheSystem, principal: Caller, paging: Paging) -> Page:
    """The organization's templates."""
    found = await service.list_templates(system, principal, paging)
    return page(request, "templates/list.html", found=found, may_act="templates:write" in principal.scopes)


@get("/templates/new", opt=WRITE)
async def new(request: AnyRequest) -> Page:
    """The form of a new template."""
    return page(request, "templates/new.html", values={})


@post("/templates/new", opt=WRITE, status_code=200)
async def create(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Keep it as version 1."""
    fields = await posted(request)
    try:
        made = await service.create(system, principal, read(fields, TemplateCreate))
    except (InvalidRequest, Conflict) as error:
        return page(request, "templates/new.html", status=error.status, values=fields, errors=by_field(error))
    return see(request, f"{AT}/{made.id}", f"{made.name} is kept.")


@get("/templates/{template_id:str}", opt=READ)
async def show(
    *,
    request: AnyRequest,
    system: TheSystem,
    principal: Caller,
    template_id: Id,
    version: FromQuery[int | None] = None,
    variables: FromQuery[str] = "{}",
) -> Page:
    """A version, the form of the next, and what it comes to with some values."""
    return await _page(request, system, principal, template_id, version, variables)


async def _page(
    request: AnyRequest,
    system: System,
    principal: Principal,
    template_id: str,
    version: int | None = None,
    variables: str = "{}",
    values: dict[str, str] | None = None,
    error: InvalidRequest | Conflict | None = None,
) -> Page:
    template = await service.get(system, principal, template_id, version)
    preview = None
    errors = by_field(error) if error else {}
    try:
        preview = await service.preview(system, principal, template_id, _filled(variables, template.version))
    except InvalidRequest as wrong:
        errors = errors or {"variables": wrong.detail}
    kept = {"subject": template.subject, "text": template.text or "", "html": template.html or ""}
    return page(
        request,
        "templates/show.html",
        status=error.status if error else 422 if "variables" in errors and variables != "{}" else 200,
        shown=template,
        versions=await service.versions(system, principal, template_id),
        preview=preview,
        variables=variables,
        values=kept if values is None else values,
        may_act="templates:write" in principal.scopes,
        errors=errors,
    )


def _filled(variables: str, version: int | None) -> PreviewRequest:
    try:
        given = msgspec.json.decode(variables, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise InvalidRequest.of("variables", f"is no JSON object: {error}") from None
    return PreviewRequest(variables=given, version=version)


@get("/templates/{template_id:str}/preview", opt=READ | POLICY_OF_STRANGERS, media_type="text/html")
async def preview_html(
    *,
    system: TheSystem,
    principal: Caller,
    template_id: Id,
    version: FromQuery[int | None] = None,
    variables: FromQuery[str] = "{}",
) -> Response[str]:
    """The HTML body alone, for the frame of the page: nothing in it runs or calls anywhere."""
    made = await service.preview(system, principal, template_id, _filled(variables, version))
    return Response(made.html or "", media_type="text/html", headers={"Cache-Control": "no-store"})


@post("/templates/{template_id:str}", opt=WRITE, status_code=200)
async def update(request: AnyRequest, system: TheSystem, principal: Caller, template_id: Id) -> Page:
    """Keep the next version."""
    fields = await posted(request)
    try:
        made = await service.update(system, principal, template_id, read(fields, TemplateUpdate), Condition())
    except (InvalidRequest, Conflict) as error:
        return await _page(request, system, principal, template_id, values=fields, error=error)
    return see(request, f"{AT}/{template_id}", f"Version {made.version} is kept, and sent from now on.")


@get("/templates/{template_id:str}/delete", opt=WRITE)
async def ask_to_delete(request: AnyRequest, system: TheSystem, principal: Caller, template_id: Id) -> Page:
    """What is lost."""
    one = await service.get(system, principal, template_id, None)
    asked = Confirmation(
        title=f"Delete {one.name}?",
        sentences=(f"All {one.latest_version} versions are gone. Requests that name it are refused.",),
        button="Delete the template",
        back=f"{AT}/{template_id}",
    )
    return confirm(request, asked)


@post("/templates/{template_id:str}/delete", opt=WRITE, status_code=200)
async def delete(request: AnyRequest, system: TheSystem, principal: Caller, template_id: Id) -> Page:
    """Delete it."""
    await service.remove(system, principal, template_id, Condition())
    return see(request, AT, "The template is deleted.")


PAGES = [templates, new, create, show, preview_html, update, ask_to_delete, delete]
