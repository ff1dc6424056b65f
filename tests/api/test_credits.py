"""Credits through HTTP: balances, spending, the ledger, usage and alerts."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from postmta_ctl.core.ids import new_id
from postmta_ctl.errors import InsufficientCredits
from postmta_ctl.features.auth.principal import ADMIN, Principal
from postmta_ctl.features.credits import account, postings
from postmta_ctl.features.credits.alerts import watch_balances
from postmta_ctl.features.messages import service as messages
from postmta_ctl.features.messages.schemas import SendRequest
from postmta_ctl.settings import Settings
from postmta_ctl.store.engine import Database
from postmta_ctl.store.tables import credit_entries, events, outbox, recipients
from tests.api.credits_support import CATALOGUE, MAIL, email, organization_of, sums_equal_balances
from tests.conftest import verify_domain

FRESH = {"email": (10, 0), "spam_check": (0, 0), "av_scan": (5, 0), "dnsbl_check": (0, 0)}


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Everybody begins with the plan ``small``: 10 emails, 5 scans."""
    (tmp_path / "plans.toml").write_text(CATALOGUE)
    return msgspec.structs.replace(
        settings, plans_file=str(tmp_path / "plans.toml"), default_plan="small", access_token_seconds=10**9
    )


@pytest.fixture
def here(system: Any, db: Any) -> Any:
    """The system of the test's own event loop."""
    return dataclasses.replace(system, db=db)


async def balances(client: Any, headers: Any) -> dict[str, tuple[int, int]]:
    answer = await client.get("/api/v1/credits", headers=headers)
    assert answer.status_code == 200, answer.text
    return {one["type"]: (one["available"], one["reserved"]) for one in answer.json()["data"]}


async def send(client: Any, headers: Any, **changes: Any) -> Any:
    return await client.post("/api/v1/messages/send", json=MAIL | changes, headers=headers)


def people(count: int) -> list[str]:
    return [f"r{number}@example.org" for number in range(count)]


async def ledger(client: Any, headers: Any, **params: Any) -> list[tuple[Any, ...]]:
    """Type, entry, change of available and of reserved, oldest first."""
    data = (await client.get("/api/v1/credits/ledger", params=params, headers=headers)).json()["data"]
    return [(one["type"], one["entry"], one["available"], one["reserved"]) for one in reversed(data)]


async def test_a_new_organization_has_its_plans_allowance(client: Any, ann: Any, db: Any) -> None:
    assert await balances(client, ann) == FRESH
    shown = (await client.get("/api/v1/credits", headers=ann)).json()
    assert shown["plan"] == "small"
    assert shown["period_start"] == "2026-11-22T00:00:00Z"
    assert shown["period_end"] == "2026-12-22T00:00:00Z"
    assert await ledger(client, ann) == [("av_scan", "grant", 5, 0), ("email", "grant", 10, 0)]
    await sums_equal_balances(db)


async def test_sending_reserves_a_credit_for_each_recipient(client: Any, acme: Any, db: Any) -> None:
    assert (await send(client, acme, to=people(3))).status_code == 202
    assert await email(client, acme) == (7, 3, 3)
    batch = {"messages": [MAIL | {"to": people(2)}, {"from": "nobody"}, MAIL]}
    answer = await client.post("/api/v1/messages/batch", json=batch, headers=acme)
    assert answer.json()["accepted"] == 2
    assert await email(client, acme) == (4, 6, 6)
    await sums_equal_balances(db)


async def test_what_is_not_covered_is_refused_whole(client: Any, acme: Any, db: Any) -> None:
    answer = await send(client, acme, to=people(11))
    assert answer.status_code == 402
    problem = answer.json()
    assert problem["code"] == "insufficient_credits"
    assert problem["detail"] == "email credits: 11 needed, 10 available."
    assert problem["errors"][0]["field"] == "credits.email"
    async with db.reading() as connection:
        assert (await connection.execute(select(recipients.c.id))).all() == []
    assert await email(client, acme) == (10, 0, 0)
    assert (await send(client, acme, to=people(10))).status_code == 202
    assert (await send(client, acme)).json()["detail"] == "email credits: 1 needed, 0 available."


