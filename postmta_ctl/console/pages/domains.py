"""``/console/domains``: what to publish in DNS, what stands there, and the keys that mail is signed with."""

from litestar import get, post
from litestar.params import FromPath

from postmta_ctl.console.forms import by_field, posted, read
from postmta_ctl.console.guard import needs
from postmta_ctl.console.rendering import Confirmation, Page, confirm, page, see
from postmta_ctl.errors import Conflict, InvalidRequest, NotFound
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.domains import bimi, rotation, service, verification
from postmta_ctl.features.domains.schemas import BimiUpdate, DkimRotation, DomainCreate, RotateDkim
from postmta_ctl.store.versions import Condition
from postmta_ctl.system import System
from postmta_ctl.web import AnyRequest, Caller, Paging, TheSystem

READ, WRITE = needs("domains:read"), needs("domains:write")
AT = "/console/domains"
Id = FromPath[str]


@get("/domains", opt=READ)
async def domains(request: AnyRequest, system: TheSystem, principal: Caller, paging: Paging) -> Page:
    """The organization's domains."""
    found = await service.list_domains(system, principal, paging)
    return page(request, "domains/list.html", found=found, may_act="domains:write" in principal.scopes)


@get("/domains/new", opt=WRITE)
async def new(request: AnyRequest) -> Page:
    """The form of a new domain."""
    return page(request, "domains/new.html", values={})


@post("/domains/new", opt=WRITE, status_code=200)
async def create(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Claim it, and show the records to publish."""
    fields = await posted(request)
    try:
        made = await service.create(system, principal, read(fields, DomainCreate))
    except (InvalidRequest, Conflict) as error:
        return page(request, "domains/new.html", status=error.status, values=fields, errors=by_field(error))
    return see(request, f"{AT}/{made.id}", "Publish these records, then verify them.")


@get("/domains/{domain_id:str}", opt=READ)
async def show(request: AnyRequest, system: TheSystem, principal: Caller, domain_id: Id) -> Page:
    """Every record with what DNS answers, every check, and the last rotation of keys."""
    return await _page(request, system, principal, domain_id)


async def _page(
    request: AnyRequest,
    system: System,
    principal: Principal,
    domain_id: str,
    values: dict[str, str] | None = None,
    error: InvalidRequest | None = None,
) -> Page:
    domain = await service.get(system, principal, domain_id)
    known = {"logo_url": domain.bimi.logo_url, "selector": domain.bimi.selector} if domain.bimi else {}
    if domain.bimi and domain.bimi.certificate_url:
        known["certificate_url"] = domain.bimi.certificate_url
    return page(
        request,
        "domains/show.html",
        status=error.status if error else 200,
        domain=domain,
        rotation=await _rotation(system, principal, domain_id),
        logo=known if values is None else values,
        may_act="domains:write" in principal.scopes,
        errors=by_field(error) if error else {},
    )


async def _rotation(system: System, principal: Principal, domain_id: str) -> DkimRotation | None:
    try:
        return await rotation.show(system, principal, domain_id)
    except NotFound:
        return None


@post("/domains/{domain_id:str}/verify", opt=WRITE, status_code=200)
async def verify(request: AnyRequest, system: TheSystem, principal: Caller, domain_id: Id) -> Page:
    """Look every record up now."""
    found = await verification.verify(system, principal, domain_id)
    return see(request, f"{AT}/{domain_id}", f"{found.domain} is {found.status}.")


@get("/domains/{domain_id:str}/rotate", opt=WRITE)
async def ask_to_rotate(request: AnyRequest, system: TheSystem, principal: Caller, domain_id: Id) -> Page:
    """What a rotation is."""
    domain = await service.get(system, principal, domain_id)
    sentences = (
        "New keys are made, and you are told which records to publish. Nothing else changes until they are found.",
        "Then mail is signed with them, and the old records stay until no message needs them.",
        "At no moment is mail unsigned.",
    )
    asked = Confirmation(
        title=f"Rotate the DKIM keys of {domain.domain}?",
        sentences=sentences,
        button="Make new keys",
        back=f"{AT}/{domain_id}",
        ask=(("dkim_selector", "Selector of the new RSA key; left empty, the present one with the day behind it"),),
        danger=False,
    )
    return confirm(request, asked)


@post("/domains/{domain_id:str}/rotate", opt=WRITE, status_code=200)
async def rotate(request: AnyRequest, system: TheSystem, principal: Caller, domain_id: Id) -> Page:
    """Begin it."""
    await rotation.start(system, principal, domain_id, read(await posted(request), RotateDkim))
    return see(
        request, f"{AT}/{domain_id}#rotation", "There are new keys. Publish their records, and the rest follows."
    )


@get("/domains/{domain_id:str}/rotate/cancel", opt=WRITE)
async def ask_to_cancel(request: AnyRequest, system: TheSystem, principal: Caller, domain_id: Id) -> Page:
    """What giving up means."""
    domain = await service.get(system, principal, domain_id)
    asked = Confirmation(
        title=f"Give up the new DKIM keys of {domain.domain}?",
        sentences=("They are deleted. Mail goes on being signed with the present keys.",),
        button="Give them up",
        back=f"{AT}/{domain_id}",
    )
    return confirm(request, asked)


@post("/domains/{domain_id:str}/rotate/cancel", opt=WRITE, status_code=200)
async def cancel_rotation(request: AnyRequest, system: TheSystem, principal: Caller, domain_id: Id) -> Page:
    """Give up the new keys."""
    await rotation.cancel(system, principal, domain_id)
    return see(request, f"{AT}/{domain_id}#rotation", "The rotation is cancelled.")


@post("/domains/{domain_id:str}/bimi", opt=WRITE, status_code=200)
async def set_logo(request: AnyRequest, system: TheSystem, principal: Caller, domain_id: Id) -> Page:
    """Give the domain a logo, or take it away."""
    fields = await posted(request)
    try:
        data = read({"logo_url": None} | fields, BimiUpdate)
        await bimi.update(system, principal, domain_id, data, Condition())
    except InvalidRequest as error:
        return await _page(request, system, principal, domain_id, fields, error)
    return see(request, f"{AT}/{domain_id}#bimi", "The logo is stored; what was checked stands below.")


@get("/domains/{domain_id:str}/delete", opt=WRITE)
async def ask_to_delete(request: AnyRequest, system: TheSystem, principal: Caller, domain_id: Id) -> Page:
    """What is lost."""
    domain = await service.get(system, principal, domain_id)
    signing = ", ".join(key.selector for key in domain.dkim_keys)
    asked = Confirmation(
        title=f"Delete {domain.domain}?",
        sentences=(
            f"Its {len(domain.dkim_keys)} DKIM keys ({signing}) are gone for good.",
            "Mail from it is refused from then on.",
            "Mail that a node has taken is signed already and goes its way.",
        ),
        button="Delete the domain",
        back=f"{AT}/{domain_id}",
    )
    return confirm(request, asked)


@post("/domains/{domain_id:str}/delete", opt=WRITE, status_code=200)
async def delete(request: AnyRequest, system: TheSystem, principal: Caller, domain_id: Id) -> Page:
    """Delete it."""
    domain = await service.get(system, principal, domain_id)
    await service.delete(system, principal, domain_id, Condition())
    return see(request, AT, f"{domain.domain} is deleted.")


PAGES = [
    domains,
    new,
    create,
    show,
    verify,
    ask_to_rotate,
    rotate,
    ask_to_cancel,
    cancel_rotation,
    set_logo,
    ask_to_delete,
    delete,
]
