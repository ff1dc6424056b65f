"""From requests to messages: templates are filled in, the rest is composed. Each request by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

import msgspec

from postmta_ctl.errors import InvalidRequest, PostMTAError
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.messages.compose import NewMessage, new_message
from postmta_ctl.features.messages.schemas import SendRequest
from postmta_ctl.features.templates.queries import TemplateRow
from postmta_ctl.features.templates.service import fill, find
from postmta_ctl.system import System

Known = dict[tuple[str, int | None], TemplateRow | None]
Request = SendRequest | PostMTAError


async def composed(
    system: System, principal: Principal, requests: Sequence[Request]
) -> list[NewMessage | PostMTAError]:
    """A message for each request, or what is wrong with it; errors among the requests stay what they are."""
    now = system.now()
    known = await _templates(system, principal, requests)
    if not known:
        return [_composed(one, known, now) for one in requests]
    # Filling in a hundred templates takes time that other requests should not wait for.
    return await asyncio.to_thread(lambda: [_composed(one, known, now) for one in requests])


async def _templates(system: System, principal: Principal, requests: Sequence[Request]) -> Known:
    """The templates that are named, each looked up once."""
    named = [one for one in requests if isinstance(one, SendRequest)]
    keys = {(one.template_id, one.template_version) for one in named if one.template_id is not None}
    if not keys:
        return {}
    async with system.db.reading() as connection:
        return {key: await find(connection, principal.organization_id, *key) for key in keys}


def _composed(request: Request, known: Known, now: datetime) -> NewMessage | PostMTAError:
    if isinstance(request, PostMTAError):
        return request
    try:
        return new_message(_filled(request, known), now)
    except PostMTAError as error:
        return error


def _filled(request: SendRequest, known: Known) -> SendRequest:
    if request.template_id is None:
        if request.variables or request.template_version is not None:
            raise InvalidRequest.of("template_id", "is needed for variables", code="template_missing")
        return request
    if request.subject or request.text or request.html:
        raise InvalidRequest.of("template_id", "the template gives subject and bodies", code="template_conflict")
    row = known[request.template_id, request.template_version]
    if row is None:
        raise InvalidRequest.of("template_id", "there is no such template or version", code="template_unknown")
    filled = fill(row, request.variables)
    return msgspec.structs.replace(request, subject=filled.subject, text=filled.text, html=filled.html)
