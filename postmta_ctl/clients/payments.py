"""Payment providers: what is asked of one, and Stripe by its official library."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import msgspec

from postmta_ctl.errors import ConfigurationError, InvalidRequest, PaymentProviderFailed

TOLERANCE_SECONDS = 300
"""How old a signed callback may be."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody is to pay."""

    checkout_id: str
    """Comes back in the callback, and makes a repeated request harmless."""
    description: str
    amount: int
    """In minor units."""
    currency: str
    return_url: str


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A page on which the order can be paid."""

    reference: str
    url: str


class Callback(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider told of a checkout."""

    checkout_id: str
    outcome: Literal["paid", "expired"]
    reference: str
    amount: int
    currency: str


class PaymentProvider(Protocol):
    """Somebody who takes money from customers."""

    async def start(self, order: Order) -> Session:
        """Make a page for the order.

        Raises:
            PaymentProviderFailed: The provider refused, or could not be reached.
        """
        ...

    async def close(self) -> None:
        """End its connections."""
        ...

    def read_callback(self, body: bytes, signature: str) -> Callback | None:
        """What a callback says; None when it is about something else.

        Raises:
            InvalidRequest: The signature is not the provider's, or too old.
        """
        ...


class _SessionObject(msgspec.Struct):
    """A Checkout Session as events carry it (Stripe API reference, The Checkout Session object)."""

    id: str
    client_reference_id: str | None = None
    payment_status: str = ""
    amount_total: int | None = None
    currency: str | None = None


class _Data(msgspec.Struct):
    object: msgspec.Raw


class _Event(msgspec.Struct):
    type: str
    data: _Data


_PAID = frozenset({"checkout.session.completed", "checkout.session.async_payment_succeeded"})
_EXPIRED = frozenset({"checkout.session.expired", "checkout.session.async_payment_failed"})


class StripePayments:
    """Stripe Checkout.

    Args:
        api_key: The secret key.
        webhook_secret: Signs callbacks.
        base: Where the API is.

    Raises:
        ConfigurationError: The ``stripe`` library is not installed, or there is no secret for callbacks.
    """

    def __init__(self, api_key: str, webhook_secret: str, *, base: str) -> None:
        if not webhook_secret:
            raise ConfigurationError("stripe_webhook_secret: is needed beside stripe_api_key")
        try:
            import stripe  # noqa: PLC0415 - an optional extra
        except ImportError:
            raise ConfigurationError(
                "stripe_api_key: needs the stripe library; pip install 'postmta-ctl[stripe]'"
            ) from None
        self._stripe = stripe
        self._secret = webhook_secret
        self._http = stripe.AIOHTTPClient(timeout=20)
        self._client = stripe.StripeClient(
            api_key, base_addresses={"api": base}, max_network_retries=2, http_client=self._http
        )

    async def start(self, order: Order) -> Session:
        """Make a Checkout Session."""
        price: Any = {
            "currency": order.currency.lower(),
            "unit_amount": order.amount,
            "product_data": {"name": order.description},
        }
        try:
            made = await self._client.v1.checkout.sessions.create_async(
                {
                    "mode": "payment",
                    "client_reference_id": order.checkout_id,
                    "line_items": [{"quantity": 1, "price_data": price}],
                    "success_url": order.return_url,
                    "cancel_url": order.return_url,
                },
                {"idempotency_key": order.checkout_id},
            )
        except self._stripe.StripeError as error:
            raise PaymentProviderFailed(f"Stripe: {error.user_message or type(error).__name__}") from error
        return Session(reference=made.id, url=made.url or "")

    async def close(self) -> None:
        """End the connections to Stripe."""
        await self._http.close_async()  # type: ignore[no-untyped-call]

    def read_callback(self, body: bytes, signature: str) -> Callback | None:
        """Check the signature, then read the event."""
        try:
            self._stripe.WebhookSignature.verify_header(body.decode(), signature, self._secret, TOLERANCE_SECONDS)
            event = msgspec.json.decode(body, type=_Event)
            if event.type not in _PAID | _EXPIRED:
                return None
            session = msgspec.json.decode(event.data.object, type=_SessionObject)
        except (self._stripe.SignatureVerificationError, UnicodeDecodeError) as error:
            raise InvalidRequest.of("Stripe-Signature", str(error), code="bad_signature") from None
        except msgspec.MsgspecError as error:
            raise InvalidRequest(f"The event cannot be read: {error}") from None
        return _callback(event.type, session)


def _callback(kind: str, session: _SessionObject) -> Callback | None:
    is_waiting = kind in _PAID and session.payment_status != "paid"
    if session.client_reference_id is None or is_waiting:
        return None
    return Callback(
        checkout_id=session.client_reference_id,
        outcome="paid" if kind in _PAID else "expired",
        reference=session.id,
        amount=session.amount_total or 0,
        currency=(session.currency or "").upper(),
    )