async def test_a_batch_that_is_not_covered_is_refused_whole_and_may_come_again(client: Any, acme: Any) -> None:
    batch, key = {"messages": [MAIL | {"to": people(6)}] * 2}, acme | {"Idempotency-Key": "k1"}
    refused = await client.post("/api/v1/messages/batch", json=batch, headers=key)
    assert refused.status_code == 402
    assert await email(client, acme) == (10, 0, 0)
    grant = {"organization_id": await organization_of(client, acme), "type": "email", "amount": 2, "reason": "test"}
    assert (await client.post("/api/v1/credits/grant", json=grant, headers=acme)).status_code == 201
    assert (await client.post("/api/v1/messages/batch", json=batch, headers=key)).status_code == 202
    assert (await client.post("/api/v1/messages/batch", json=batch, headers=key)).status_code == 202
    assert await email(client, acme) == (0, 12, 12)


async def test_a_hundred_parallel_sends_never_overspend(client: Any, acme: Any, here: Any, settings: Settings) -> None:
    """From several connection pools, as if from several processes; 37 are covered."""
    organization_id = await organization_of(client, acme)
    async with here.db.transaction() as connection:
        wish = account.Wish(organization_id=organization_id, recipients=10, reference="all")
        assert await account.reserve(here, connection, [wish], cause="test") == [1]
        await postings.grant(connection, organization_id, "email", 37, cause="test", now=here.now())
    principal = Principal(organization_id=organization_id, organization="acme", role="owner", scopes=ADMIN)
    request = msgspec.convert(MAIL, SendRequest)
    processes = [dataclasses.replace(here, db=Database(settings.database)) for _ in range(4)]
    sends = (messages.send(processes[number % 4], principal, request, None) for number in range(100))
    answers = await asyncio.gather(*sends, return_exceptions=True)
    refused = [one for one in answers if isinstance(one, InsufficientCredits)]
    assert [one for one in answers if isinstance(one, BaseException) and one not in refused] == []
    assert len(refused) == 63
    assert await email(client, acme) == (0, 47, 47)
    async with here.db.reading() as connection:
        assert len((await connection.execute(select(recipients.c.id))).all()) == 37
    await sums_equal_balances(here.db)
    for one in processes:
        await one.db.close()


async def test_parallel_first_requests_open_one_account(client: Any, ann: Any, here: Any, settings: Settings) -> None:
    organization_id = await organization_of(client, ann)
    processes = [dataclasses.replace(here, db=Database(settings.database)) for _ in range(4)]

    async def consume(one: Any) -> None:
        async with one.db.transaction() as connection:
            await account.consume(one, connection, organization_id, "av_scan", 1, cause="test")

    await asyncio.gather(*(consume(one) for one in processes))
    assert (await balances(client, ann))["av_scan"] == (1, 0)
    await sums_equal_balances(here.db)
    for one in processes:
        await one.db.close()


async def test_checks_consume_credits(client: Any, ann: Any, db: Any) -> None:
    body = {"type": "av_scan", "amount": 2, "reference": "scan-1"}
    answer = await client.post("/api/v1/credits/consume", json=body, headers=ann)
    assert answer.status_code == 200
    assert answer.json()["entry"]["available"] == -2
    assert answer.json()["balance"]["available"] == 3
    again = await client.post("/api/v1/credits/consume", json=body, headers=ann)
    assert again.json() == answer.json()
    other = await client.post("/api/v1/credits/consume", json=body | {"amount": 1}, headers=ann)
    assert (other.status_code, other.json()["code"]) == (409, "reference_reused")
    await client.post("/api/v1/credits/consume", json={"type": "email"}, headers=ann)
    assert await balances(client, ann) == FRESH | {"av_scan": (3, 0), "email": (9, 0)}
    refused = await client.post("/api/v1/credits/consume", json={"type": "av_scan", "amount": 4}, headers=ann)
    assert refused.status_code == 402
    assert refused.json()["detail"] == "av_scan credits: 4 needed, 3 available."
    none = await client.post("/api/v1/credits/consume", json={"type": "dnsbl_check"}, headers=ann)
    assert none.json()["detail"] == "dnsbl_check credits: 1 needed, 0 available."
    await sums_equal_balances(db)


