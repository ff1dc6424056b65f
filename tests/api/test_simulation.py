"""Simulated delivery through the policy that is published, in the real Lua VM."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from sqlalchemy import func, select

from postmta_ctl.features.messages.simulated_node import PICKS, header_sizes
from postmta_ctl.features.policy.publish import publish
from postmta_ctl.features.policy.releasing import By
from postmta_ctl.store.tables import credit_entries, events, messages, outbox, recipients
from tests.conftest import verify_domain

PATH = "/api/v1/messages/simulate-delivery"
MAIL = {"from": "Ann <ann@acme.test>", "to": ["bob@example.org"], "subject": "Größe", "text": "Hi", "html": "<p>Hi</p>"}


@pytest.fixture
async def published(client: Any, acme: Any, system: Any, db: Any) -> Any:
    """Acme's two vMTAs, one of them at the beginning of its warm-up, on a published policy."""
    for name, address, warmup in (("mx1", "192.0.2.1", None), ("new", "192.0.2.2", {"daily_allowances": [40, 100]})):
        body = {"name": name, "ip_address": address, "ehlo_domain": f"{name}.acme.test"}
        answer = await client.post("/api/v1/vmtas", json=body | ({"warmup": warmup} if warmup else {}), headers=acme)
        assert answer.status_code == 201, answer.text
    here = dataclasses.replace(system, db=db)
    await publish(here, By("ann"))
    return here


async def simulate(client: Any, auth: Any, **changes: Any) -> Any:
    answer = await client.post(PATH, json=MAIL | changes, headers=auth)
    assert answer.status_code == 200, answer.text
    return answer.json()


def codes(simulation: Any) -> list[tuple[str, str | None]]:
    return [(one["code"], one.get("recipient")) for one in simulation["problems"]]


async def test_the_message_goes_through_the_published_policy(client: Any, acme: Any, published: Any) -> None:
    simulation = await simulate(client, acme, tags=["Spring"], unsubscribe=True)
    assert simulation["release"] == 1
    (one,) = simulation["recipients"]
    assert (one["outcome"], one["tenant"], one["pool"]) == ("sent", "acme", "acme")
    assert one["queue"] == "spring:acme@example.org"
    assert one["first_vmta"] in ("mx1", "new")
    assert {(vmta["vmta"], vmta["ip_address"]) for vmta in one["vmtas"]} == {("mx1", "192.0.2.1"), ("new", "192.0.2.2")}
    assert sum(vmta["share"] for vmta in one["vmtas"]) + one["delayed_share"] == pytest.approx(1)
    assert codes(simulation) == []


async def test_a_warming_vmta_gets_its_allowance_and_no_more(client: Any, acme: Any, published: Any) -> None:
    (one,) = (await simulate(client, acme))["recipients"]
    by_name = {vmta["vmta"]: vmta for vmta in one["vmtas"]}
    rates = by_name["new"]["limits"]["additional_source_selection_rates"]
    assert len(rates) == 1
    assert 0 < by_name["new"]["share"] * PICKS < PICKS / 2
    assert by_name["mx1"]["share"] > by_name["new"]["share"]


async def test_every_header_is_shown_with_its_size_and_its_signatures(client: Any, acme: Any, published: Any) -> None:
    (one,) = (await simulate(client, acme, unsubscribe=True))["recipients"]
    assert {(key["domain"], key["algorithm"]) for key in one["dkim"]} == {
        ("acme.test", "rsa-sha256"),
        ("acme.test", "ed25519-sha256"),
    }
    names = [header["name"] for header in one["headers"]]
    assert {"From", "Subject", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post", "X-KumoRef"} <= set(names)
    signed = [header["value"] for header in one["headers"] if header["name"] == "DKIM-Signature"]
    assert all("List-Unsubscribe-Post" in value for value in signed)
    assert one["header_octets"] == sum(header["octets"] for header in one["headers"]) < one["octets"]


def test_octets_are_those_of_the_folded_field() -> None:
    (one, other) = header_sizes(b"A: b\r\nLong: one\r\n\ttwo\r\n\r\nC: body\r\n")
    assert (one.name, one.value, one.octets) == ("A", "b", 6)
    assert (other.name, other.value, other.octets) == ("Long", "one two", 17)


async def test_problems_are_foretold(client: Any, acme: Any, published: Any) -> None:
    await client.post("/api/v1/suppressions", json={"address": "eve@example.org"}, headers=acme)
    simulation = await simulate(
        client,
        acme,
        to=["bounce@example.org", "eve@example.org", "soft@example.org"],
        text=None,
        subject="",
        tags=["x"],
        html="<p>" + "x" * 110_000,
    )
    assert codes(simulation) == [
        ("html_only", None),
        ("subject_empty", None),
        ("html_clipped", None),
        ("no_one_click", None),
        ("receiver_refuses", "bounce@example.org"),
        ("receiver_refuses", "soft@example.org"),
        ("suppressed", "eve@example.org"),
    ]
    bounced = simulation["recipients"][0]["receiver"]
    assert (bounced["sandbox"], bounced["code"], bounced["enhanced_code"]) == (True, 550, "5.1.1")
    assert "(sandbox)" in bounced["reply"]


async def test_a_pinned_message_names_its_only_vmta(client: Any, acme: Any, published: Any) -> None:
    (one,) = (await simulate(client, acme, vmta="mx1"))["recipients"]
    assert (one["tenant"], [vmta["vmta"] for vmta in one["vmtas"]]) == ("acme.mx1", ["mx1"])


async def test_nothing_is_sent_stored_or_charged(client: Any, acme: Any, published: Any, db: Any) -> None:
    async with db.reading() as connection:
        charged = await connection.scalar(select(func.count()).select_from(credit_entries))
    await simulate(client, acme)
    async with db.reading() as connection:
        for table in (messages, recipients, outbox, events):
            assert await connection.scalar(select(func.count()).select_from(table)) == 0
        assert await connection.scalar(select(func.count()).select_from(credit_entries)) == charged


async def test_it_is_the_published_policy_and_not_the_rows_that_decide(
    client: Any, acme: Any, published: Any, resolver: Any
) -> None:
    await verify_domain(client, resolver, acme, "later.test")
    simulation = await simulate(client, acme, **{"from": "ann@later.test"})
    assert simulation["recipients"][0]["outcome"] == "refused"
    assert "postmta-foreign-domain" in simulation["recipients"][0]["refusal"]
    assert [code for code, _ in codes(simulation)] == ["refused", "policy_behind"]
    await publish(published, By("ann"))
    again = await simulate(client, acme, **{"from": "ann@later.test"})
    assert (again["release"], again["recipients"][0]["outcome"]) == (2, "sent")


async def test_without_a_vmta_it_waits(client: Any, acme: Any, system: Any, db: Any) -> None:
    await publish(dataclasses.replace(system, db=db), By("ann"))
    simulation = await simulate(client, acme)
    assert [code for code, _ in codes(simulation)] == ["no_vmta"]


async def test_what_could_not_be_sent_is_refused_alike(client: Any, acme: Any, bob: Any) -> None:
    before = await client.post(PATH, json=MAIL, headers=acme)
    assert (before.status_code, before.json()["code"]) == (409, "no_release")
    assert (await client.post(PATH, json=MAIL, headers=bob)).json()["code"] == "domain_not_verified"
    assert (await client.post(PATH, json=MAIL | {"to": ["x"]}, headers=acme)).status_code == 422
