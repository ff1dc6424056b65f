"""The Stripe client against the official stripe-mock, and callbacks signed as Stripe signs them."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from postmta_ctl.assembly import create_system
from postmta_ctl.clients.payments import Callback, Order, StripePayments
from postmta_ctl.errors import ConfigurationError, InvalidRequest, PaymentProviderFailed
from postmta_ctl.settings import Settings

SECRET = "whsec_test"
ORDER = Order(
    checkout_id="01a20320-a200-7016-b956-3f7a1e01bcb8",
    description="100 emails",
    amount=500,
    currency="EUR",
    return_url="https://app.example/",
)


@pytest.fixture(scope="module")
def stripe_mock() -> Iterator[str]:
    """The address of a running stripe-mock."""
    folders = (os.environ["PATH"], os.environ.get("GOBIN", ""), str(Path.home() / "go" / "bin"))
    program = shutil.which("stripe-mock", path=os.pathsep.join(filter(None, folders)))
    if program is None:
        pytest.skip("stripe-mock is not installed (go install github.com/stripe/stripe-mock@latest)")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    process = subprocess.Popen(
        [program, "-http-addr", f"127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("stripe-mock does not answer")


@pytest.fixture
async def stripe() -> AsyncIterator[StripePayments]:
    payments = StripePayments("sk_test_123", SECRET, base="http://127.0.0.1:1")
    yield payments
    await payments.close()


def signed(body: bytes, *, secret: str = SECRET, age: int = 0) -> str:
    """The Stripe-Signature header: HMAC-SHA256 over time and body."""
    at = int(time.time()) - age
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def event(kind: str = "checkout.session.completed", **changes: Any) -> bytes:
    session = {
        "id": "cs_test_1",
        "object": "checkout.session",
        "client_reference_id": ORDER.checkout_id,
        "payment_status": "paid",
        "amount_total": 500,
        "currency": "eur",
    }
    return json.dumps({"id": "evt_1", "type": kind, "data": {"object": session | changes}}).encode()


async def test_a_checkout_session_is_made(stripe_mock: str) -> None:
    payments = StripePayments("sk_test_123", SECRET, base=stripe_mock)
    session = await payments.start(ORDER)
    assert session.reference
    await payments.close()


async def test_what_stripe_refuses_is_an_error_of_ours(stripe_mock: str) -> None:
    payments = StripePayments("no key", SECRET, base=stripe_mock)
    with pytest.raises(PaymentProviderFailed, match="Stripe: "):
        await payments.start(ORDER)
    await payments.close()


async def test_stripe_that_cannot_be_reached(stripe: StripePayments) -> None:
    with pytest.raises(PaymentProviderFailed, match="Stripe: "):
        await stripe.start(ORDER)


async def test_genuine_callbacks(stripe: StripePayments) -> None:
    paid = Callback(checkout_id=ORDER.checkout_id, outcome="paid", reference="cs_test_1", amount=500, currency="EUR")
    for body, expected in (
        (event(), "paid"),
        (event("checkout.session.async_payment_succeeded"), "paid"),
        (event("checkout.session.expired", payment_status="unpaid"), "expired"),
        (event("checkout.session.async_payment_failed", payment_status="unpaid"), "expired"),
        (event(payment_status="unpaid"), None),
        (event(client_reference_id=None), None),
        (event("customer.created"), None),
    ):
        found = stripe.read_callback(body, signed(body))
        assert (found.outcome if found else None) == expected
    body = event()
    assert stripe.read_callback(body, signed(body)) == paid


async def test_forged_callbacks(stripe: StripePayments) -> None:
    body = event()
    for signature in (
        "",
        "v1=00",
        "t=1,v1=00",
        signed(body, secret="whsec_other"),
        signed(body, age=301),
        signed(event(amount_total=1)),
    ):
        with pytest.raises(InvalidRequest) as error:
            stripe.read_callback(body, signature)
        assert error.value.errors[0].code == "bad_signature"


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"type": "checkout.session.completed", "data": {"object": 5}}', b"\xff"]
)
async def test_signed_nonsense(stripe: StripePayments, body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        stripe.read_callback(body, signed(body))


async def test_a_callback_through_http(client: Any, ann: Any, system: Any, stripe: StripePayments) -> None:
    object.__setattr__(system, "payments", stripe)
    body = event("customer.created")
    for signature, status in ((signed(body), 204), ("t=1,v1=00", 422)):
        headers = {"Stripe-Signature": signature}
        answer = await client.post("/api/v1/billing/callbacks/stripe", content=body, headers=headers)
        assert answer.status_code == status
    object.__setattr__(system, "payments", None)


def test_half_a_configuration_stops_the_start(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="stripe_webhook_secret"):
        create_system(Settings(data_dir=tmp_path, stripe_api_key="sk_test_123"))
    monkeypatch.setitem(sys.modules, "stripe", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'postmta-ctl\[stripe\]'"):
        create_system(Settings(data_dir=tmp_path, stripe_api_key="sk_test_123", stripe_webhook_secret=SECRET))
