"""Billing through HTTP: plans, periods, invoices and payments."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, update

from postmta_ctl.clients.payments import Callback, Order, Session
from postmta_ctl.core.ids import new_id
from postmta_ctl.errors import InvalidRequest, PaymentProviderFailed
from postmta_ctl.features.billing import invoice_queries
from postmta_ctl.features.billing import invoices as issuing
from postmta_ctl.features.billing.subscriptions import renew_ended
from postmta_ctl.features.credits import account, postings
from postmta_ctl.settings import BillingSettings, Settings
from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.tables import checkouts, counters, users
from tests.api.credits_support import CATALOGUE, MAIL, email, organization_of, sums_equal_balances
from tests.conftest import PASSWORD


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Everybody begins with the plan ``small``."""
    (tmp_path / "plans.toml").write_text(CATALOGUE)
    return msgspec.structs.replace(
        settings,
        plans_file=str(tmp_path / "plans.toml"),
        default_plan="small",
        access_token_seconds=10**9,
        billing=BillingSettings(seller_name="Seller & Sons", payment_instructions="Pay to IBAN X."),
    )


@pytest.fixture
def here(system: Any, db: Any) -> Any:
    """The system of the test's own event loop."""
    return dataclasses.replace(system, db=db)


@dataclass
class FakeProvider:
    """Makes pages to pay on, and believes callbacks signed "genuine"."""

    orders: list[Order] = field(default_factory=list)
    callbacks: list[Callback | None] = field(default_factory=list)
    fails: bool = False

    async def start(self, order: Order) -> Session:
        self.orders.append(order)
        if self.fails:
            raise PaymentProviderFailed("no")
        return Session(reference=f"cs_{order.checkout_id}", url="https://pay.example/")

    def read_callback(self, body: bytes, signature: str) -> Callback | None:
        if signature != "genuine":
            raise InvalidRequest.of("Stripe-Signature", "is wrong", code="bad_signature")
        return self.callbacks.pop(0)

    async def close(self) -> None:
        pass


@pytest.fixture
async def provider(system: Any) -> AsyncIterator[FakeProvider]:
    """The provider of a system that has one."""
    provider = FakeProvider()
    object.__setattr__(system, "payments", provider)
    yield provider
    object.__setattr__(system, "payments", None)


