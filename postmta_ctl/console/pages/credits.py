"""``/console/credits``: balances, what they went for, packages and thresholds; the plan and its invoices."""

from typing import Any, get_args

from litestar import get, post
from litestar.params import FromPath

from postmta_ctl.console.filters import money, words
from postmta_ctl.console.forms import by_field, lines, posted, read
from postmta_ctl.console.guard import needs
from postmta_ctl.console.rendering import Confirmation, Page, confirm, page, see
from postmta_ctl.core.ledger import CreditType
from postmta_ctl.errors import Conflict, InvalidRequest, NotFound
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.billing import checkout as payments
from postmta_ctl.features.billing import invoices, plans
from postmta_ctl.features.billing.schemas import CheckoutCreate
from postmta_ctl.features.credits import alerts, service
from postmta_ctl.features.credits.schemas import AlertCreate, CreditPackage
from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.versions import Condition
from postmta_ctl.system import System
from postmta_ctl.web import AnyRequest, Caller, Paging, TheSystem

AT = "/console/credits"
TYPES = get_args(CreditType)


@get("/credits", opt=needs("credits:read"))
async def credits(request: AnyRequest, system: TheSystem, principal: Caller, paging: Paging) -> Page:
    """Balances, thresholds and the ledger, newest first."""
    return await _page(request, system, principal, paging)


async def _page(
    request: AnyRequest,
    system: System,
    principal: Principal,
    paging: PageRequest,
    values: dict[str, str] | None = None,
    error: InvalidRequest | Conflict | None = None,
) -> Page:
    return page(
        request,
        "credits/page.html",
        status=error.status if error else 200,
        balances=await service.balances(system, principal.organization_id),
        found=await service.ledger(system, principal.organization_id, None, paging),
        thresholds=(await alerts.list_alerts(system, principal)).data,
        packages=service.packages(system).data,
        types=TYPES,
        values=values or {},
        may_act="credits:write" in principal.scopes,
        may_buy="billing:write" in principal.scopes,
        errors=by_field(error) if error else {},
    )


@post("/credits/alerts", opt=needs("credits:write"), status_code=200)
async def add_threshold(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Be told when a balance falls to it."""
    fields = await posted(request)
    given = fields | {"emails": lines(fields.get("emails", ""))}
    try:
        await alerts.create(system, principal, read(given, AlertCreate))
    except (InvalidRequest, Conflict) as error:
        return await _page(request, system, principal, PageRequest(), fields, error)
    return see(request, AT, "The threshold is set.")


@post("/credits/alerts/{alert_id:str}/delete", opt=needs("credits:write"), status_code=200)
async def delete_threshold(request: AnyRequest, system: TheSystem, principal: Caller, alert_id: FromPath[str]) -> Page:
    """Be told no more."""
    await alerts.delete(system, principal, alert_id, Condition())
    return see(request, AT, "The threshold is gone.")


@get("/credits/buy/{package:str}", opt=needs("billing:write"))
async def ask_to_buy(request: AnyRequest, system: TheSystem, package: FromPath[str]) -> Page:
    """What it costs."""
    one = _package(system, package)
    asked = Confirmation(
        title=f"Buy {one.name}?",
        sentences=(
            f"{one.amount:,} credits of {words(one.type)} for {money(one.price.amount, one.price.currency)}.",
            "They do not lapse.",
        ),
        button="Buy",
        back=AT,
        danger=False,
    )
    return confirm(request, asked)


@post("/credits/buy/{package:str}", opt=needs("billing:write"), status_code=200)
async def buy(request: AnyRequest, system: TheSystem, principal: Caller, package: FromPath[str]) -> Page:
    """Open a checkout: a page of the payment provider's, or an invoice."""
    made = await payments.checkout(system, principal, CheckoutCreate(package=_package(system, package).id))
    return page(request, "credits/checkout.html", made=made)


def _package(system: System, package: str) -> CreditPackage:
    for one in service.packages(system).data:
        if one.id == package:
            return one
    raise NotFound("There is no such package.")


@get("/billing", opt=needs("billing:read"))
async def billing(request: AnyRequest, system: TheSystem, principal: Caller, paging: Paging) -> Page:
    """The plan with its limits, and the invoices."""
    context: dict[str, Any] = {
        "current": await plans.current_plan(system, principal.organization_id),
        "found": await invoices.list_invoices(system, principal.organization_id, paging),
        "may_act": "billing:write" in principal.scopes,
    }
    return page(request, "credits/billing.html", **context)


PAGES = [credits, add_threshold, delete_threshold, ask_to_buy, buy, billing]
