"""``/api/v1/templates``."""

from litestar import Response, Router, delete, get, post, put
from litestar.params import FromPath, JSONBody

from postmta_ctl.features.templates import service
from postmta_ctl.features.templates.schemas import (
    Preview,
    PreviewRequest,
    Template,
    TemplateCreate,
    TemplateSummary,
    TemplateUpdate,
)
from postmta_ctl.store.paging import Page
from postmta_ctl.web import Caller, Paging, TheSystem, Unchanged, scope, sortable, tagged


@post("/", opt=scope("templates:write"), summary="Create a template")
async def create_template(system: TheSystem, principal: Caller, data: JSONBody[TemplateCreate]) -> Template:
    """Jinja's notation without calls, arithmetic, assignments and loops within loops."""
    return await service.create(system, principal, data)


@get("/", opt=scope("templates:read") | sortable("name", "updated_at"), summary="List templates")
async def list_templates(system: TheSystem, principal: Caller, paging: Paging) -> Page[TemplateSummary]:
    """Newest first."""
    return await service.list_templates(system, principal, paging)


@get("/{template_id:str}", opt=scope("templates:read"), summary="Get a template")
async def get_template(system: TheSystem, principal: Caller, template_id: FromPath[str]) -> Response[Template]:
    """In its newest version, which the ``ETag`` names; see ``If-Match`` of the changes."""
    return tagged(await service.get(system, principal, template_id, None))


@put("/{template_id:str}", opt=scope("templates:write"), summary="Add a version to a template")
async def update_template(
    system: TheSystem,
    principal: Caller,
    template_id: FromPath[str],
    data: JSONBody[TemplateUpdate],
    unchanged: Unchanged,
) -> Response[Template]:
    """Versions never change: this adds one. Name the one you edited in ``based_on`` to overwrite nobody's work."""
    return tagged(await service.update(system, principal, template_id, data, unchanged))


@delete("/{template_id:str}", opt=scope("templates:write"), summary="Delete a template")
async def delete_template(
    system: TheSystem, principal: Caller, template_id: FromPath[str], unchanged: Unchanged
) -> None:
    """With all its versions. What was sent by it stays as it was."""
    await service.remove(system, principal, template_id, unchanged)


@get("/{template_id:str}/versions", opt=scope("templates:read"), summary="List the versions of a template")
async def list_versions(system: TheSystem, principal: Caller, template_id: FromPath[str]) -> list[Template]:
    """Newest first."""
    return await service.versions(system, principal, template_id)


@get("/{template_id:str}/versions/{version:int}", opt=scope("templates:read"), summary="Get a version of a template")
async def get_version(
    system: TheSystem, principal: Caller, template_id: FromPath[str], version: FromPath[int]
) -> Template:
    """As it was made."""
    return await service.get(system, principal, template_id, version)


@post("/{template_id:str}/preview", opt=scope("templates:read"), status_code=200, summary="Preview a template")
async def preview_template(
    system: TheSystem, principal: Caller, template_id: FromPath[str], data: JSONBody[PreviewRequest]
) -> Preview:
    """With these values filled in. Nothing is sent."""
    return await service.preview(system, principal, template_id, data)


router = Router(
    "/api/v1/templates",
    route_handlers=[
        create_template,
        list_templates,
        get_template,
        update_template,
        delete_template,
        list_versions,
        get_version,
        preview_template,
    ],
    tags=["Templates"],
)