async def plan(client: Any, headers: Any) -> Any:
    answer = await client.get("/api/v1/billing/plan", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def change(client: Any, headers: Any, way: str, to: str) -> Any:
    return await client.post(f"/api/v1/billing/{way}", json={"plan": to}, headers=headers)


async def checkout(client: Any, headers: Any, **body: Any) -> Any:
    return await client.post("/api/v1/billing/checkout", json=body, headers=headers)


async def invoices(client: Any, headers: Any) -> list[Any]:
    found: list[Any] = (await client.get("/api/v1/billing/invoices", headers=headers)).json()["data"]
    return found


async def pay(client: Any, headers: Any, invoice_id: str) -> Any:
    body = {"reference": "statement 7"}
    return await client.post(f"/api/v1/billing/invoices/{invoice_id}/pay", json=body, headers=headers)


async def test_the_plan_with_its_limits_and_what_is_offered(client: Any, acme: Any) -> None:
    shown = await plan(client, acme)
    assert (shown["plan"]["id"], shown["plan"]["price"], shown["plan"]["currency"]) == ("small", 0, "EUR")
    assert shown["limits"] == [
        {"name": "users", "used": 1, "limit": 1},
        {"name": "domains", "used": 1, "limit": 1},
        {"name": "vmtas", "used": 0, "limit": 1},
        {"name": "webhooks", "used": 0, "limit": 1},
        {"name": "api_keys", "used": 0, "limit": 1},
    ]
    assert [one["id"] for one in shown["offered"]] == ["small", "middle", "large"]
    assert (shown["period_start"], shown["period_end"]) == ("2026-11-22T00:00:00Z", "2026-12-22T00:00:00Z")


async def test_an_upgrade_is_charged_for_the_rest_of_the_period(client: Any, ann: Any, clock: Any, db: Any) -> None:
    await plan(client, ann)
    clock.advance(days=14, hours=12)  # half of the 30 days
    answer = await change(client, ann, "upgrade", "middle")
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert shown["current"]["plan"]["id"] == "middle"
    assert shown["invoice"]["total"] == 1500
    assert shown["invoice"]["lines"] == [{"description": "Middle, 2026-12-07 to 2026-12-22", "amount": 1500}]
    assert (await email(client, ann))[0] == 10 + 495
    clock.advance(days=7, hours=12)
    shown = (await change(client, ann, "upgrade", "large")).json()
    assert [one["amount"] for one in shown["invoice"]["lines"]] == [2250, -750]
    assert shown["invoice"]["total"] == 1500
    assert (await email(client, ann))[0] == 10 + 495 + 1000
    assert [one["number"] for one in await invoices(client, ann)] == ["INV-000002", "INV-000001"]
    await sums_equal_balances(db)


async def test_only_a_larger_plan_is_an_upgrade(client: Any, ann: Any) -> None:
    for wanted, status, code in (
        ("small", 409, "not_an_upgrade"),
        ("own", 422, None),
        ("nothing", 422, None),
    ):
        answer = await change(client, ann, "upgrade", wanted)
        assert answer.status_code == status
        assert code is None or answer.json()["code"] == code
    await change(client, ann, "upgrade", "large")
    assert (await change(client, ann, "upgrade", "middle")).status_code == 409
    assert (await change(client, ann, "downgrade", "small")).status_code == 200


async def test_a_downgrade_takes_effect_when_the_period_ends(client: Any, ann: Any, clock: Any, here: Any) -> None:
    await change(client, ann, "upgrade", "middle")
    await client.post("/api/v1/credits/consume", json={"type": "email", "amount": 5}, headers=ann)
    answer = await change(client, ann, "downgrade", "small")
    assert (answer.json()["plan"]["id"], answer.json()["next_plan"]) == ("middle", "small")
    before = len(await invoices(client, ann))
    clock.moment = clock.moment.replace(month=12, day=21, hour=23)
    await renew_ended(here)
    assert (await plan(client, ann))["plan"]["id"] == "middle"
    clock.advance(hours=1)
    await renew_ended(here)
    shown = await plan(client, ann)
    assert (shown["plan"]["id"], shown["next_plan"]) == ("small", None)
    assert (shown["period_start"], shown["period_end"]) == ("2026-12-22T00:00:00Z", "2027-01-22T00:00:00Z")
    assert (await email(client, ann)) == (10, 0, 0)
    assert len(await invoices(client, ann)) == before
    await sums_equal_balances(here.db)


async def test_a_downgrade_can_be_taken_back(client: Any, ann: Any) -> None:
    await change(client, ann, "upgrade", "middle")
    await change(client, ann, "downgrade", "small")
    assert (await change(client, ann, "downgrade", "middle")).json()["next_plan"] is None
    assert (await change(client, ann, "downgrade", "large")).json()["code"] == "not_a_downgrade"


async def test_a_downgrade_names_all_that_does_not_fit(client: Any, acme: Any) -> None:
    await change(client, acme, "upgrade", "large")
    for name in ("b.test", "c.test"):
        assert (await client.post("/api/v1/domains", json={"domain": name}, headers=acme)).status_code == 201
    await client.post("/api/v1/credits/consume", json={"type": "email", "amount": 11}, headers=acme)
    answer = await change(client, acme, "downgrade", "small")
    assert (answer.status_code, answer.json()["code"]) == (409, "does_not_fit")
    assert [(one["field"], one["message"]) for one in answer.json()["errors"]] == [
        ("domains", "3 there, small has 1"),
        ("credits.email", "11 used in this period, small includes 10"),
    ]
    assert (await plan(client, acme))["next_plan"] is None
    assert (await change(client, acme, "downgrade", "middle")).status_code == 200


async def test_a_downgrade_that_fits_no_more_is_dropped(client: Any, acme: Any, clock: Any, db: Any, bob: Any) -> None:
    await change(client, acme, "upgrade", "middle")
    assert (await change(client, acme, "downgrade", "small")).status_code == 200
    acme_id = await organization_of(client, acme)
    async with db.transaction() as connection:
        await connection.execute(update(users).where(users.c.email == "bob@bolt.test").values(organization_id=acme_id))
    clock.advance(days=31)
    shown = await plan(client, acme)
    assert (shown["plan"]["id"], shown["next_plan"]) == ("middle", None)


async def test_a_plan_has_room_for_so_many(client: Any, acme: Any) -> None:
    answer = await client.post("/api/v1/domains", json={"domain": "b.test"}, headers=acme)
    assert (answer.status_code, answer.json()["code"]) == (409, "plan_limit_reached")
    vmta = {"name": "mx1", "ip_address": "192.0.2.1", "ehlo_domain": "mx1.acme.test"}
    assert (await client.post("/api/v1/vmtas", json=vmta, headers=acme)).status_code == 201
    more = vmta | {"name": "mx2", "ip_address": "192.0.2.2"}
    assert (await client.post("/api/v1/vmtas", json=more, headers=acme)).json()["code"] == "plan_limit_reached"
    await change(client, acme, "upgrade", "middle")
    assert (await client.post("/api/v1/vmtas", json=more, headers=acme)).status_code == 201
    assert (await client.post("/api/v1/domains", json={"domain": "b.test"}, headers=acme)).status_code == 201


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("webhooks", {"url": "https://example.com/hook", "events": ["message.queued"]}),
        ("api-keys", {"name": "k", "scopes": ["messages:read"]}),
    ],
)
async def test_a_plan_has_room_for_one(client: Any, ann: Any, path: str, body: Any) -> None:
    assert (await client.post(f"/api/v1/{path}", json=body, headers=ann)).status_code == 201
    answer = await client.post(f"/api/v1/{path}", json=body, headers=ann)
    assert (answer.status_code, answer.json()["code"]) == (409, "plan_limit_reached")
    await change(client, ann, "upgrade", "middle")
    assert (await client.post(f"/api/v1/{path}", json=body, headers=ann)).status_code == 201


