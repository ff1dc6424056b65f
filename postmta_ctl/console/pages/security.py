"""``/console/security``: what was stopped and by which rule, blocklists, greylisting, and who judges content."""

from litestar import get, post
from litestar.params import FromPath

from postmta_ctl.console.forms import posted, read
from postmta_ctl.console.guard import needs
from postmta_ctl.console.rendering import Confirmation, Page, confirm, page, see
from postmta_ctl.features.security.auto_block import rules
from postmta_ctl.features.security.auto_block import service as blocks
from postmta_ctl.features.security.auto_block.schemas import Resolve, Toggle
from postmta_ctl.features.security.greylisting import service as greylisting
from postmta_ctl.features.security.greylisting.schemas import GreylistingUpdate
from postmta_ctl.features.security.status import service
from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.versions import Condition
from postmta_ctl.web import AnyRequest, Caller, Paging, TheSystem

READ, WRITE = needs("security:read"), needs("security:write")
AT = "/console/security"
Id = FromPath[str]


@get("/security", opt=READ)
async def security(request: AnyRequest, system: TheSystem, principal: Caller, paging: Paging) -> Page:
    """Each part by its own state."""
    return page(
        request,
        "security/page.html",
        status_of=await service.overview(system, principal),
        active=await blocks.list_blocks(system, principal, PageRequest(), active=True),
        found=await blocks.list_blocks(system, principal, paging, active=False),
        rules=await rules.list_rules(system, principal, PageRequest()),
        may_act="security:write" in principal.scopes,
        is_operator=principal.is_operator,
    )


@get("/security/blocks/{block_id:str}/resolve", opt=WRITE)
async def ask_to_resolve(request: AnyRequest, system: TheSystem, principal: Caller, block_id: Id) -> Page:
    """What begins again."""
    one = await blocks.get(system, principal, block_id)
    asked = Confirmation(
        title=f"Lift the block of {one.value}?",
        sentences=(
            f"{one.rule_name}: {one.cause.rate:.1%} of {one.cause.volume:,}; {one.cause.threshold:.1%} is the limit.",
            f"{one.effect.waiting_here:,} recipients wait here for it, and {len(one.effect.queues)} queues are held.",
        ),
        button="Lift the block",
        back=AT,
        ask=(("note", "Why"),),
    )
    return confirm(request, asked)


@post("/security/blocks/{block_id:str}/resolve", opt=WRITE, status_code=200)
async def resolve(request: AnyRequest, system: TheSystem, principal: Caller, block_id: Id) -> Page:
    """Lift it."""
    done = await blocks.resolve(system, principal, block_id, read(await posted(request), Resolve))
    return see(request, AT, f"The block of {done.value} is lifted.")


@post("/security/rules", opt=WRITE, status_code=200)
async def toggle(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Turn a rule on or off."""
    done = await rules.toggle(system, principal, read(await posted(request), Toggle))
    return see(request, AT, f"{done.name} is {'on' if done.enabled else 'off'}.")


@post("/security/greylisting", opt=needs("policy:write"), status_code=200)
async def set_greylisting(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Turn greylisting on or off, for the installation."""
    done = await greylisting.update(system, principal, read(await posted(request), GreylistingUpdate), Condition())
    return see(request, AT, f"Greylisting is {'on' if done.enabled else 'off'} with the next release.")


PAGES = [security, ask_to_resolve, resolve, toggle, set_greylisting]
