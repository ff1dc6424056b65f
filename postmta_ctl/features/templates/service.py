"""Keeping templates, and filling them in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.errors import InputError
from postmta_ctl.core.ids import new_id
from postmta_ctl.core.rendering import check_source, check_variables, render
from postmta_ctl.errors import AlreadyExists, Conflict, InvalidRequest, NotFound
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.fields import Fields
from postmta_ctl.features.templates import queries
from postmta_ctl.features.templates.queries import TemplateRow
from postmta_ctl.features.templates.schemas import (
    Preview,
    PreviewRequest,
    Template,
    TemplateContent,
    TemplateCreate,
    TemplateSummary,
    TemplateUpdate,
)
from postmta_ctl.store.paging import Page, PageRequest
from postmta_ctl.store.versions import Condition
from postmta_ctl.system import System


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """A template with its values filled in."""

    subject: str
    text: str | None
    html: str | None


def read_create(values: dict[str, Any]) -> TemplateCreate:
    """A template from elsewhere than a request, held to the same limits.

    Raises:
        msgspec.ValidationError: A value is of another type or size.
    """
    return msgspec.convert(values, TemplateCreate)


def read_update(values: dict[str, Any]) -> TemplateUpdate:
    """A next version from elsewhere than a request, held to the same limits.

    Raises:
        msgspec.ValidationError: A value is of another type or size.
    """
    return msgspec.convert(values, TemplateUpdate)


async def create(system: System, principal: Principal, data: TemplateCreate) -> Template:
    """Keep a new template.

    Raises:
        InvalidRequest: Names each part that cannot be used, and why.
        AlreadyExists: The organization has one of this name.
    """
    _check(data)
    now = system.now()
    template_id = new_id(now)
    template = {"id": template_id, "organization_id": principal.organization_id, "name": data.name, "version": 1}
    version = _version(template_id, 1, data, principal) | {"created_at": now}
    try:
        async with system.db.transaction() as connection:
            await queries.add(connection, template | {"created_at": now, "updated_at": now}, version)
            made = _shown(await queries.one(connection, principal.organization_id, template_id, None))
            await audit.record(connection, principal, "template.created", template_id, after=made, now=now)
    except IntegrityError as error:
        raise AlreadyExists("name: there is a template of this name already.") from error
    return made


async def update(
    system: System, principal: Principal, template_id: str, data: TemplateUpdate, unchanged: Condition
) -> Template:
    """Add a version. Messages that name an earlier one go on using it.

    Raises:
        InvalidRequest: Names each part that cannot be used, and why.
        NotFound: The organization has no such template.
        Conflict: ``version_conflict``: somebody else has added a version in the meantime.
        PreconditionFailed: The newest version is another than the caller knows.
    """
    _check(data)
    now = system.now()
    async with system.db.transaction() as connection:
        before = await _locked(connection, principal, template_id)
        unchanged.require(before)
        if data.based_on not in (None, before.version):
            raise Conflict(f"The newest version is {before.version}.", code="version_conflict")
        version = _version(template_id, before.version + 1, data, principal) | {"created_at": now}
        await queries.add_version(connection, version, now)
        after = _shown(await queries.one(connection, principal.organization_id, template_id, None))
        await audit.record(connection, principal, "template.updated", template_id, before=before, after=after, now=now)
    return after


async def _locked(connection: AsyncConnection, principal: Principal, template_id: str) -> Template:
    """The newest version, which nobody else follows by another until the transaction ends."""
    await queries.lock(connection, principal.organization_id, template_id)
    return _shown(await queries.one(connection, principal.organization_id, template_id, None))


def _shown(row: TemplateRow | None) -> Template:
    if row is None:
        raise NotFound("There is no such template.")
    return msgspec.convert(row, Template, from_attributes=True)


def _version(template_id: str, number: int, data: TemplateContent, principal: Principal) -> dict[str, Any]:
    return {
        "template_id": template_id,
        "version": number,
        "subject": data.subject,
        "text": data.text,
        "html": data.html,
        "author": principal.name,
    }


def _check(data: TemplateContent) -> None:
    problems = Fields()
    if not data.text and not data.html:
        problems.refuse("text", "a template needs text or html", code="content_missing")
    for field, source in (("subject", data.subject), ("text", data.text), ("html", data.html)):
        try:
            check_source(field, source or "", is_html=field == "html")
        except InputError as error:
            problems.refuse(field, error.message, code=error.code)
    problems.done()


async def list_templates(system: System, principal: Principal, paging: PageRequest) -> Page[TemplateSummary]:
    """The organization's templates, newest first."""
    async with system.db.reading() as connection:
        rows = await queries.page(connection, principal.organization_id, paging)
    return paging.page([msgspec.convert(row, TemplateSummary, from_attributes=True) for row in rows])


async def get(system: System, principal: Principal, template_id: str, version: int | None) -> Template:
    """One version; the newest if none is named.

    Raises:
        NotFound: The organization has no such template, or it has no such version.
    """
    async with system.db.reading() as connection:
        return _shown(await queries.one(connection, principal.organization_id, template_id, version))


async def versions(system: System, principal: Principal, template_id: str) -> list[Template]:
    """All versions, newest first.

    Raises:
        NotFound: The organization has no such template.
    """
    async with system.db.reading() as connection:
        rows = await queries.versions(connection, principal.organization_id, template_id)
    if not rows:
        raise NotFound("There is no such template.")
    return [_shown(row) for row in rows]


async def remove(system: System, principal: Principal, template_id: str, unchanged: Condition) -> None:
    """Delete a template with all its versions. What was sent by it stays as it was.

    Raises:
        NotFound: The organization has no such template.
        PreconditionFailed: The newest version is another than the caller knows.
    """
    async with system.db.transaction() as connection:
        before = await _locked(connection, principal, template_id)
        unchanged.require(before)
        await queries.remove(connection, principal.organization_id, template_id)
        await audit.record(connection, principal, "template.deleted", template_id, before=before, now=system.now())


async def preview(system: System, principal: Principal, template_id: str, data: PreviewRequest) -> Preview:
    """What would be sent with these values.

    Raises:
        NotFound: The organization has no such template, or it has no such version.
        InvalidRequest: A value is missing, or they are too many.
    """
    async with system.db.reading() as connection:
        row = await queries.one(connection, principal.organization_id, template_id, data.version)
    if row is None:
        raise NotFound("There is no such template.")
    filled = fill(row, data.variables)
    return Preview(version=row.version, subject=filled.subject, text=filled.text, html=filled.html)


async def find(
    connection: AsyncConnection, organization_id: str, template_id: str, version: int | None
) -> TemplateRow | None:
    """A version of the organization's template; the newest if none is named."""
    return await queries.one(connection, organization_id, template_id, version)


def fill(row: TemplateRow, variables: Mapping[str, Any]) -> Filled:
    """Fill in a template. Pure.

    Raises:
        InvalidRequest: A value is missing, they are too many, or the result is too large.
    """
    try:
        check_variables(variables)
        return Filled(
            subject=render("subject", row.subject, variables),
            text=None if row.text is None else render("text", row.text, variables),
            html=None if row.html is None else render("html", row.html, variables, is_html=True),
        )
    except InputError as error:
        raise InvalidRequest.of(error.field, error.message, code=error.code) from None