@pytest.mark.parametrize(
    "body",
    [
        {"type": "fax"},
        {"type": "av_scan", "amount": 0},
        {"type": "av_scan", "amount": -1},
        {"type": "av_scan", "amount": 10**9 + 1},
        {"type": "av_scan", "amount": 10**30},
        {"type": "av_scan", "amount": 1.5},
        {"type": "av_scan", "amount": "one"},
        {"type": "av_scan", "reference": ""},
        {"type": "av_scan", "reference": "x" * 256},
        {"type": "av_scan", "price": 1},
        {},
    ],
)
async def test_what_cannot_be_consumed(client: Any, ann: Any, body: Any) -> None:
    answer = await client.post("/api/v1/credits/consume", json=body, headers=ann)
    assert answer.status_code == 422, answer.text
    assert await balances(client, ann) == FRESH


async def test_one_type_and_none(client: Any, ann: Any) -> None:
    answer = await client.get("/api/v1/credits/av_scan", headers=ann)
    assert answer.json() == {
        "type": "av_scan",
        "unmetered": False,
        "available": 5,
        "reserved": 0,
        "included": 5,
        "used": 0,
    }
    assert (await client.get("/api/v1/credits/fax", headers=ann)).status_code == 404


async def test_only_operators_grant(client: Any, ann: Any, bob: Any, db: Any, clock: Any) -> None:
    bolt = await organization_of(client, bob)
    body = {"organization_id": bolt, "type": "spam_check", "amount": 7, "reason": "welcome"}
    assert (await client.post("/api/v1/credits/grant", json=body, headers=bob)).status_code == 403
    made = await client.post("/api/v1/credits/grant", json=body, headers=ann)
    assert made.status_code == 201
    assert (made.json()["note"], made.json()["reference"]) == ("welcome", "ann@acme.test")
    assert (await balances(client, bob))["spam_check"] == (7, 0)
    assert await balances(client, ann) == FRESH
    for wrong, status in (
        ({"organization_id": "nobody"}, 404),
        ({"organization_id": new_id(clock())}, 404),
        ({"amount": -5}, 422),
        ({"amount": 0}, 422),
        ({"amount": 10**12 + 1}, 422),
        ({"reason": ""}, 422),
        ({"type": "fax"}, 422),
    ):
        answer = await client.post("/api/v1/credits/grant", json=body | wrong, headers=ann)
        assert answer.status_code == status, wrong
    await sums_equal_balances(db)


async def test_no_balance_grows_beyond_what_json_holds(client: Any, ann: Any, here: Any) -> None:
    organization_id = await organization_of(client, ann)
    async with here.db.transaction() as connection:
        await postings.grant(connection, organization_id, "email", 10**15 - 5, cause="test", now=here.now())
    body = {"organization_id": organization_id, "type": "email", "amount": 6, "reason": "more"}
    assert (await client.post("/api/v1/credits/grant", json=body, headers=ann)).status_code == 422


async def test_an_organization_sees_only_its_own(client: Any, acme: Any, bob: Any) -> None:
    await send(client, acme, to=people(4))
    alert = (await client.post("/api/v1/credits/alerts", json={"type": "email", "threshold": 3}, headers=acme)).json()
    assert await balances(client, bob) == FRESH
    assert (await client.get("/api/v1/credits/alerts", headers=bob)).json() == {"data": []}
    assert (await client.delete(f"/api/v1/credits/alerts/{alert['id']}", headers=bob)).status_code == 404
    used = (await client.get("/api/v1/credits/usage", headers=bob)).json()
    assert set(used["totals"].values()) == {0}
    assert all(entry[1] == "grant" for entry in await ledger(client, bob))


