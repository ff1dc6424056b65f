"""Paying: by hand, or through a provider whose signed callback tells that the money is there."""

from __future__ import annotations

from typing import NamedTuple

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.clients.payments import Callback, Order, PaymentProvider
from postmta_ctl.core.ids import is_id, new_id
from postmta_ctl.errors import Conflict, InvalidRequest, NotAvailable, NotFound, PaymentProviderFailed
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.billing import catalogue, invoice_queries, invoices, subscriptions
from postmta_ctl.features.billing.invoice_queries import CheckoutRow, Credits, InvoiceRow, Item
from postmta_ctl.features.billing.schemas import Checkout, CheckoutCreate
from postmta_ctl.system import System

log = structlog.get_logger(__name__)

STRIPE = "stripe"
NOT_CONFIGURED = "Stripe is not configured: the operator sets stripe_api_key and stripe_webhook_secret."


class Basket(NamedTuple):
    """What is to be paid: something new, or an invoice."""

    description: str
    amount: int
    currency: str
    item: Item | None = None
    invoice: InvoiceRow | None = None


def provider_of(system: System) -> PaymentProvider:
    """The configured provider.

    Raises:
        NotAvailable: There is none.
    """
    if system.payments is None:
        raise NotAvailable(NOT_CONFIGURED)
    return system.payments


async def checkout(system: System, principal: Principal, data: CheckoutCreate) -> Checkout:
    """Begin to pay for a package or an invoice.

    Raises:
        InvalidRequest: It is not exactly one of the two, or no such package.
        NotFound: The organization has no such invoice.
        Conflict: The invoice is paid already, or others are unpaid.
        NotAvailable: The provider is not configured.
        PaymentProviderFailed: The provider refused.
    """
    by_hand = data.provider == "manual" or (data.provider is None and system.payments is None)
    if not by_hand:
        provider_of(system)  # before anything is looked up: whether it is configured is the same for all
    basket = await _basket(system, principal.organization_id, data)
    if by_hand:
        return await _by_hand(system, principal, basket)
    return await _through_provider(system, principal, basket, data.return_url)


async def _basket(system: System, organization_id: str, data: CheckoutCreate) -> Basket:
    if (data.package is None) == (data.invoice_id is None):
        raise InvalidRequest.of("package", "name either a package or an invoice_id")
    async with system.db.reading() as connection:
        if data.invoice_id is not None:
            row = await invoices.find(connection, data.invoice_id, organization_id)
            if row.paid_at is not None:
                raise Conflict("The invoice is paid already.", code="already_paid")
            return Basket(f"Invoice {invoices.number_text(row.number)}", row.total, row.currency, invoice=row)
        await invoices.require_good_standing(system, connection, organization_id)
    plans = catalogue.load(system.settings)
    package = plans.package(data.package or "")
    if package is None:
        known = ", ".join(one.id for one in plans.packages)
        raise InvalidRequest.of("package", f"is one of {known}", code="package_unknown")
    item = Item(description=package.name, credits=Credits(type=package.type, amount=package.amount))
    return Basket(package.name, package.price, plans.currency, item=item)


async def _by_hand(system: System, principal: Principal, basket: Basket) -> Checkout:
    """An open invoice with instructions; the operator marks it as paid."""
    row = basket.invoice
    async with system.db.transaction() as connection:
        if basket.item is not None:
            row = await _issue(system, connection, principal.organization_id, basket.item, basket.amount)
        assert row is not None
        begun = Checkout(
            provider="manual", amount=basket.amount, currency=basket.currency, invoice=invoices.shown(system, row)
        )
        await audit.record(connection, principal, "checkout.created", row.id, after=begun, now=system.now())
    return begun


async def _issue(
    system: System, connection: AsyncConnection, organization_id: str, item: Item, amount: int
) -> InvoiceRow:
    # The subscription's lock comes before the counter's, as everywhere: see invoice_queries.
    await subscriptions.current(system, connection, organization_id, lock=True)
    line = invoices.Line(description=item.description, amount=amount)
    return await invoices.issue(system, connection, organization_id, [line], grants=item.credits)


async def _through_provider(system: System, principal: Principal, basket: Basket, return_url: str | None) -> Checkout:
    now = system.now()
    row = CheckoutRow(
        id=new_id(now),
        organization_id=principal.organization_id,
        provider=STRIPE,
        item=basket.item,
        invoice_id=basket.invoice.id if basket.invoice else None,
        currency=basket.currency,
        amount=basket.amount,
        state="open",
        created_at=now,
    )
    # Written before the provider is asked: whatever is paid there is known here.
    async with system.db.transaction() as connection:
        await invoice_queries.add_checkout(connection, row)
        await audit.record(connection, principal, "checkout.created", row.id, after=row, now=now)
    order = Order(
        checkout_id=row.id,
        description=basket.description,
        amount=basket.amount,
        currency=basket.currency,
        return_url=return_url or f"{system.settings.url}/",
    )
    try:
        session = await provider_of(system).start(order)
    except PaymentProviderFailed:
        async with system.db.transaction() as connection:
            await invoice_queries.end_checkout(connection, row.id, "expired")
        raise
    return Checkout(
        provider=STRIPE, amount=basket.amount, currency=basket.currency, url=session.url, checkout_id=row.id
    )


async def take_callback(system: System, body: bytes, signature: str) -> None:
    """What the provider tells, any number of times: the first that says "paid" has effect.

    Raises:
        NotAvailable: No provider is configured.
        InvalidRequest: The signature is wrong, or the sum is not what was asked for.
        NotFound: There is no such checkout.
    """
    callback = provider_of(system).read_callback(body, signature)
    if callback is None:
        return
    async with system.db.transaction() as connection:
        row = await invoice_queries.checkout(connection, callback.checkout_id) if is_id(callback.checkout_id) else None
        if row is None:
            raise NotFound("There is no such checkout.")
        if callback.outcome == "expired":
            if await invoice_queries.end_checkout(connection, row.id, "expired"):
                await _record(system, connection, row, "checkout.expired", callback)
            return
        if (callback.amount, callback.currency) != (row.amount, row.currency):
            raise InvalidRequest(f"The checkout is over {row.amount} {row.currency}.", code="amount_differs")
        if await invoice_queries.end_checkout(connection, row.id, "completed"):
            await _paid(system, connection, row, callback)
            await _record(system, connection, row, "checkout.completed", callback)


async def _record(
    system: System, connection: AsyncConnection, row: CheckoutRow, action: str, callback: Callback
) -> None:
    await audit.record(
        connection,
        None,
        action,
        row.id,
        before=row,
        after={"outcome": callback.outcome, "reference": callback.reference},
        now=system.now(),
        organization_id=row.organization_id,
        actor=row.provider,
    )


async def _paid(system: System, connection: AsyncConnection, row: CheckoutRow, callback: Callback) -> None:
    if row.item is not None:
        invoice = await _issue(system, connection, row.organization_id, row.item, row.amount)
    else:
        assert row.invoice_id is not None
        invoice = await invoices.find(connection, row.invoice_id, row.organization_id)
    now = system.now()
    if not await invoices.pay(connection, invoice, provider=STRIPE, reference=callback.reference, now=now):
        log.warning("invoice paid twice", invoice=invoice.number, provider=STRIPE, reference=callback.reference)
