"""``/console/policy/scenarios``: what the policy must do with certain messages, and whether it does."""

from collections.abc import Sequence
from typing import Any

from litestar import get, post
from litestar.params import FromPath

from postmta_ctl.console import scenario_text
from postmta_ctl.console.forms import by_field, posted, read
from postmta_ctl.console.guard import needs
from postmta_ctl.console.rendering import Confirmation, Page, confirm, fragment, page, see
from postmta_ctl.errors import InvalidRequest, NotFound, PreconditionFailed
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.policy import service as policy
from postmta_ctl.features.policy.proofs import Proof
from postmta_ctl.features.policy.scenarios import service
from postmta_ctl.features.policy.scenarios.schemas import Scenarios, ScenariosUpdate
from postmta_ctl.store.versions import Condition, etag
from postmta_ctl.system import System
from postmta_ctl.web import AnyRequest, Caller, TheSystem

READ, WRITE = needs("policy:read"), needs("policy:write")
AT = "/console/policy/scenarios"
Index = FromPath[int]


@get("/policy/scenarios", opt=READ)
async def scenarios(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """All of them, with how each ended when the newest release was proved."""
    found = await service.get(system)
    newest = (await policy.list_releases(system, limit=1, cursor=None)).data
    proofs = (await policy.get_release(system, newest[0].number)).proofs if newest else []
    is_older = bool(newest and found.updated_at and newest[0].created_at < found.updated_at)
    may_act = "policy:write" in principal.scopes
    context = _results(found, proofs) | {"release": newest[0] if newest else None, "is_older": is_older}
    return page(request, "scenarios/list.html", may_act=may_act, **context)


@get("/policy/scenarios/run", opt=READ)
async def run(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """The same, by the policy as it is configured now."""
    found, checked = await service.get(system), await policy.check(system)
    may_act = "policy:write" in principal.scopes
    context = _results(found, checked.proofs) | {"release": None, "is_older": False}
    return fragment(request, "scenarios/results.html", may_act=may_act, **context)


def _results(found: Scenarios, proofs: Sequence[Proof]) -> dict[str, Any]:
    proof = next((one for one in proofs if one.name == "scenarios"), None)
    failed = [one.name for one in proofs if one.ok is False and one.name != "scenarios"]
    problems: dict[str, list[str]] = {}
    for one in proof.findings if proof else ():
        problems.setdefault(one.where.removeprefix("scenario "), []).append(one.message)
    return {
        "found": found,
        "message": scenario_text.message,
        "expected": scenario_text.expected,
        "is_tried": proof is not None and proof.ok is not None,
        "failed": failed,
        "problems": problems,
        "in_pieces": scenario_text.pieces(found.toml) is not None,
    }


@get("/policy/scenarios/new", opt=WRITE)
async def new(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """The form of one more."""
    example = scenario_text.EXAMPLE.format(organization=principal.organization)
    return _form(request, await service.get(system), "Add a scenario", example)


@get("/policy/scenarios/text", opt=WRITE)
async def whole(request: AnyRequest, system: TheSystem) -> Page:
    """All of them, as one text."""
    found = await service.get(system)
    return _form(request, found, "All scenarios", found.toml)


@get("/policy/scenarios/{index:int}", opt=WRITE)
async def one(request: AnyRequest, system: TheSystem, index: Index) -> Page:
    """The form of one."""
    found = await service.get(system)
    piece = _piece(found, index)
    return _form(request, found, found.scenarios[index].name, piece, index=index)


def _form(
    request: AnyRequest,
    found: Scenarios,
    title: str,
    text: str,
    *,
    index: int | None = None,
    version: str = "",
    error: InvalidRequest | PreconditionFailed | None = None,
) -> Page:
    return page(
        request,
        "scenarios/form.html",
        status=error.status if error else 200,
        title=title,
        text=text,
        index=index,
        # Of a list that somebody else changed meanwhile it stays the old one, so that nothing of theirs is lost.
        version=version or etag(found),
        errors=by_field(error) if error else {},
    )


def _piece(found: Scenarios, index: int) -> str:
    pieces = scenario_text.pieces(found.toml) or []
    if index >= len(pieces):
        raise NotFound("There is no such scenario.")
    return pieces[index]


@post("/policy/scenarios/new", opt=WRITE, status_code=200)
async def add(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Keep it behind the others."""
    fields, found = await posted(request), await service.get(system)
    text = fields.get("toml", "")
    try:
        await _keep(system, principal, scenario_text.added(found.toml, text), fields)
    except (InvalidRequest, PreconditionFailed) as error:
        return _form(request, found, "Add a scenario", text, version=fields.get("version", ""), error=error)
    return see(request, AT, "The scenario is kept, and tried before each publication.")


@post("/policy/scenarios/text", opt=WRITE, status_code=200)
async def replace(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Replace them all."""
    fields = await posted(request)
    text = fields.get("toml", "")
    try:
        kept = await _keep(system, principal, text, fields)
    except (InvalidRequest, PreconditionFailed) as error:
        found, version = await service.get(system), fields.get("version", "")
        return _form(request, found, "All scenarios", text, version=version, error=error)
    return see(request, AT, f"{len(kept.scenarios)} scenarios are kept, and tried before each publication.")


@post("/policy/scenarios/{index:int}", opt=WRITE, status_code=200)
async def change(request: AnyRequest, system: TheSystem, principal: Caller, index: Index) -> Page:
    """Replace one."""
    fields, found = await posted(request), await service.get(system)
    _piece(found, index)
    text = fields.get("toml", "")
    try:
        await _keep(system, principal, scenario_text.replaced(found.toml, index, text), fields)
    except (InvalidRequest, PreconditionFailed) as error:
        name, version = found.scenarios[index].name, fields.get("version", "")
        return _form(request, found, name, text, index=index, version=version, error=error)
    return see(request, AT, "The scenario is changed.")


@get("/policy/scenarios/{index:int}/remove", opt=WRITE)
async def ask_to_remove(request: AnyRequest, system: TheSystem, index: Index) -> Page:
    """What is not looked after any more."""
    found = await service.get(system)
    _piece(found, index)
    it = found.scenarios[index]
    expected = scenario_text.expected(it.expect)
    asked = Confirmation(
        title=f"Remove {it.name}?",
        sentences=(
            f"Of {scenario_text.message(it)} nothing is expected any more; it was: {expected}.",
            "A policy that does something else with it can be published then.",
        ),
        button="Remove the scenario",
        back=AT,
        fields={"version": etag(found)},
    )
    return confirm(request, asked)


@post("/policy/scenarios/{index:int}/remove", opt=WRITE, status_code=200)
async def remove(request: AnyRequest, system: TheSystem, principal: Caller, index: Index) -> Page:
    """Take it away."""
    fields, found = await posted(request), await service.get(system)
    _piece(found, index)
    await _keep(system, principal, scenario_text.replaced(found.toml, index, ""), fields)
    return see(request, AT, f"{found.scenarios[index].name} is removed.")


async def _keep(system: System, principal: Principal, text: str, fields: dict[str, str]) -> Scenarios:
    data = read({"toml": text.replace("\r\n", "\n")}, ScenariosUpdate)
    return await service.put(system, principal.name, data, Condition(fields.get("version", "")), principal)


PAGES = [scenarios, run, new, whole, one, add, replace, change, ask_to_remove, remove]