async def test_users_are_invited_and_come_as_far_as_the_plan_has_room(client: Any, ann: Any) -> None:
    async def invite(name: str) -> Any:
        body = {"email": f"{name}@acme.test", "role": "viewer"}
        return await client.post("/api/v1/users/invitations", json=body, headers=ann)

    async def accept(name: str, invitation: Any) -> Any:
        body = {"email": f"{name}@acme.test", "password": PASSWORD, "invitation": invitation.json()["token"]}
        return await client.post("/api/v1/auth/register", json=body)

    assert (await invite("ben")).json()["code"] == "plan_limit_reached"
    await change(client, ann, "upgrade", "middle")
    ben, cat = await invite("ben"), await invite("cat")
    assert (await accept("ben", ben)).status_code == 201
    late = await accept("cat", cat)
    assert (late.status_code, late.json()["code"]) == (409, "plan_limit_reached")
    await change(client, ann, "upgrade", "large")
    assert (await accept("cat", cat)).status_code == 201, "the invitation was not used up"


async def test_an_allowance_lapses_and_what_was_bought_stays(client: Any, ann: Any, clock: Any, here: Any) -> None:
    organization_id = await organization_of(client, ann)
    await client.post("/api/v1/credits/consume", json={"type": "email", "amount": 4}, headers=ann)
    async with here.db.transaction() as connection:
        await postings.grant(connection, organization_id, "email", 100, cause="package", now=here.now())
    clock.advance(days=31)
    async with here.db.transaction() as connection:  # a request comes before the job
        await account.consume(here, connection, organization_id, "email", 1, cause="test")
    clock.advance(days=92)  # and then nobody for three months: one renewal, one allowance
    await renew_ended(here)
    async with here.db.transaction() as connection:
        entry = await account.consume(here, connection, organization_id, "email", 110, cause="test")
    assert entry.available == -110
    await sums_equal_balances(here.db)


async def test_each_month_of_a_priced_plan_is_invoiced(client: Any, ann: Any, clock: Any, here: Any, db: Any) -> None:
    await change(client, ann, "upgrade", "middle")
    organization_id = await organization_of(client, ann)
    clock.advance(days=31)
    assert not await renew_ended(here)
    clock.advance(days=62)
    await renew_ended(here)
    async with db.reading() as connection:
        rows = await invoice_queries.page_of_invoices(connection, organization_id, PageRequest())
    assert [(row.number, [line["description"] for line in row.lines], row.total) for row in rows] == [
        (3, ["Middle, 2027-01-22 to 2027-02-22", "Middle, 2027-02-22 to 2027-03-22"], 6000),
        (2, ["Middle, 2026-12-22 to 2027-01-22"], 3000),
        (1, ["Middle, 2026-11-22 to 2026-12-22"], rows[2].total),
    ]
    await sums_equal_balances(db)