async def test_usage_by_day_is_filled_with_zeros(client: Any, acme: Any, clock: Any) -> None:
    await send(client, acme, to=people(3))
    clock.advance(days=1)
    await client.post("/api/v1/credits/consume", json={"type": "av_scan"}, headers=acme)
    clock.advance(days=1)
    await send(client, acme)
    shown = (await client.get("/api/v1/credits/usage", params={"period": "4d"}, headers=acme)).json()
    assert (shown["start"], shown["end"]) == ("2026-11-21", "2026-11-24")
    assert len(shown["data"]) == 4 * 4
    used = {(one["day"][-2:], one["type"]): one["used"] for one in shown["data"] if one["used"]}
    assert used == {("22", "email"): 3, ("23", "av_scan"): 1, ("24", "email"): 1}
    assert shown["totals"] == {"email": 4, "av_scan": 1, "spam_check": 0, "dnsbl_check": 0}
    params = {"from": "2026-11-22", "to": "2026-11-23", "type": "email"}
    shown = (await client.get("/api/v1/credits/usage", params=params, headers=acme)).json()
    assert [(one["day"], one["used"], one["granted"]) for one in shown["data"]] == [
        ("2026-11-22", 3, 10),
        ("2026-11-23", 0, 0),
    ]


@pytest.mark.parametrize(
    "params",
    [
        {"period": "7"},
        {"period": "7h"},
        {"from": "yesterday"},
        {"from": "2026-11-23", "to": "2026-11-22"},
        {"from": "2020-01-01"},
        {"period": "7d", "from": "2026-11-01"},
        {"type": "fax"},
    ],
)
async def test_a_range_that_is_none(client: Any, ann: Any, params: Any) -> None:
    answer = await client.get("/api/v1/credits/usage", params=params, headers=ann)
    assert answer.status_code == 422
    assert answer.json()["errors"]


async def test_the_ledger_has_pages(client: Any, ann: Any) -> None:
    for _ in range(4):
        await client.post("/api/v1/credits/consume", json={"type": "av_scan"}, headers=ann)
    first = (await client.get("/api/v1/credits/ledger", params={"limit": 4}, headers=ann)).json()
    assert [one["entry"] for one in first["data"]] == ["consume"] * 4
    rest = await client.get("/api/v1/credits/ledger", params={"cursor": first["next_cursor"]}, headers=ann)
    assert [one["entry"] for one in rest.json()["data"]] == ["grant", "grant"]
    assert await ledger(client, ann, type="email") == [("email", "grant", 10, 0)]


async def test_an_alert_fires_once_for_each_crossing(client: Any, acme: Any, here: Any) -> None:
    organization_id = await organization_of(client, acme)
    for threshold in (8, 3):
        body = {"type": "email", "threshold": threshold}
        assert (await client.post("/api/v1/credits/alerts", json=body, headers=acme)).status_code == 201
    assert (
        await client.post("/api/v1/credits/alerts", json={"type": "email", "threshold": 3}, headers=acme)
    ).status_code == 409

    async def fired() -> list[tuple[int, int]]:
        await watch_balances(here)
        await watch_balances(here)
        query = select(events.c.details).where(
            events.c.type == "credits.low", events.c.organization_id == organization_id
        )
        async with here.db.reading() as connection:
            found = [row.details for row in await connection.execute(query.order_by(events.c.id))]
        return [(one["threshold"], one["available"]) for one in found]

    assert await fired() == []
    await send(client, acme, to=people(2))
    assert await fired() == [(8, 8)]
    await send(client, acme, to=people(4))
    assert await fired() == [(8, 8)]
    await send(client, acme, to=people(4))
    assert await fired() == [(8, 8), (3, 0)]
    async with here.db.transaction() as connection:
        await postings.grant(connection, organization_id, "email", 100, cause="test", now=here.now())
    assert await fired() == [(8, 8), (3, 0)]
    assert {one["fired_at"] for one in (await client.get("/api/v1/credits/alerts", headers=acme)).json()["data"]} == {
        None
    }
    await client.post("/api/v1/credits/consume", json={"type": "email", "amount": 95}, headers=acme)
    assert await fired() == [(8, 8), (3, 0), (8, 5)]


async def test_a_low_balance_is_told_to_webhooks(client: Any, ann: Any, here: Any) -> None:
    hook = {"url": "https://example.com/hook", "events": ["credits.low"]}
    made = await client.post("/api/v1/webhooks", json=hook, headers=ann)
    assert made.status_code == 201, made.text
    await client.post("/api/v1/credits/alerts", json={"type": "av_scan", "threshold": 5}, headers=ann)
    await client.get("/api/v1/credits", headers=ann)
    await watch_balances(here)
    hook_id = made.json().get("id") or made.json()["webhook"]["id"]
    log = (await client.get(f"/api/v1/webhooks/{hook_id}/deliveries", headers=ann)).json()
    assert [one["type"] for one in log["data"]] == ["credits.low"]


