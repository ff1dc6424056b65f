"""What a verification explains beyond single records, and the checks that nobody asks for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from postmta_ctl.clients.kumod import KumodClient
from postmta_ctl.clients.webhooks import Reply
from postmta_ctl.features.domains.verification import recheck_domains
from postmta_ctl.features.messages.injecting import relay_item
from postmta_ctl.features.messages.lease_queries import lease
from postmta_ctl.features.tracking.service import tracker
from postmta_ctl.store.tables import webhook_deliveries
from tests.api.test_bimi import Documents

VMTA = {"name": "mx1", "ip_address": "192.0.2.10", "ehlo_domain": "mx1.acme.test"}
BOUNCES = "bounce.postmta.test"


@pytest.fixture
async def here(system: Any, db: Any) -> Any:
    here = replace(system, db=db, kumod=KumodClient(timeout=5))
    yield here
    await here.kumod.close()


async def the_domain(client: Any, headers: Any) -> Any:
    (found,) = (await client.get("/api/v1/domains", headers=headers)).json()["data"]
    return found


async def verify(client: Any, headers: Any) -> dict[str, Any]:
    domain = await the_domain(client, headers)
    answer = await client.post(f"/api/v1/domains/{domain['id']}/verify", headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def checks(client: Any, headers: Any) -> dict[str, Any]:
    return {one["name"]: one for one in (await verify(client, headers))["checks"]}


async def test_a_well_kept_zone(client: Any, acme: Any, system: Any, resolver: Any) -> None:
    await client.post("/api/v1/vmtas", json=VMTA, headers=acme)
    web = Documents()
    object.__setattr__(system, "webhooks", web)
    policy = b"version: STSv1\r\nmode: enforce\r\nmx: *.acme.test\r\nmax_age: 604800\r\n"
    web.replies["https://mta-sts.acme.test/.well-known/mta-sts.txt"] = Reply(status=200, body=policy)
    resolver.records |= {
        (BOUNCES, "TXT"): ("v=spf1 ip4:192.0.2.0/24 -all",),
        (BOUNCES, "MX"): ("10 mx.postmta.test",),
        ("mx.postmta.test", "A"): ("192.0.2.1",),
        ("acme.test", "MX"): ("10 in.acme.test",),
        ("_mta-sts.acme.test", "TXT"): ("v=STSv1; id=20261122",),
        ("_smtp._tls.acme.test", "TXT"): ("v=TLSRPTv1; rua=mailto:tls@acme.test",),
        ("10.2.0.192.in-addr.arpa", "PTR"): ("mx1.acme.test",),
        ("mx1.acme.test", "A"): ("192.0.2.10",),
    }
    found = await checks(client, acme)
    assert {name: one["verdict"] for name, one in found.items()} == {
        "spf_evaluation": "ok",
        "bounce_spf": "ok",
        "dmarc_policy": "ok",
        "bounce_mx": "ok",
        "mta_sts": "ok",
        "tls_rpt": "ok",
        "reverse_dns": "ok",
    }
    assert found["spf_evaluation"]["details"] == [
        f"include:{BOUNCES} (look-up 1)",
        "  ip4:192.0.2.0/24",
        "  -all",
        "~all",
    ]
    assert all(one["action"] == "" for one in found.values())


@pytest.mark.parametrize(
    ("name", "records", "verdict", "reason"),
    [
        ("spf_evaluation", {("acme.test", "TXT"): ("v=spf1 include:acme.test -all",)}, "wrong", "includes itself"),
        ("bounce_spf", {(BOUNCES, "TXT"): ("v=spf1 ip4:198.51.100.1 -all",)}, "wrong", "192.0.2.10"),
        ("bounce_spf", {(BOUNCES, "TXT"): ()}, "missing", "no SPF record"),
        ("dmarc_policy", {("_dmarc.acme.test", "TXT"): ()}, "missing", "no DMARC policy"),
        ("dmarc_policy", {("_dmarc.acme.test", "TXT"): ("v=DMARC1; p=none; pct=5",)}, "warning", "pct"),
        ("dmarc_policy", {("_dmarc.acme.test", "TXT"): ("v=DMARC1; p=reject; t=y",)}, "warning", "quarantine"),
        ("bounce_mx", {(BOUNCES, "MX"): ()}, "missing", "no MX"),
        ("bounce_mx", {(BOUNCES, "MX"): ("0 ",)}, "wrong", "No MX host"),
        ("bounce_mx", {(BOUNCES, "MX"): ("10 gone.test",)}, "wrong", "No MX host"),
        ("mta_sts", {("_mta-sts.acme.test", "TXT"): ("v=STSv1; id=!",)}, "wrong", "id"),
        ("mta_sts", {("_mta-sts.acme.test", "TXT"): ("v=STSv1; id=1",)}, "wrong", "404"),
        ("tls_rpt", {("_smtp._tls.acme.test", "TXT"): ("v=TLSRPTv1; rua=x",)}, "wrong", "'x'"),
        ("reverse_dns", {}, "missing", "no PTR"),
        ("reverse_dns", {("10.2.0.192.in-addr.arpa", "PTR"): ("x.test",)}, "wrong", "does not lead back"),
        (
            "reverse_dns",
            {("10.2.0.192.in-addr.arpa", "PTR"): ("x.test",), ("x.test", "A"): ("192.0.2.10",)},
            "warning",
            "EHLO",
        ),
    ],
)
async def test_what_is_wrong_and_what_to_do(
    client: Any, acme: Any, system: Any, resolver: Any, name: str, records: Any, verdict: str, reason: str
) -> None:
    await client.post("/api/v1/vmtas", json=VMTA, headers=acme)
    object.__setattr__(system, "webhooks", Documents())
    resolver.records |= records
    found = (await checks(client, acme))[name]
    assert (found["verdict"], reason in found["explanation"]) == (verdict, True), found
    assert found["action"]


async def test_dns_that_does_not_answer_is_never_missing(client: Any, acme: Any, resolver: Any) -> None:
    await client.post("/api/v1/vmtas", json=VMTA, headers=acme)

    class Nobody(set[str]):
        def __contains__(self, name: object) -> bool:
            return True

    resolver.broken = Nobody()
    shown = await verify(client, acme)
    assert {one["verdict"] for one in shown["checks"]} == {"unknown"}
    assert {one["check"]["verdict"] for one in shown["dns_records"]} == {"unknown"}
    assert shown["status"] == "verified"


async def told(db: Any) -> list[str]:
    async with db.reading() as connection:
        return list(await connection.scalars(select(webhook_deliveries.c.type).order_by(webhook_deliveries.c.id)))


async def status(client: Any, headers: Any) -> str:
    return str((await the_domain(client, headers))["status"])


async def test_a_claim_is_verified_by_itself(client: Any, ann: Any, here: Any, resolver: Any, clock: Any) -> None:
    made = (await client.post("/api/v1/domains", json={"domain": "acme.test"}, headers=ann)).json()
    for record in made["dns_records"]:
        resolver.records[record["name"], record["type"]] = (record["value"],)
    await recheck_domains(here)
    assert await status(client, ann) == "pending", "it is not time yet"
    clock.advance(minutes=10)
    await recheck_domains(here)
    assert await status(client, ann) == "verified"
    due = (await the_domain(client, ann))["next_check_at"]
    assert "2026-11-22T16:58" <= due <= "2026-11-22T19:22"


async def test_a_record_must_be_gone_twice_before_mail_stops(
    client: Any, acme: Any, here: Any, db: Any, resolver: Any, clock: Any
) -> None:
    await client.post("/api/v1/webhooks", json={"url": "https://example.com/hook"}, headers=acme)
    place = ("pmta._domainkey.acme.test", "TXT")
    record = resolver.records.pop(place)

    async def later(**delta: float) -> str:
        clock.advance(**delta)
        await recheck_domains(here)
        headers = await again(client)
        return await status(client, headers)

    assert await later(hours=8) == "verified", "a zone may have a bad minute"
    assert await told(db) == ["domain.dns_changed"]
    resolver.broken.add(place[0])
    assert await later(minutes=15) == "verified", "no answer says nothing"
    resolver.broken.clear()
    assert await later(hours=8) == "failing"
    assert await told(db) == ["domain.dns_changed", "domain.unverified"]
    resolver.records[place] = record
    assert await later(hours=1) == "verified"
    assert await told(db) == ["domain.dns_changed", "domain.unverified", "domain.dns_changed", "domain.verified"]
    assert await later(hours=8) == "verified"
    assert len(await told(db)) == 4


async def again(client: Any) -> dict[str, str]:
    """Log in anew: hours have passed."""
    account = {"email": "ann@acme.test", "password": "correct horse battery staple"}
    answer = await client.post("/api/v1/auth/login", json=account)
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def test_an_old_claim_is_left_in_peace(client: Any, ann: Any, here: Any, clock: Any) -> None:
    await client.post("/api/v1/domains", json={"domain": "acme.test"}, headers=ann)
    for _ in range(3):
        clock.advance(days=31)
        await recheck_domains(here)
    headers = await again(client)
    shown = await the_domain(client, headers)
    assert (shown["status"], shown["next_check_at"]) == ("pending", None)


async def test_a_tracking_host_of_its_own(
    client: Any, acme: Any, system: Any, db: Any, resolver: Any, clock: Any, settings: Any
) -> None:
    object.__setattr__(
        system, "settings", settings.__class__(**_values(settings) | {"tracking_host": "t.postmta.test"})
    )
    place = ("track.acme.test", "CNAME")

    async def links() -> str:
        body = {
            "from": "ann@acme.test",
            "to": ["bob@example.org"],
            "subject": "Hi",
            "html": '<a href="https://x.example/">x</a>',
            "track_opens": True,
            "track_clicks": True,
            "unsubscribe": True,
        }
        assert (await client.post("/api/v1/messages/send", json=body, headers=acme)).status_code == 202
        async with db.transaction() as connection:
            (leased,) = (await lease(connection, clock(), limit=10, lifetime=timedelta(hours=1))).leased
        item = relay_item(leased, "b@b.test", tracker(system))
        assert item.html is not None
        assert system.settings.url in item.headers["List-Unsubscribe"]
        return item.html

    resolver.records[place] = ("elsewhere.test",)
    assert (await verify(client, acme))["tracking_host"] is None
    assert f'"{system.settings.url}/track/click/' in await links()
    resolver.records[place] = ("t.postmta.test",)
    assert (await verify(client, acme))["tracking_host"] == "track.acme.test"
    html = await links()
    assert '"https://track.acme.test/track/click/' in html
    assert '"https://track.acme.test/track/open/' in html
    known = await client.get("/track/host?domain=TRACK.acme.test")
    assert (known.status_code, known.json()) == (200, {"host": "track.acme.test"})
    resolver.broken.add(place[0])
    assert (await verify(client, acme))["tracking_host"] == "track.acme.test", "no answer says nothing"
    resolver.broken.clear()
    del resolver.records[place]
    assert (await verify(client, acme))["tracking_host"] is None
    for host in ("track.acme.test", "acme.test", "", "x" * 500, "track.acme.test'--"):
        assert (await client.get("/track/host", params={"domain": host})).status_code == 404


def _values(settings: Any) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in settings.__struct_fields__}
