"""Templates into answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from litestar import Response
from litestar.datastructures import Cookie
from markupsafe import Markup

from postmta_ctl.console import filters, navigation, session
from postmta_ctl.web import AnyRequest, system_of

_FOLDER = Path(__file__).parent
ASSETS = _FOLDER / "assets"
Page = Response[str]


def page(
    request: AnyRequest, template: str, *, status: int = 200, cookies: tuple[Cookie, ...] = (), **more: Any
) -> Page:
    """A whole page: the template with the menu, the form token and the notice of the page before."""
    system, principal = system_of(request), request.scope.get("user")
    seed = session.form_seed(request)
    given = list(cookies)
    if not seed:
        seed = session.new_seed()
        given.append(session.cookie(system, session.FORM, seed))
    notice = session.notice(request)
    if notice:
        given.append(session.ended(session.NOTICE))
    shell = {
        "principal": principal,
        "menu": navigation.menu(principal, request.url.path) if principal else [],
        "notice": notice,
        "csrf": session.form_token(system, seed),
        "errors": {},
    }
    return _answer(request, template, shell | more, status=status, cookies=given)


def fragment(request: AnyRequest, template: str, *, status: int = 200, **more: Any) -> Page:
    """A part of a page, which the page itself asks for."""
    shell = {"csrf": session.form_token(system_of(request), session.form_seed(request)), "errors": {}}
    return _answer(request, template, shell | more, status=status, cookies=[])


def _answer(request: AnyRequest, template: str, context: dict[str, Any], *, status: int, cookies: list[Cookie]) -> Page:
    now = system_of(request).now()
    about = {"now": now, "here": request.url.path, "query": _query(request)}
    text = environment().get_template(template).render(about | context)
    headers = {"Cache-Control": "no-store", "Vary": "HX-Request"}
    return Response(text, status_code=status, media_type="text/html", headers=headers, cookies=cookies)


def _query(request: AnyRequest) -> dict[str, str]:
    return {name: value for name, value in request.query_params.items() if value}


def with_query(query: dict[str, str], **changes: str) -> str:
    """The query string of the same page with other parameters; an empty one is left out."""
    asked = {name: value for name, value in (query | changes).items() if value}
    return f"?{urlencode(asked)}" if asked else ""


def see(request: AnyRequest, path: str, words: str = "", *, cookies: tuple[Cookie, ...] = ()) -> Page:
    """Go on to another page, which says once what was done."""
    said = (session.notice_cookie(system_of(request), words),) if words else ()
    return Response("", status_code=303, headers={"Location": path}, media_type="text/html", cookies=[*cookies, *said])


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked before something that stops mail, removes or cannot be undone. The answer is posted to the address
    of the question."""

    title: str
    sentences: tuple[str, ...]
    """What will happen, in numbers."""
    button: str
    back: str
    """Path to go to instead."""
    fields: Mapping[str, str] = {}
    """What is posted with it."""
    ask: tuple[tuple[str, str], ...] = ()
    """Names and labels of optional lines of text, such as a reason."""
    danger: bool = True


def confirm(request: AnyRequest, asked: Confirmation, *, errors: Mapping[str, str] | None = None) -> Page:
    """The page that says what will be done, with the button that does it."""
    return page(request, "confirm.html", asked=asked, errors=errors or {}, status=422 if errors else 200)


def asset_path(name: str) -> str:
    """Where a file of the console is; the address changes with the content, so it may be kept for ever."""
    return f"{session.PATH}/assets/{name}?v={_digest(name)}"


@cache
def _digest(name: str) -> str:
    return hashlib.sha256((ASSETS / name).read_bytes()).hexdigest()[:12]


def _same(values: Iterable[str]) -> list[tuple[str, str]]:
    """Options of a choice that are called what they are."""
    return [(one, filters.words(one)) for one in values]


@pass_context
def _time(context: Context, moment: datetime | None) -> str:
    """A moment by its distance, with the whole of it in its title."""
    if moment is None:
        return filters.NOTHING
    said = filters.relative(moment, context["now"])
    return Markup('<time datetime="{}" title="{}">{}</time>').format(moment.isoformat(), filters.stamp(moment), said)


@cache
def environment() -> Environment:
    """Every value is escaped, and a name that is not there is an error instead of nothing."""
    made = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "number": filters.number,
        "percent": filters.percent,
        "octets": filters.octets,
        "stamp": filters.stamp,
        "duration": filters.duration,
        "words": filters.words,
        "tone": filters.tone,
        "json": filters.as_json,
        "pretty": filters.pretty,
        "money": filters.money,
        "time": _time,
    }
    made.globals |= {"asset": asset_path, "counted": filters.counted, "with_query": with_query, "same": _same}
    return made