async def test_packages_are_added_once_the_operator_has_the_money(client: Any, ann: Any, bob: Any, db: Any) -> None:
    answer = await checkout(client, bob, package="email-100")
    assert answer.status_code == 201
    made = answer.json()
    assert (made["provider"], made["amount"], made["currency"], made["url"]) == ("manual", 500, "EUR", None)
    invoice = made["invoice"]
    assert (invoice["status"], invoice["payment_instructions"]) == ("open", "Pay to IBAN X.")
    assert (await email(client, bob))[0] == 10
    assert (await pay(client, bob, invoice["id"])).status_code == 403
    paid = await pay(client, ann, invoice["id"])
    assert (paid.status_code, paid.json()["status"], paid.json()["payment_instructions"]) == (200, "paid", "")
    assert (await email(client, bob))[0] == 110
    assert (await pay(client, ann, invoice["id"])).json()["code"] == "already_paid"
    assert (await email(client, bob))[0] == 110
    await sums_equal_balances(db)


async def test_what_cannot_be_bought(client: Any, ann: Any, bob: Any) -> None:
    invoice = (await checkout(client, bob, package="email-100")).json()["invoice"]["id"]
    for headers, body, status, code in (
        (bob, {}, 422, "invalid_request"),
        (bob, {"package": "email-100", "invoice_id": invoice}, 422, "invalid_request"),
        (bob, {"package": "nothing"}, 422, "invalid_request"),
        (ann, {"invoice_id": invoice}, 404, "not_found"),
        (bob, {"invoice_id": "nothing"}, 404, "not_found"),
        (bob, {"package": "email-100", "provider": "stripe"}, 501, "not_available"),
    ):
        answer = await checkout(client, headers, **body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), body
    again = await checkout(client, bob, invoice_id=invoice)
    assert again.json()["invoice"]["id"] == invoice
    await pay(client, ann, invoice)
    assert (await checkout(client, bob, invoice_id=invoice)).json()["code"] == "already_paid"


async def test_who_does_not_pay_buys_no_more(client: Any, ann: Any, clock: Any, settings: Settings) -> None:
    for _ in range(20):
        assert (await checkout(client, ann, package="email-100")).status_code == 201
    assert (await checkout(client, ann, package="email-100")).json()["code"] == "too_many_open_invoices"
    clock.advance(seconds=3000)
    for one in (await invoices(client, ann))[1:]:
        await pay(client, ann, one["id"])
    assert (await checkout(client, ann, package="email-100")).status_code == 201
    clock.advance(days=15)
    assert (await checkout(client, ann, package="email-100")).json()["code"] == "invoice_overdue"
    assert (await change(client, ann, "upgrade", "middle")).json()["code"] == "invoice_overdue"
    assert {one["status"] for one in await invoices(client, ann)} == {"overdue", "paid"}


async def test_numbers_have_no_gaps_when_a_transaction_fails(client: Any, ann: Any, bob: Any, here: Any) -> None:
    await checkout(client, ann, package="email-100")
    organization_id = await organization_of(client, ann)
    with pytest.raises(RuntimeError):
        async with here.db.transaction() as connection:
            line = issuing.Line(description="never", amount=1)
            await issuing.issue(here, connection, organization_id, [line])
            raise RuntimeError
    await checkout(client, bob, package="email-100")
    await checkout(client, ann, package="email-100")
    numbers = [one["number"] for headers in (ann, bob) for one in await invoices(client, headers)]
    assert sorted(numbers) == ["INV-000001", "INV-000002", "INV-000003"]
    async with here.db.reading() as connection:
        assert (await connection.execute(select(counters.c.value))).scalar_one() == 3


async def test_an_invoice_shows_everybody_as_they_were_and_escapes_it(client: Any, ann: Any) -> None:
    details = {
        "legal_name": "<script>alert(1)</script> & Co",
        "address": 'Main Street "1"\n10115 Berlin',
        "country": "DE",
        "tax_id": "DE123456789",
    }
    answer = await client.put("/api/v1/billing/organization", json=details, headers=ann)
    assert (answer.status_code, answer.json()) == (200, details)
    assert (await client.get("/api/v1/billing/organization", headers=ann)).json() == details
    invoice = (await checkout(client, ann, package="email-100")).json()["invoice"]
    await client.put("/api/v1/billing/organization", json={"legal_name": "Other"}, headers=ann)
    path = f"/api/v1/billing/invoices/{invoice['id']}"
    shown = (await client.get(path, headers=ann)).json()
    assert shown == invoice
    assert shown["buyer"] == details
    page = await client.get(path, params={"format": "html"}, headers=ann)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text
    for text in ("&lt;script&gt;alert(1)&lt;/script&gt; &amp; Co", "Seller &amp; Sons", "INV-000001", "5.00 EUR"):
        assert text in page.text
    assert (await client.get(path, params={"format": "pdf"}, headers=ann)).status_code == 422


