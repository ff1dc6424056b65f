"""Billing."""

from __future__ import annotations

from types import NoneType

from postmta_ctl.client.calls import Call, Group, Page, R_co, listing, operation
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


class Billing(Group[R_co]):
    """What stands in the document under Billing."""

    @operation
    def plan(self) -> Call[CurrentPlan]:
        """Get current plan details."""
        return Call("GET", "/api/v1/billing/plan", CurrentPlan)

    @operation
    def upgrade(self, body: PlanChange) -> Call[Upgraded]:
        """Upgrade plan."""
        return Call("POST", "/api/v1/billing/upgrade", Upgraded, body=body)

    @operation
    def downgrade(self, body: PlanChange) -> Call[CurrentPlan]:
        """Downgrade plan."""
        return Call("POST", "/api/v1/billing/downgrade", CurrentPlan, body=body)

    @operation
    def checkout(self, body: CheckoutCreate) -> Call[Checkout]:
        """Create checkout session."""
        return Call("POST", "/api/v1/billing/checkout", Checkout, body=body)

    @operation
    def stripe_callback(self, body: bytes, *, stripe_signature: str | None = None) -> Call[None]:
        """Take signed callbacks of Stripe."""
        return Call(
            "POST",
            "/api/v1/billing/callbacks/stripe",
            NoneType,
            body=body,
            headers={"Stripe-Signature": stripe_signature},
        )

    @listing
    def list_invoices(
        self, *, limit: int | None = None, cursor: str | None = None, sort: str | None = None
    ) -> Call[Page[Invoice]]:
        """List invoices."""
        return Call(
            "GET", "/api/v1/billing/invoices", Page[Invoice], query={"limit": limit, "cursor": cursor, "sort": sort}
        )

    @operation
    def get_invoice(self, invoice_id: str) -> Call[Invoice]:
        """Get an invoice."""
        return Call("GET", "/api/v1/billing/invoices/{invoice_id}", Invoice, parts={"invoice_id": invoice_id})

    @operation
    def get_invoice_html(self, invoice_id: str) -> Call[str]:
        """An invoice as a page to print."""
        return Call(
            "GET",
            "/api/v1/billing/invoices/{invoice_id}",
            str,
            parts={"invoice_id": invoice_id},
            query={"format": "html"},
        )

    @operation
    def pay_invoice(self, invoice_id: str, body: Payment) -> Call[Invoice]:
        """Mark an invoice as paid."""
        return Call(
            "POST", "/api/v1/billing/invoices/{invoice_id}/pay", Invoice, parts={"invoice_id": invoice_id}, body=body
        )

    @operation
    def usage_rollup(self, *, periods: int | None = None) -> Call[UsageRollup]:
        """Usage rollup by period."""
        return Call("GET", "/api/v1/billing/usage-rollup", UsageRollup, query={"periods": periods})

    @operation
    def details(self) -> Call[BillingDetails]:
        """Get organization billing details."""
        return Call("GET", "/api/v1/billing/organization", BillingDetails)

    @operation
    def set_details(self, body: BillingDetails, *, if_match: str | None = None) -> Call[BillingDetails]:
        """Set organization billing details."""
        return Call("PUT", "/api/v1/billing/organization", BillingDetails, body=body, headers={"If-Match": if_match})

    @operation
    def assign_plan(self, organization_id: str, body: PlanChange) -> Call[CurrentPlan]:
        """Assign a plan."""
        return Call(
            "PUT",
            "/api/v1/billing/organizations/{organization_id}/plan",
            CurrentPlan,
            parts={"organization_id": organization_id},
            body=body,
        )