async def test_alerts_can_be_deleted_and_are_bounded(client: Any, ann: Any) -> None:
    made = [
        (await client.post("/api/v1/credits/alerts", json={"type": "email", "threshold": n}, headers=ann)).json()
        for n in range(50)
    ]
    more = await client.post("/api/v1/credits/alerts", json={"type": "email", "threshold": 50}, headers=ann)
    assert (more.status_code, more.json()["code"]) == (409, "too_many_alerts")
    assert (await client.delete(f"/api/v1/credits/alerts/{made[0]['id']}", headers=ann)).status_code == 204
    assert (await client.delete(f"/api/v1/credits/alerts/{made[0]['id']}", headers=ann)).status_code == 404
    assert (await client.delete("/api/v1/credits/alerts/nothing", headers=ann)).status_code == 404
    wrong = await client.post("/api/v1/credits/alerts", json={"type": "email", "threshold": -1}, headers=ann)
    assert wrong.status_code == 422


async def test_packages_are_shown_in_minor_units(client: Any, ann: Any) -> None:
    shown = (await client.get("/api/v1/credits/packages", headers=ann)).json()
    assert shown["data"] == [
        {
            "id": "email-100",
            "name": "100 emails",
            "type": "email",
            "amount": 100,
            "price": {"amount": 500, "currency": "EUR"},
        }
    ]


async def test_the_scopes(client: Any, ann: Any) -> None:
    made = await client.post("/api/v1/api-keys", json={"name": "k", "scopes": ["credits:read"]}, headers=ann)
    key = {"X-API-Key": made.json()["secret"]}
    assert (await client.get("/api/v1/credits", headers=key)).status_code == 200
    for path in ("consume", "alerts", "grant"):
        answer = await client.post(f"/api/v1/credits/{path}", json={"type": "email", "threshold": 1}, headers=key)
        assert answer.status_code == 403
    assert (await client.get("/api/v1/credits")).status_code == 401


async def test_any_mixture_of_doings_leaves_the_sums_equal(client: Any, ann: Any, bob: Any, here: Any) -> None:
    """Two organizations, all kinds of entries, some refused: after each step the ledger explains the balances."""
    chance = random.Random(20261122)
    organizations = [await organization_of(client, one) for one in (ann, bob)]
    held: list[str] = []
    for step in range(120):
        organization_id, amount = chance.choice(organizations), chance.randint(1, 6)
        doing = chance.choice(["reserve", "consume", "grant", "settled", "refunded"])
        try:
            async with here.db.transaction() as connection:
                if doing == "reserve":
                    wish = account.Wish(organization_id=organization_id, recipients=amount, reference=str(step))
                    (charge,) = await account.reserve(here, connection, [wish], cause="test")
                    held += [organization_id] * amount if charge == 1 else []
                elif doing == "consume":
                    await account.consume(here, connection, organization_id, "email", amount, cause="test")
                elif doing == "grant":
                    await postings.grant(connection, organization_id, "email", amount, cause="test", now=here.now())
                elif held:
                    ended, held = held[:amount], held[amount:]
                    await account.finish(
                        connection, [(one, doing, 1) for one in ended], here.now(), cause="test", reference="x"
                    )
        except InsufficientCredits:
            pass
        if step % 10 == 0:
            await sums_equal_balances(here.db)
    await sums_equal_balances(here.db)
    async with here.db.reading() as connection:
        kinds = set(await connection.scalars(select(credit_entries.c.entry)))
    assert kinds == {"grant", "reserve", "consume", "settle", "refund"}
    for one, headers in zip(organizations, (ann, bob), strict=True):
        assert (await email(client, headers))[1] == held.count(one)


@pytest.fixture
async def notices(client: Any, resolver: Any, system: Any, here: Any, ann: Any) -> None:
    """The installation sends mail of its own, as the organization ``acme``."""
    await verify_domain(client, resolver, ann, "post.example")
    chosen = {"notice_from": "Billing <billing@post.example>", "notice_organization": "acme"}
    for one in (system, here):
        object.__setattr__(one, "settings", msgspec.structs.replace(one.settings, **chosen))


