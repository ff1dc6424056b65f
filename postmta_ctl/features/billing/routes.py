"""``/api/v1/billing``."""

from typing import Annotated, Literal

from litestar import MediaType, Response, Router, get, post, put
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, QueryParameter

from postmta_ctl.features.billing import checkout as payments
from postmta_ctl.features.billing import invoices, plans, service
from postmta_ctl.features.billing.schemas import (
    BillingDetails,
    Checkout,
    CheckoutCreate,
    CurrentPlan,
    Invoice,
    Payment,
    PlanChange,
    Upgraded,
    UsageRollup,
)
from postmta_ctl.store.paging import Page
from postmta_ctl.web import PUBLIC, AnyRequest, Caller, Paging, TheSystem, Unchanged, also, scope, sortable, tagged

INERT = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of a page that runs nothing, whatever somebody may have smuggled into it."""


@get("/plan", opt=scope("billing:read"), summary="Get current plan details")
async def get_plan(system: TheSystem, principal: Caller) -> CurrentPlan:
    """With what the plan limits, and the plans that are offered."""
    return await plans.current_plan(system, principal.organization_id)


@post("/upgrade", opt=scope("billing:write"), status_code=200, summary="Upgrade plan")
async def upgrade_plan(system: TheSystem, principal: Caller, data: JSONBody[PlanChange]) -> Upgraded:
    """At once. The invoice charges the rest of the period, and sets off the rest of the present plan."""
    return await plans.upgrade(system, principal, data.plan)


@post("/downgrade", opt=scope("billing:write"), status_code=200, summary="Downgrade plan")
async def downgrade_plan(system: TheSystem, principal: Caller, data: JSONBody[PlanChange]) -> CurrentPlan:
    """At the end of the period. 409 names what does not fit; the present plan's id takes a downgrade back."""
    return await plans.downgrade(system, principal, data.plan)


@post(
    "/checkout",
    opt=scope("billing:write") | {"errors": ("404", "501", "502")},
    summary="Create checkout session",
)
async def create_checkout(system: TheSystem, principal: Caller, data: JSONBody[CheckoutCreate]) -> Checkout:
    """For a package of credits or an open invoice: a page to pay on, or an invoice with instructions."""
    return await payments.checkout(system, principal, data)


@post(
    "/callbacks/stripe",
    opt=PUBLIC | {"errors": ("404", "501")},
    status_code=204,
    summary="Take signed callbacks of Stripe",
)
async def stripe_callback(
    request: AnyRequest,
    system: TheSystem,
    signature: Annotated[str, HeaderParameter(name="Stripe-Signature")] = "",
) -> None:
    """The address to enter at Stripe, for the events ``checkout.session.*``."""
    await payments.take_callback(system, await request.body(), signature)


@get("/invoices", opt=scope("billing:read") | sortable("issued_at", "due_at", "total"), summary="List invoices")
async def list_invoices(system: TheSystem, principal: Caller, paging: Paging) -> Page[Invoice]:
    """Newest first."""
    return await invoices.list_invoices(system, principal.organization_id, paging)


@get(
    "/invoices/{invoice_id:str}",
    opt=scope("billing:read") | also("text/html", "With `format=html`: a page to print."),
    summary="Get an invoice",
    responses={200: ResponseSpec(data_container=Invoice, description="The invoice")},
)
async def get_invoice(
    system: TheSystem,
    principal: Caller,
    invoice_id: FromPath[str],
    as_format: Annotated[Literal["json", "html"], QueryParameter(name="format")] = "json",
) -> Response[Invoice] | Response[str]:
    """As JSON, or as a page to print with ``format=html``."""
    invoice = await invoices.get(system, principal.organization_id, invoice_id)
    if as_format == "html":
        return Response(invoices.as_html(invoice), media_type=MediaType.HTML, headers=INERT)
    return Response(invoice)


@post(
    "/invoices/{invoice_id:str}/pay",
    opt=scope("billing:manage"),
    status_code=200,
    summary="Mark an invoice as paid",
)
async def pay_invoice(
    system: TheSystem, principal: Caller, invoice_id: FromPath[str], data: JSONBody[Payment]
) -> Invoice:
    """For the operator of the platform, when the money has come in. Adds the credits that were bought."""
    return await invoices.mark_paid(system, principal, invoice_id, data.reference)


@get("/usage-rollup", opt=scope("billing:read"), summary="Usage rollup by period")
async def get_usage_rollup(system: TheSystem, principal: Caller, periods: FromQuery[int] = 6) -> UsageRollup:
    """Billing periods of the subscription, the present one first."""
    return await service.usage_rollup(system, principal.organization_id, periods)


@get("/organization", opt=scope("billing:read"), summary="Get organization billing details")
async def get_billing_details(system: TheSystem, principal: Caller) -> Response[BillingDetails]:
    """What invoices say of the organization. The ``ETag`` names this version; see ``If-Match`` of the change."""
    return tagged(await service.details(system, principal.organization_id))


@put("/organization", opt=scope("billing:write"), summary="Set organization billing details")
async def set_billing_details(
    system: TheSystem, principal: Caller, data: JSONBody[BillingDetails], unchanged: Unchanged
) -> Response[BillingDetails]:
    """For invoices from now on; those that were issued stay as they are."""
    return tagged(await service.set_details(system, principal, data, unchanged))


@put("/organizations/{organization_id:str}/plan", opt=scope("billing:manage"), summary="Assign a plan")
async def assign_plan(
    system: TheSystem, principal: Caller, organization_id: FromPath[str], data: JSONBody[PlanChange]
) -> CurrentPlan:
    """For the operator of the platform: any plan of the catalogue, at once and without an invoice."""
    return await plans.assign(system, principal, organization_id, data.plan)


router = Router(
    "/api/v1/billing",
    route_handlers=[
        get_plan,
        upgrade_plan,
        downgrade_plan,
        create_checkout,
        stripe_callback,
        list_invoices,
        get_invoice,
        pay_invoice,
        get_usage_rollup,
        get_billing_details,
        set_billing_details,
        assign_plan,
    ],
    tags=["Billing"],
)
