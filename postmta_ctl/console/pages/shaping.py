"""``/console/shaping``: limits towards providers and domains, those of operators beside those that are maintained."""

from typing import Any

from litestar import get, post
from litestar.params import FromPath, FromQuery

from postmta_ctl.console.forms import by_field, posted, read
from postmta_ctl.console.guard import needs
from postmta_ctl.console.rendering import Confirmation, Page, confirm, page, see
from postmta_ctl.console.shaping_words import LIMITS, address_at, told
from postmta_ctl.errors import Conflict, InvalidRequest, PostMTAError, PreconditionFailed
from postmta_ctl.features.explain import service as explaining
from postmta_ctl.features.explain.schemas import Question
from postmta_ctl.features.shaping import service
from postmta_ctl.features.shaping.schemas import ShapingCreate, ShapingRule, ShapingUpdate
from postmta_ctl.store.versions import Condition, etag
from postmta_ctl.web import AnyRequest, Caller, Paging, TheSystem

READ, WRITE = needs("policy:read"), needs("policy:write")
AT = "/console/shaping"
PUBLISHED = "Nodes hold to it from the next release on."
Id = FromPath[str]


@get("/shaping", opt=READ)
async def shaping(request: AnyRequest, system: TheSystem, principal: Caller, paging: Paging) -> Page:
    """The rules of operators, and what is maintained for each provider."""
    return page(
        request,
        "shaping/list.html",
        found=await service.list_rules(system, paging),
        providers=service.providers(),
        told=told,
        may_act="policy:write" in principal.scopes,
    )


@get("/shaping/destination", opt=needs("messages:read"))
async def destination(
    *,
    request: AnyRequest,
    system: TheSystem,
    principal: Caller,
    sender: FromQuery[str] = "",
    to: FromQuery[str] = "",
    organization: FromQuery[str] = "",
) -> Page:
    """What bounds mail of a domain to another, by the release that every node should run."""
    found, errors, status = None, {}, 200
    if sender and to:
        question = Question(sender=address_at(sender), recipient=address_at(to))
        try:
            found = await explaining.explain(system, principal, question, organization or None)
        except PostMTAError as error:
            errors, status = by_field(error), error.status
    return page(
        request,
        "shaping/destination.html",
        status=status,
        found=found,
        asked={"sender": sender, "to": to, "organization": organization},
        errors=errors,
        is_operator=principal.is_operator,
    )


@get("/shaping/new", opt=WRITE)
async def new(request: AnyRequest) -> Page:
    """The form of a new rule; for a provider of the list, it begins with what is maintained."""
    target = request.query_params.get("target", "")
    known = next((one.limits.options() for one in service.providers() if one.name == target), {})
    return _new_form(request, {"kind": "provider", "target": target} | {name: str(one) for name, one in known.items()})


def _new_form(request: AnyRequest, values: dict[str, str], error: InvalidRequest | Conflict | None = None) -> Page:
    return page(
        request,
        "shaping/new.html",
        status=error.status if error else 200,
        values=values,
        limits=LIMITS,
        names=[one.name for one in service.providers()],
        errors=by_field(error) if error else {},
    )


@post("/shaping/new", opt=WRITE, status_code=200)
async def create(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Make the rule."""
    fields = await posted(request)
    try:
        made = await service.add(system, principal, read(_given(fields), ShapingCreate))
    except (InvalidRequest, Conflict) as error:
        return _new_form(request, fields, error)
    return see(request, f"{AT}/{made.id}", f"There is a rule for {made.target}. {PUBLISHED}")


@get("/shaping/{shaping_id:str}", opt=READ)
async def show(request: AnyRequest, system: TheSystem, principal: Caller, shaping_id: Id) -> Page:
    """A rule, and its limits to change."""
    return _page(request, principal.scopes, await service.get(system, shaping_id))


def _page(
    request: AnyRequest,
    scopes: frozenset[str],
    rule: ShapingRule,
    values: dict[str, str] | None = None,
    error: InvalidRequest | PreconditionFailed | None = None,
) -> Page:
    written = {name: str(one) for name, one in rule.limits.options().items()}
    return page(
        request,
        "shaping/show.html",
        status=error.status if error else 200,
        rule=rule,
        told=told(rule.limits),
        values=written | {"note": rule.note, "version": etag(rule)} if values is None else values,
        limits=LIMITS,
        may_act="policy:write" in scopes,
        errors=by_field(error) if error else {},
    )


@post("/shaping/{shaping_id:str}/change", opt=WRITE, status_code=200)
async def change(request: AnyRequest, system: TheSystem, principal: Caller, shaping_id: Id) -> Page:
    """Replace its limits."""
    fields = await posted(request)
    given = {name: value for name, value in fields.items() if name != "version"}
    try:
        data = read({"note": ""} | _given(given), ShapingUpdate)
        done = await service.update(system, principal, shaping_id, data, Condition(fields.get("version")))
    except (InvalidRequest, PreconditionFailed) as error:
        return _page(request, principal.scopes, await service.get(system, shaping_id), fields, error)
    return see(request, f"{AT}/{shaping_id}", f"The rule for {done.target} is changed. {PUBLISHED}")


@get("/shaping/{shaping_id:str}/delete", opt=WRITE)
async def ask_to_delete(request: AnyRequest, system: TheSystem, shaping_id: Id) -> Page:
    """What holds then."""
    rule = await service.get(system, shaping_id)
    whose = f" of {rule.organization}" if rule.organization else ""
    asked = Confirmation(
        title=f"Delete the rule for {rule.target}?",
        sentences=(
            f"With the next release these limits are gone for the vMTAs{whose}: {told(rule.limits)}.",
            "What holds without the rule holds again, which may be more at once than the receiver takes.",
        ),
        button="Delete the rule",
        back=f"{AT}/{shaping_id}",
    )
    return confirm(request, asked)


@post("/shaping/{shaping_id:str}/delete", opt=WRITE, status_code=200)
async def delete(request: AnyRequest, system: TheSystem, principal: Caller, shaping_id: Id) -> Page:
    """Delete it."""
    rule = await service.get(system, shaping_id)
    await service.remove(system, principal, shaping_id, Condition())
    return see(request, AT, f"The rule for {rule.target} is deleted.")


def _given(fields: dict[str, str]) -> dict[str, Any]:
    """The request out of the form, where each limit is a field of its own."""
    limits = {name: value for name, value in fields.items() if name in LIMITS}
    return {name: value for name, value in fields.items() if name not in LIMITS} | {"limits": limits}


PAGES = [shaping, destination, new, create, show, change, ask_to_delete, delete]