async def notices_of(client: Any, headers: Any) -> list[Any]:
    found: list[Any] = (await client.get("/api/v1/messages?tag=notice", headers=headers)).json()["data"]
    return found


@pytest.mark.usefixtures("notices")
async def test_a_low_balance_is_told_by_mail_too(client: Any, ann: Any, bob: Any, here: Any) -> None:
    body = {"type": "av_scan", "threshold": 5, "emails": ["ops@bolt.test", "Boss <boss@bolt.test>"]}
    made = await client.post("/api/v1/credits/alerts", json=body, headers=bob)
    assert (made.status_code, made.json()["emails"]) == (201, ["ops@bolt.test", "boss@bolt.test"])
    await client.get("/api/v1/credits", headers=bob)
    for _ in range(3):
        await watch_balances(here)
    (sent,) = await notices_of(client, ann)
    assert (sent["from"], sent["subject"]) == ("billing@post.example", "bolt: 5 av scan credits left")
    people = (await client.get(f"/api/v1/messages/{sent['id']}", headers=ann)).json()["recipients"]
    assert sorted(one["address"] for one in people) == ["boss@bolt.test", "ops@bolt.test"]
    async with here.db.reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(outbox)) == 2, "durable, for the relay"


@pytest.mark.usefixtures("notices")
async def test_an_alert_is_told_though_its_mail_cannot_be_sent(client: Any, ann: Any, here: Any) -> None:
    spent = {"type": "email", "amount": 10}
    body = {"type": "email", "threshold": 5, "emails": ["ops@acme.test"]}
    alert = (await client.post("/api/v1/credits/alerts", json=body, headers=ann)).json()
    assert (await client.post("/api/v1/credits/consume", json=spent, headers=ann)).status_code == 200
    await watch_balances(here)
    assert await notices_of(client, ann) == [], "there is no credit for it"
    shown = (await client.get(f"/api/v1/credits/alerts/{alert['id']}", headers=ann)).json()
    assert shown["fired_at"] is not None
    async with here.db.reading() as connection:
        query = select(func.count()).where(events.c.type == "credits.low")
        assert await connection.scalar(query) == 1
    await sums_equal_balances(here.db)


async def test_mail_is_only_promised_where_it_can_be_sent(client: Any, ann: Any) -> None:
    body = {"type": "email", "threshold": 5, "emails": ["ops@acme.test"]}
    answer = await client.post("/api/v1/credits/alerts", json=body, headers=ann)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "not_configured")


@pytest.mark.usefixtures("notices")
async def test_alerts_are_changed_by_version(client: Any, ann: Any, here: Any) -> None:
    made = (await client.post("/api/v1/credits/alerts", json={"type": "email", "threshold": 20}, headers=ann)).json()
    await client.post("/api/v1/credits/alerts", json={"type": "email", "threshold": 30}, headers=ann)
    await client.get("/api/v1/credits", headers=ann)
    await watch_balances(here)
    path = f"/api/v1/credits/alerts/{made['id']}"
    known = await client.get(path, headers=ann)
    assert known.json()["fired_at"] is not None
    changed = await client.put(
        path, json={"emails": ["a@acme.test"]}, headers=ann | {"If-Match": known.headers["etag"]}
    )
    assert (changed.json()["emails"], changed.json()["fired_at"]) == (["a@acme.test"], known.json()["fired_at"])
    stale = await client.put(path, json={"threshold": 4}, headers=ann | {"If-Match": known.headers["etag"]})
    assert stale.status_code == 412
    assert (await client.put(path, json={"threshold": 30}, headers=ann)).status_code == 409
    lower = await client.put(path, json={"threshold": 4}, headers=ann)
    assert (lower.json()["threshold"], lower.json()["fired_at"]) == (4, None)
    for wrong in ({"emails": ["nobody"]}, {"threshold": -1}, {"type": "av_scan"}, {"emails": ["a@b.test"] * 11}):
        assert (await client.put(path, json=wrong, headers=ann)).status_code in (400, 422), wrong
    assert (await client.delete(path, headers=ann | {"If-Match": known.headers["etag"]})).status_code == 412
    assert (await client.delete(path, headers=ann)).status_code == 204
