"""``/console/first-steps``: from an empty installation to a delivered message, each step verified before the next."""

from typing import Any

from litestar import get, post

from postmta_ctl.console import first_steps
from postmta_ctl.console.attention import ALL
from postmta_ctl.console.first_steps import Found
from postmta_ctl.console.forms import by_field, posted, read
from postmta_ctl.console.guard import needs
from postmta_ctl.console.pages.messages import send_form
from postmta_ctl.console.rendering import Page, fragment, page, see
from postmta_ctl.errors import PostMTAError
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.domains import service as domains
from postmta_ctl.features.domains import verification
from postmta_ctl.features.domains.schemas import DomainCreate
from postmta_ctl.features.messages import service as messages
from postmta_ctl.features.messages.queries import Filters
from postmta_ctl.features.nodes import service as nodes
from postmta_ctl.features.nodes.schemas import NodeCreate
from postmta_ctl.features.policy import service as policy
from postmta_ctl.features.vmtas import service as vmtas
from postmta_ctl.features.vmtas.schemas import VmtaCreate
from postmta_ctl.store.paging import PageRequest
from postmta_ctl.system import System
from postmta_ctl.web import AnyRequest, Caller, TheSystem

READ = needs("nodes:write")
AT = "/console/first-steps"


@get("/first-steps", opt=READ)
async def show(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Where the set-up stands, with a form for the step that is next."""
    return page(request, "first_steps/page.html", values={}, **await _context(system, principal))


@get("/first-steps/list", opt=READ)
async def progress(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """The steps, while one of them is under way."""
    context = await _context(system, principal)
    return fragment(request, "first_steps/steps.html", values={}, **context)


async def _context(system: System, principal: Principal) -> dict[str, Any]:
    mine = (await vmtas.list_vmtas(system, principal, ALL)).data
    newest = await messages.list_messages(system, principal, Filters(), PageRequest(limit=20))
    plan = await policy.plan(system) if mine and not newest.data else None
    found = Found(
        nodes=await nodes.list_nodes(system),
        domains=(await domains.list_domains(system, principal, ALL)).data,
        vmtas=mine,
        # Who has sent something has published what it left by.
        is_published=plan is None or not plan.changes,
        messages=newest.data,
    )
    shown = first_steps.steps(found)
    return {
        "found": found,
        "steps": shown,
        "waits": any(one.waits for one in shown) or _publishes(system, found),
        "publishes_by_itself": _publishes(system, found),
        "verified": first_steps.verified(found.domains),
        "delivered": first_steps.delivered(found.messages),
        "has_sandbox": any(one.kind == "sandbox" for one in found.nodes),
    }


def _publishes(system: System, found: Found) -> bool:
    """Whether what was made is on its way to the nodes without being asked to."""
    only_sandbox = bool(found.nodes) and all(one.kind == "sandbox" for one in found.nodes)
    asked = system.settings.auto_publish
    return bool(found.vmtas) and not found.is_published and (only_sandbox if asked is None else asked)


@post("/first-steps/node", opt=READ, status_code=200)
async def add_node(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Add a node of this host's."""
    fields = await posted(request)
    try:
        added = await nodes.add(system, read(fields, NodeCreate), principal=principal)
    except PostMTAError as error:
        return await _again(request, system, principal, fields, error)
    return see(request, AT, f"{added.node.name} is added. Next: {'; '.join(added.next_steps)}")


@post("/first-steps/domain", opt=needs("domains:write"), status_code=200)
async def add_domain(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Make the first domain."""
    fields = await posted(request)
    try:
        await domains.create(system, principal, read(fields, DomainCreate))
    except PostMTAError as error:
        return await _again(request, system, principal, fields, error)
    return see(request, AT)


@post("/first-steps/verify", opt=needs("domains:write"), status_code=200)
async def verify(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Look its records up."""
    fields = await posted(request)
    found = await verification.verify(system, principal, fields.get("domain_id", ""))
    said = "is verified" if found.status == "verified" else "is not verified yet: see what DNS answers"
    return see(request, AT, f"{found.domain} {said}.")


@post("/first-steps/vmta", opt=needs("vmtas:write"), status_code=200)
async def add_vmta(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Make the first vMTA."""
    fields = await posted(request)
    try:
        await vmtas.create(system, principal, read(fields, VmtaCreate))
    except PostMTAError as error:
        return await _again(request, system, principal, fields, error)
    return see(request, AT)


@post("/first-steps/message", opt=needs("messages:send"), status_code=200)
async def send(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Send the first message."""
    fields = await posted(request)
    try:
        await send_form(system, principal, {"subject": "A first message", "text": "It works.\n"} | fields)
    except PostMTAError as error:
        return await _again(request, system, principal, fields, error)
    return see(request, AT)


async def _again(
    request: AnyRequest, system: System, principal: Principal, fields: dict[str, str], error: PostMTAError
) -> Page:
    context = await _context(system, principal)
    errors = by_field(error)
    return page(request, "first_steps/page.html", status=error.status, values=fields, errors=errors, **context)


PAGES = [show, progress, add_node, add_domain, verify, add_vmta, send]
