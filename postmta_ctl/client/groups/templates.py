"""Templates."""

from __future__ import annotations

from types import NoneType

from postmta_ctl.client.calls import Call, Group, Page, R_co, listing, operation
from postmta_ctl.features.templates.schemas import (
    Preview,
    PreviewRequest,
    Template,
    TemplateCreate,
    TemplateSummary,
    TemplateUpdate,
)

Versions = list[Template]
"""Within the class, ``list`` is an operation."""


class Templates(Group[R_co]):
    """What stands in the document under Templates."""

    @listing
    def list(
        self, *, limit: int | None = None, cursor: str | None = None, sort: str | None = None
    ) -> Call[Page[TemplateSummary]]:
        """List templates."""
        return Call(
            "GET", "/api/v1/templates", Page[TemplateSummary], query={"limit": limit, "cursor": cursor, "sort": sort}
        )

    @operation
    def create(self, body: TemplateCreate) -> Call[Template]:
        """Create a template."""
        return Call("POST", "/api/v1/templates", Template, body=body)

    @operation
    def get(self, template_id: str) -> Call[Template]:
        """Get a template."""
        return Call("GET", "/api/v1/templates/{template_id}", Template, parts={"template_id": template_id})

    @operation
    def update(self, template_id: str, body: TemplateUpdate, *, if_match: str | None = None) -> Call[Template]:
        """Add a version to a template."""
        return Call(
            "PUT",
            "/api/v1/templates/{template_id}",
            Template,
            parts={"template_id": template_id},
            body=body,
            headers={"If-Match": if_match},
        )

    @operation
    def delete(self, template_id: str, *, if_match: str | None = None) -> Call[None]:
        """Delete a template."""
        return Call(
            "DELETE",
            "/api/v1/templates/{template_id}",
            NoneType,
            parts={"template_id": template_id},
            headers={"If-Match": if_match},
        )

    @operation
    def list_versions(self, template_id: str) -> Call[Versions]:
        """List the versions of a template."""
        return Call(
            "GET", "/api/v1/templates/{template_id}/versions", list[Template], parts={"template_id": template_id}
        )

    @operation
    def get_version(self, template_id: str, version: int) -> Call[Template]:
        """Get a version of a template."""
        return Call(
            "GET",
            "/api/v1/templates/{template_id}/versions/{version}",
            Template,
            parts={"template_id": template_id, "version": version},
        )

    @operation
    def preview(self, template_id: str, body: PreviewRequest) -> Call[Preview]:
        """Preview a template."""
        return Call(
            "POST", "/api/v1/templates/{template_id}/preview", Preview, parts={"template_id": template_id}, body=body
        )