async def test_an_invoice_without_details_names_the_organization(client: Any, ann: Any) -> None:
    assert (await client.get("/api/v1/billing/organization", headers=ann)).json()["legal_name"] == ""
    invoice = (await checkout(client, ann, package="email-100")).json()["invoice"]
    assert invoice["buyer"]["legal_name"] == "acme"


@pytest.mark.parametrize("wrong", [{"country": "Germany"}, {"country": "de"}, {"tax_id": "x" * 51}, {"vat": "1"}])
async def test_details_that_make_no_sense(client: Any, ann: Any, wrong: Any) -> None:
    assert (await client.put("/api/v1/billing/organization", json=wrong, headers=ann)).status_code == 422


async def test_an_organization_sees_only_its_own(client: Any, ann: Any, bob: Any) -> None:
    invoice = (await checkout(client, ann, package="email-100")).json()["invoice"]["id"]
    await client.put("/api/v1/billing/organization", json={"legal_name": "Acme Ltd"}, headers=ann)
    assert (await client.get(f"/api/v1/billing/invoices/{invoice}", headers=bob)).status_code == 404
    assert (await client.get("/api/v1/billing/invoices/nothing", headers=bob)).status_code == 404
    assert await invoices(client, bob) == []
    assert (await client.get("/api/v1/billing/organization", headers=bob)).json()["legal_name"] == ""
    await change(client, ann, "upgrade", "large")
    assert (await plan(client, bob))["plan"]["id"] == "small"


async def test_usage_by_period(client: Any, acme: Any, clock: Any) -> None:
    await client.post("/api/v1/messages/send", json=MAIL | {"to": ["a@x.test", "b@x.test"]}, headers=acme)
    clock.advance(days=35)
    await client.post("/api/v1/credits/consume", json={"type": "av_scan", "amount": 3}, headers=acme)
    data = (await client.get("/api/v1/billing/usage-rollup", headers=acme)).json()["data"]
    assert [(one["start"][:10], one["end"][:10]) for one in data] == [
        ("2026-12-22", "2027-01-22"),
        ("2026-11-22", "2026-12-22"),
    ]
    assert [one["used"] for one in data] == [
        {"email": 0, "spam_check": 0, "av_scan": 3, "dnsbl_check": 0},
        {"email": 2, "spam_check": 0, "av_scan": 0, "dnsbl_check": 0},
    ]
    assert [one["granted"]["email"] for one in data] == [10, 10]
    one = (await client.get("/api/v1/billing/usage-rollup", params={"periods": 1}, headers=acme)).json()["data"]
    assert one == data[:1]
    for wrong in (0, 25, -1):
        answer = await client.get("/api/v1/billing/usage-rollup", params={"periods": wrong}, headers=acme)
        assert answer.status_code == 422


async def test_the_operator_assigns_any_plan(client: Any, ann: Any, bob: Any, db: Any) -> None:
    bolt = await organization_of(client, bob)
    path = f"/api/v1/billing/organizations/{bolt}/plan"
    await client.post("/api/v1/credits/consume", json={"type": "email", "amount": 4}, headers=bob)
    assert (await client.put(path, json={"plan": "large"}, headers=bob)).status_code == 403
    assert (await client.put(path, json={"plan": "large"}, headers=ann)).json()["plan"]["id"] == "large"
    assert (await email(client, bob))[0] == 5000
    await client.put(path, json={"plan": "small"}, headers=ann)
    assert (await email(client, bob))[0] == 10
    assert (await client.put(path, json={"plan": "own"}, headers=ann)).status_code == 200
    assert await email(client, bob) == (None, 0, 4)
    assert (await client.put(path, json={"plan": "nothing"}, headers=ann)).status_code == 422
    nobody = "/api/v1/billing/organizations/nobody/plan"
    assert (await client.put(nobody, json={"plan": "own"}, headers=ann)).status_code == 404
    assert await invoices(client, bob) == []
    await sums_equal_balances(db)


