"""``/api/v1/credits``."""

from datetime import date
from typing import Annotated

from litestar import Response, Router, delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from postmta_ctl.features.credits import alerts, service, usage
from postmta_ctl.features.credits.schemas import (
    Alert,
    AlertCreate,
    Alerts,
    AlertUpdate,
    Balance,
    Balances,
    Consume,
    Consumed,
    Grant,
    LedgerEntry,
    Packages,
    Usage,
)
from postmta_ctl.store.paging import Page
from postmta_ctl.web import Caller, Paging, TheSystem, Unchanged, scope, sortable, tagged

FirstDay = Annotated[date | None, QueryParameter(name="from", description="First day, in UTC")]
LastDay = Annotated[date | None, QueryParameter(name="to", description="Last day; today if absent")]


@get("/", opt=scope("credits:read"), summary="Get all credit balances")
async def get_balances(system: TheSystem, principal: Caller) -> Balances:
    """One balance for each type of credit, and the period that the plan's allowance is for."""
    return await service.balances(system, principal.organization_id)


@get("/{credit_type:str}", opt=scope("credits:read"), summary="Get specific credit type balance")
async def get_balance(system: TheSystem, principal: Caller, credit_type: FromPath[str]) -> Balance:
    """Types are ``email`` (one a recipient), ``spam_check``, ``av_scan`` and ``dnsbl_check``."""
    return await service.balance(system, principal.organization_id, credit_type)


@post("/consume", opt=scope("credits:write") | {"errors": ("402",)}, status_code=200, summary="Consume credits")
async def consume_credits(system: TheSystem, principal: Caller, data: JSONBody[Consume]) -> Consumed:
    """All of the amount or nothing: 402 when the balance does not cover it. With a reference, safe to repeat."""
    return await service.consume(system, principal, data)


@get("/usage", opt=scope("credits:read"), summary="Credit usage history")
async def get_usage(
    system: TheSystem,
    principal: Caller,
    *,
    period: FromQuery[str | None] = None,
    first: FirstDay = None,
    last: LastDay = None,
    credit_type: Annotated[str | None, QueryParameter(name="type")] = None,
) -> Usage:
    """By day (UTC) and type, with zeros where nothing was used: ``period=7d``, or ``from`` and ``to``."""
    return await usage.usage(system, principal.organization_id, period=period, first=first, last=last, kind=credit_type)


@get(
    "/ledger", opt=scope("credits:read") | sortable("type", "quantity"), summary="List the entries of the credit ledger"
)
async def list_ledger(
    system: TheSystem,
    principal: Caller,
    paging: Paging,
    credit_type: Annotated[str | None, QueryParameter(name="type")] = None,
) -> Page[LedgerEntry]:
    """Newest first. Entries are never changed; their sums are the balances."""
    return await service.ledger(system, principal.organization_id, credit_type, paging)


@get("/packages", opt=scope("credits:read"), sync_to_thread=False, summary="Available credit packages")
def list_packages(system: TheSystem) -> Packages:
    """Buy one by ``POST /api/v1/billing/checkout``."""
    return service.packages(system)


@get("/alerts", opt=scope("credits:read"), summary="Credit alert thresholds")
async def list_alerts(system: TheSystem, principal: Caller) -> Alerts:
    """By type, the highest first."""
    return await alerts.list_alerts(system, principal)


@post("/alerts", opt=scope("credits:write"), summary="Set credit alert threshold")
async def create_alert(system: TheSystem, principal: Caller, data: JSONBody[AlertCreate]) -> Alert:
    """Sends the event ``credits.low``, and mail if asked to, once each time the credits fall to the threshold."""
    return await alerts.create(system, principal, data)


@get("/alerts/{alert_id:str}", opt=scope("credits:read"), summary="Get a credit alert threshold")
async def get_alert(system: TheSystem, principal: Caller, alert_id: FromPath[str]) -> Response[Alert]:
    """The ``ETag`` names this version; see ``If-Match`` of the changes."""
    return tagged(await alerts.get(system, principal, alert_id))


@put("/alerts/{alert_id:str}", opt=scope("credits:write"), summary="Update a credit alert threshold")
async def update_alert(
    system: TheSystem, principal: Caller, alert_id: FromPath[str], data: JSONBody[AlertUpdate], unchanged: Unchanged
) -> Response[Alert]:
    """Another threshold fires anew if the balance is below it."""
    return tagged(await alerts.update(system, principal, alert_id, data, unchanged))


@delete("/alerts/{alert_id:str}", opt=scope("credits:write"), summary="Delete a credit alert threshold")
async def delete_alert(system: TheSystem, principal: Caller, alert_id: FromPath[str], unchanged: Unchanged) -> None:
    """It fires no more."""
    await alerts.delete(system, principal, alert_id, unchanged)


@post("/grant", opt=scope("credits:grant") | {"errors": ("404",)}, summary="Grant credits to an organization")
async def grant_credits(system: TheSystem, principal: Caller, data: JSONBody[Grant]) -> LedgerEntry:
    """For the operator of the platform. The reason stays in the ledger, where the organization reads it."""
    return await service.grant(system, principal, data)


router = Router(
    "/api/v1/credits",
    route_handlers=[
        get_balances,
        get_balance,
        consume_credits,
        get_usage,
        list_ledger,
        list_packages,
        list_alerts,
        create_alert,
        get_alert,
        update_alert,
        delete_alert,
        grant_credits,
    ],
    tags=["Credits"],
)
