"""``/console/policy``: the plan, publishing it, what was published, going back, and drift."""

from litestar import get, post
from litestar.params import FromPath, FromQuery

from postmta_ctl.console import policy_words as words
from postmta_ctl.console.diffs import parted
from postmta_ctl.console.forms import by_field, lines, posted, read
from postmta_ctl.console.guard import needs
from postmta_ctl.console.rendering import Confirmation, Page, confirm, fragment, page, see
from postmta_ctl.errors import Conflict, InvalidRequest, NotFound
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.nodes import service as nodes
from postmta_ctl.features.policy import approval, canaries, drift, publish, rollback, service
from postmta_ctl.features.policy.releasing import By
from postmta_ctl.features.policy.schemas import Decision, PublishRequest, RollbackRequest
from postmta_ctl.web import AnyRequest, Caller, TheSystem

READ, WRITE = needs("policy:read"), needs("policy:write")
AT = "/console/policy"
Number = FromPath[int]
_SHOWN = 25


@get("/policy", opt=READ)
async def policy(request: AnyRequest, system: TheSystem, cursor: FromQuery[int | None] = None) -> Page:
    """The page stands at once; the plan is proved, and nodes are looked at, by its parts."""
    found = await service.list_releases(system, limit=_SHOWN, cursor=cursor)
    return page(request, "policy/page.html", found=found)


@get("/policy/plan", opt=READ)
async def plan(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """What publishing would do now."""
    found = await service.plan(system)
    may_publish = "policy:write" in principal.scopes
    return fragment(request, "policy/plan.html", plan=found, diff=parted(found.diff), may_publish=may_publish)


@get("/policy/drift", opt=READ)
async def show_drift(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """How each node differs from what was published."""
    may_mend = "policy:write" in principal.scopes
    return fragment(request, "policy/drift.html", nodes=await drift.look(system), may_mend=may_mend)


@get("/policy/publish", opt=WRITE)
async def ask_to_publish(request: AnyRequest, system: TheSystem) -> Page:
    """What would be published, where, and what it takes."""
    return await _publish_form(request, system, {})


async def _publish_form(
    request: AnyRequest, system: TheSystem, values: dict[str, str], error: InvalidRequest | None = None
) -> Page:
    found, fleet = await service.plan(system), await nodes.list_nodes(system)
    return page(
        request,
        "policy/publish.html",
        status=422 if error else 200,
        plan=found,
        diff=parted(found.diff),
        sentences=words.before_publishing(found, fleet, approval=system.settings.publish_approval),
        fleet=fleet,
        values=values,
        errors=by_field(error) if error else {},
    )


@post("/policy/publish", opt=WRITE, status_code=200)
async def publish_it(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Publish what was shown, and nothing else."""
    fields = await posted(request)
    digest, chosen = fields.pop("digest", ""), fields.pop("canary", "")
    minutes = fields.pop("minutes", "10")
    try:
        watch = {"watch_seconds": int(minutes) * 60 if minutes.isdecimal() and len(minutes) < 6 else -1}
        canary = {"canary": {"nodes": lines(chosen)} | watch} if chosen else {}
        asked = read(fields | canary, PublishRequest)
        if (await service.render(system))[1].digest != digest:
            raise InvalidRequest.of("form", "The configuration has changed since; this is the plan as it is now.")
        done = await publish.publish(system, _by(principal), reason=asked.reason, canary=asked.canary)
    except InvalidRequest as error:
        values = fields | {"canary": chosen, "minutes": minutes}
        return await _publish_form(request, system, values, error)
    return see(request, f"{AT}/releases/{done.release}", words.after(done.outcome, done.release, done.nodes))


@get("/policy/releases/{number:int}", opt=READ)
async def release(request: AnyRequest, system: TheSystem, principal: Caller, number: Number) -> Page:
    """One release, with what led to it and how to go back to it."""
    found = await service.get_release(system, number)
    (newest,) = (await service.list_releases(system, limit=1, cursor=None)).data
    may = "policy:write" in principal.scopes
    actions = words.actions(found.release, newest.digest) if may else ()
    return page(request, "policy/release.html", it=found, diff=parted(found.diff), actions=actions)


@get("/policy/releases/{number:int}/{action:str}", opt=WRITE)
async def ask(request: AnyRequest, system: TheSystem, number: Number, action: FromPath[str]) -> Page:
    """What would be done with a release."""
    found = await service.get_release(system, number)
    if action not in words.ACTIONS:
        raise NotFound("There is nothing of this name to do with a release.")
    if action == "rollback":
        return await _rollback_form(request, system, number)
    asked = Confirmation(
        title=f"{words.ACTIONS[action]} release {number}?",
        sentences=words.before(action, found.release),
        button=words.ACTIONS[action],
        back=f"{AT}/releases/{number}",
        ask=(("reason", "Reason"),) if action in words.WITH_REASON else (),
        danger=action in words.WITH_REASON,
    )
    return confirm(request, asked)


async def _rollback_form(request: AnyRequest, system: TheSystem, number: int) -> Page:
    running = next(
        (one.number for one in (await service.list_releases(system, limit=100, cursor=None)).data if one.published_at),
        number,
    )
    found = await service.difference(system, running, number)
    fleet = await nodes.list_nodes(system)
    return page(
        request,
        "policy/rollback.html",
        number=number,
        diff=parted(found.diff),
        sentences=words.before_going_back(found, running, number, len(fleet)),
    )


@post("/policy/releases/{number:int}/{action:str}", opt=WRITE, status_code=200)
async def act(request: AnyRequest, system: TheSystem, principal: Caller, number: Number, action: FromPath[str]) -> Page:
    """Go back to a release, decide about a proposal, or end a canary."""
    fields = await posted(request)
    by = _by(principal)
    if action == "rollback":
        reason = read(fields | {"release": number}, RollbackRequest).reason
        done = await rollback.roll_back(system, by, number, reason=reason)
        return see(request, f"{AT}/releases/{done.release}", words.after(done.outcome, done.release, done.nodes))
    if action == "approve":
        done = await approval.approve(system, by, number)
        return see(request, f"{AT}/releases/{number}", words.after(done.outcome, done.release, done.nodes))
    if action == "promote":
        said = words.outcomes(await canaries.promote(system, by, number))
    elif action == "stop":
        said = words.outcomes(await canaries.stop(system, by, number, note=read(fields, Decision).reason))
    elif action == "reject":
        await approval.reject(system, by, number, note=read(fields, Decision).reason)
        said = f"Release {number} is turned down."
    else:
        raise NotFound("There is nothing of this name to do with a release.")
    return see(request, f"{AT}/releases/{number}", said)


@get("/policy/drift/fix", opt=WRITE)
async def ask_to_mend(request: AnyRequest, system: TheSystem) -> Page:
    """What mending would change on which node."""
    found = [one for one in await drift.look(system) if not one.is_as_published]
    if not found:
        raise Conflict("Every node is as published; there is nothing to mend.")
    asked = Confirmation(
        title="Mend the nodes?",
        sentences=words.before_mending(found),
        button="Mend",
        back=AT,
    )
    return confirm(request, asked)


@post("/policy/drift/fix", opt=WRITE, status_code=200)
async def mend(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Bring the nodes to what was published."""
    return see(request, AT, words.outcomes(await drift.fix(system, _by(principal))) or "There was nothing to mend.")


def _by(principal: Principal) -> By:
    return By(principal.name, principal)


PAGES = [policy, plan, show_drift, ask_to_publish, publish_it, release, ask, act, ask_to_mend, mend]