async def test_only_owners_and_admins(client: Any, ann: Any) -> None:
    scopes = ["account:read", "credits:read", "messages:send"]
    made = await client.post("/api/v1/api-keys", json={"name": "k", "scopes": scopes}, headers=ann)
    key = {"X-API-Key": made.json()["secret"]}
    for path in ("plan", "invoices", "usage-rollup", "organization"):
        assert (await client.get(f"/api/v1/billing/{path}", headers=key)).status_code == 403
    for path in ("upgrade", "downgrade", "checkout"):
        assert (await client.post(f"/api/v1/billing/{path}", json={"plan": "x"}, headers=key)).status_code == 403


async def callback(client: Any, signature: str = "genuine") -> int:
    answer = await client.post(
        "/api/v1/billing/callbacks/stripe", content=b"{}", headers={"Stripe-Signature": signature}
    )
    status: int = answer.status_code
    return status


def told(order: Order, outcome: Any = "paid", **changes: Any) -> Callback:
    made = Callback(
        checkout_id=order.checkout_id, outcome=outcome, reference="cs_1", amount=order.amount, currency=order.currency
    )
    return msgspec.structs.replace(made, **changes)


async def test_a_provider_is_paid_once_however_often_it_tells(
    client: Any, ann: Any, provider: FakeProvider, db: Any
) -> None:
    answer = await checkout(client, ann, package="email-100", return_url="https://app.example/done")
    assert answer.json()["url"] == "https://pay.example/"
    (order,) = provider.orders
    assert (order.amount, order.currency, order.return_url) == (500, "EUR", "https://app.example/done")
    assert await invoices(client, ann) == []
    provider.callbacks = [told(order, "expired"), told(order), told(order), told(order, "expired")]
    assert [await callback(client) for _ in range(4)] == [204] * 4
    assert (await email(client, ann))[0] == 110
    (invoice,) = await invoices(client, ann)
    assert (invoice["status"], invoice["total"]) == ("paid", 500)
    async with db.reading() as connection:
        assert list(await connection.scalars(select(checkouts.c.state))) == ["completed"]
    await sums_equal_balances(db)


async def test_an_upgrade_is_paid_through_the_provider(client: Any, ann: Any, provider: FakeProvider) -> None:
    invoice = (await change(client, ann, "upgrade", "middle")).json()["invoice"]
    await checkout(client, ann, invoice_id=invoice["id"])
    provider.callbacks = [told(provider.orders[0])]
    assert await callback(client) == 204
    (shown,) = await invoices(client, ann)
    assert (shown["id"], shown["status"]) == (invoice["id"], "paid")


async def test_callbacks_that_are_not_believed(client: Any, ann: Any, provider: FakeProvider, clock: Any) -> None:
    await checkout(client, ann, package="email-100")
    order = provider.orders[0]
    assert await callback(client, "forged") == 422
    provider.callbacks = [
        told(order, amount=1),
        told(order, currency="JPY"),
        told(order, checkout_id="nothing"),
        told(order, checkout_id=new_id(clock())),
        None,
    ]
    assert [await callback(client) for _ in range(5)] == [422, 422, 404, 404, 204]
    assert (await email(client, ann))[0] == 10
    assert await invoices(client, ann) == []


async def test_a_provider_that_fails(client: Any, ann: Any, provider: FakeProvider) -> None:
    provider.fails = True
    answer = await checkout(client, ann, package="email-100")
    assert (answer.status_code, answer.json()["code"]) == (502, "payment_provider_failed")
    # Its answer was lost on the way, and the customer paid all the same.
    provider.callbacks = [told(provider.orders[0])]
    assert await callback(client) == 204
    assert (await email(client, ann))[0] == 110


async def test_without_a_provider_there_are_no_callbacks(client: Any, ann: Any) -> None:
    assert await callback(client) == 501


async def test_of_two_who_change_the_details_the_second_learns_of_the_first(client: Any, ann: Any) -> None:
    path = "/api/v1/billing/organization"
    known = {"If-Match": (await client.get(path, headers=ann)).headers["etag"]}
    first = await client.put(path, json={"legal_name": "Acme Ltd"}, headers=ann | known)
    assert first.status_code == 200
    second = await client.put(path, json={"legal_name": "Acme Inc"}, headers=ann | known)
    assert (second.status_code, second.json()["code"]) == (412, "precondition_failed")
    answer = await client.get(path, headers=ann)
    assert (answer.json()["legal_name"], answer.headers["etag"]) == ("Acme Ltd", first.headers["etag"])
