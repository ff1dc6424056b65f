"""Blocklist checks against a DNS server of our own."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import select

from postmta_ctl.clients.dns import SystemResolver
from postmta_ctl.features.security.blocklists.monitor import watch_listings
from postmta_ctl.settings import Settings
from postmta_ctl.store.tables import events
from tests.api.blocklists_support import BAD, add_vmta, asking_two_lists, two_lists
from tests.conftest import join
from tests.dns_server import DnsServer

CHECK = "/api/v1/security/dnsbl/check"
LISTS = "/api/v1/security/dnsbl/blocklists"
CLEAR = "/api/v1/security/dnsbl/clear-cache"
GOOD, SIX = "8.8.8.8", "2606:4700::1111"
SIX_NIBBLES = "1.1.1.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.4.6.0.6.2"


@pytest.fixture
def zone() -> Iterator[DnsServer]:
    with two_lists() as server:
        yield server


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    return asking_two_lists(settings, tmp_path)


@pytest.fixture
def system(system: Any, zone: DnsServer) -> Any:
    return dataclasses.replace(system, resolver=SystemResolver("127.0.0.1", port=zone.port))


async def check(client: Any, auth: Any, **body: Any) -> Any:
    answer = await client.post(CHECK, json=body, headers=auth)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def results(client: Any, auth: Any, address: str, **more: Any) -> dict[str, Any]:
    [one] = (await check(client, auth, ip_address=address, **more))["data"]
    return {each["list"]: each for each in one["results"]}


async def statuses(client: Any, auth: Any, address: str, **more: Any) -> dict[str, str]:
    return {name: one["status"] for name, one in (await results(client, auth, address, **more)).items()}


class TestOneAddress:
    async def test_a_listing_is_decoded_with_its_reason(self, client: Any, ann: Any, zone: DnsServer) -> None:
        zone.records["9.9.9.9.alpha.test", "A"] = ["127.0.0.10", "127.0.0.2"]
        zone.records["9.9.9.9.alpha.test", "TXT"] = ['"see https://alpha.test/9.9.9.9" "<b>\\010now"']
        shown = await check(client, ann, ip_address=BAD)
        [one] = shown["data"]
        assert (one["status"], one["listed_on"], one["answered"], one["asked"]) == ("listed", 1, 2, 2)
        alpha, beta = one["results"]
        assert (alpha["list"], alpha["status"], beta["status"]) == ("alpha", "listed", "clean")
        assert alpha["codes"] == [
            {"code": "127.0.0.2", "meaning": "spam"},
            {"code": "127.0.0.10", "meaning": "dial-up"},
        ]
        assert alpha["reason"] == "see https://alpha.test/9.9.9.9<b> now"

    async def test_no_reason_is_asked_for_what_is_clean(self, client: Any, ann: Any, zone: DnsServer) -> None:
        assert await statuses(client, ann, GOOD) == {"alpha": "clean", "beta": "clean"}
        assert {kind for _, kind in zone.asked} == {"A"}

    async def test_ipv6_goes_by_nibbles_to_the_lists_that_have_it(self, client: Any, ann: Any, zone: DnsServer) -> None:
        zone.records[f"{SIX_NIBBLES}.alpha.test", "A"] = ["127.0.0.2"]
        assert await statuses(client, ann, SIX) == {"alpha": "listed"}
        assert [name for name, kind in zone.asked if kind == "A"] == [f"{SIX_NIBBLES}.alpha.test"]

    async def test_a_refusal_is_no_listing(self, client: Any, ann: Any, zone: DnsServer) -> None:
        zone.records["9.9.9.9.alpha.test", "A"] = ["127.255.255.254"]
        alpha = (await results(client, ann, BAD))["alpha"]
        assert (alpha["status"], alpha["reason"]) == ("refused", None)
        assert "public resolver" in alpha["detail"]

    async def test_a_hijacking_resolver_lists_nobody(self, client: Any, ann: Any, zone: DnsServer) -> None:
        zone.everything = "203.0.113.80"
        shown = await check(client, ann, ip_address=BAD)
        [one] = shown["data"]
        assert (one["status"], one["answered"], shown["credits"]) == ("unknown", 0, 0)
        assert {each["status"] for each in one["results"]} == {"error"}

    async def test_lists_that_fail_or_are_silent_hold_nobody_up(self, client: Any, ann: Any, zone: DnsServer) -> None:
        zone.failing.add("9.9.9.9.alpha.test")
        zone.silent.add("9.9.9.9.secret-key.beta.test")
        before = asyncio.get_running_loop().time()
        found = await results(client, ann, BAD)
        assert asyncio.get_running_loop().time() - before < 5
        assert {name: one["status"] for name, one in found.items()} == {"alpha": "error", "beta": "error"}
        assert found["beta"]["detail"] == "gave no answer (timed out)"

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"ip_address": "10.1.2.3"}, "ip_address"),
            ({"ip_address": "192.0.2.1"}, "ip_address"),
            ({"ip_address": "nonsense"}, "ip_address"),
            ({"ip_address": "8.8.8.8\n"}, "ip_address"),
            ({}, "ip_address"),
            ({"ip_address": GOOD, "all_vmtas": True}, "ip_address"),
            ({"ip_address": GOOD, "lists": ["nonsense"]}, "lists[0]"),
            ({"ip_address": GOOD, "lists": ["psbl"]}, "lists[0]"),
        ],
    )
    async def test_what_cannot_be_checked_is_refused(
        self, client: Any, ann: Any, zone: DnsServer, body: Any, field: str
    ) -> None:
        answer = await client.post(CHECK, json=body, headers=ann)
        assert (answer.status_code, answer.json()["errors"][0]["field"], zone.asked) == (422, field, [])

    async def test_the_lists_can_be_chosen(self, client: Any, ann: Any) -> None:
        assert await statuses(client, ann, GOOD, lists=["beta"]) == {"beta": "clean"}


class TestTheCache:
    async def test_what_is_known_is_not_asked_again_until_it_ends(
        self, client: Any, ann: Any, zone: DnsServer, clock: Any
    ) -> None:
        zone.records["9.9.9.9.alpha.test", "A"] = ["127.0.0.2"]
        await check(client, ann, ip_address=BAD)
        zone.asked.clear()
        again = await results(client, ann, BAD)
        assert ([one["cached"] for one in again.values()], zone.asked) == ([True, True], [])
        clock.advance(seconds=121)  # past the negative TTL of beta, before the TTL of alpha's record
        await check(client, ann, ip_address=BAD)
        assert zone.asked == [("9.9.9.9.secret-key.beta.test", "A")]
        clock.advance(seconds=180)
        zone.records.pop(("9.9.9.9.alpha.test", "A"))
        assert (await statuses(client, ann, BAD))["alpha"] == "clean"

    async def test_refusals_and_failures_are_not_kept(self, client: Any, ann: Any, zone: DnsServer) -> None:
        zone.records["9.9.9.9.alpha.test", "A"] = ["127.255.255.255"]
        zone.failing.add("9.9.9.9.secret-key.beta.test")
        await check(client, ann, ip_address=BAD)
        zone.records["9.9.9.9.alpha.test", "A"] = ["127.0.0.2"]
        zone.failing.clear()
        assert await statuses(client, ann, BAD) == {"alpha": "listed", "beta": "clean"}

    async def test_it_can_be_passed_over(self, client: Any, ann: Any, zone: DnsServer) -> None:
        await check(client, ann, ip_address=BAD)
        zone.records["9.9.9.9.alpha.test", "A"] = ["127.0.0.2"]
        assert (await statuses(client, ann, BAD))["alpha"] == "clean"
        assert (await statuses(client, ann, BAD, fresh=True))["alpha"] == "listed"
        assert (await statuses(client, ann, BAD))["alpha"] == "listed"

    async def test_it_is_cleared_for_an_address_or_whole(self, client: Any, ann: Any, zone: DnsServer) -> None:
        for address in (BAD, GOOD):
            await check(client, ann, ip_address=address)
        one = await client.post(CLEAR, json={"ip_address": BAD}, headers=ann)
        assert (one.status_code, one.json()) == (200, {"dropped": 2})
        zone.asked.clear()
        await check(client, ann, ip_address=GOOD)
        assert zone.asked == []
        assert (await client.post(CLEAR, headers=ann)).json() == {"dropped": 2}
        assert (await client.post(CLEAR, json={}, headers=ann)).json() == {"dropped": 0}

    async def test_only_operators_clear_what_is_everybodys(self, client: Any, bob: Any) -> None:
        assert (await client.post(CLEAR, headers=bob)).status_code == 403
        assert (await client.post(CLEAR, json={"ip_address": BAD}, headers=bob)).status_code == 200
        assert (await client.post(CLEAR, json={"ip_address": "10.0.0.1"}, headers=bob)).status_code == 422

    async def test_checks_at_once_keep_one_answer(self, client: Any, ann: Any) -> None:
        answers = await asyncio.gather(*(client.post(CHECK, json={"ip_address": BAD}, headers=ann) for _ in range(8)))
        assert {one.status_code for one in answers} == {200}
        assert (await client.post(CLEAR, json={"ip_address": BAD}, headers=ann)).json() == {"dropped": 2}


class TestCredits:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return structs.replace(settings, default_plan="free")

    async def test_each_address_costs_one(self, client: Any, ann: Any) -> None:
        async def left() -> int:
            shown = (await client.get("/api/v1/credits", headers=ann)).json()
            return next(int(one["available"]) for one in shown["data"] if one["type"] == "dnsbl_check")

        before = await left()
        assert (await check(client, ann, ip_address=GOOD))["credits"] == 1
        assert await left() == before - 1

    async def test_no_verdict_costs_nothing(self, client: Any, ann: Any, zone: DnsServer) -> None:
        zone.everything = "203.0.113.80"
        assert (await check(client, ann, ip_address=GOOD))["credits"] == 0

    async def test_without_credits_nobody_is_asked(self, client: Any, ann: Any, zone: DnsServer) -> None:
        await client.post("/api/v1/credits/consume", json={"type": "dnsbl_check", "amount": 100}, headers=ann)
        answer = await client.post(CHECK, json={"ip_address": GOOD}, headers=ann)
        assert (answer.status_code, zone.asked) == (402, [])


class TestVmtas:
    async def test_one_of_mine_by_id(self, client: Any, ann: Any, bob: Any) -> None:
        vmta_id = await add_vmta(client, ann, "mx1", BAD)
        [one] = (await check(client, ann, vmta_id=vmta_id))["data"]
        assert (one["vmta"], one["vmta_id"], one["ip_address"]) == ("mx1", vmta_id, BAD)
        assert (await client.post(CHECK, json={"vmta_id": vmta_id}, headers=bob)).status_code == 404
        assert (await client.post(CHECK, json={"vmta_id": "nonsense"}, headers=ann)).status_code == 404

    async def test_all_of_mine_but_the_private(self, client: Any, ann: Any, bob: Any) -> None:
        await add_vmta(client, ann, "mx1", BAD)
        await add_vmta(client, ann, "lab", "10.0.0.1")
        await add_vmta(client, bob, "mx1", GOOD)
        shown = await check(client, ann, all_vmtas=True)
        assert ([one["ip_address"] for one in shown["data"]], shown["skipped"]) == ([BAD], ["lab"])

    async def test_a_private_one_by_id_is_refused(self, client: Any, ann: Any) -> None:
        vmta_id = await add_vmta(client, ann, "lab", "10.0.0.1")
        answer = await client.post(CHECK, json={"vmta_id": vmta_id}, headers=ann)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "ip_address_not_public")


class TestHealth:
    async def health(self, client: Any, auth: Any) -> dict[str, Any]:
        return {one["id"]: one for one in (await client.get(LISTS, headers=auth)).json()["data"]}

    async def test_lists_that_answer_as_they_should(self, client: Any, ann: Any) -> None:
        shown = await self.health(client, ann)
        assert {name: one["health"] for name, one in shown.items()} == {"alpha": "working", "beta": "working"}
        assert (shown["alpha"]["zone"], shown["beta"]["zone"]) == ("alpha.test", None)
        assert [one["address"] for one in shown["alpha"]["probes"]] == [
            "127.0.0.2",
            "127.0.0.1",
            "::ffff:7f00:2",
            "::ffff:7f00:1",
        ]

    async def test_a_key_in_a_zone_is_never_told(self, client: Any, ann: Any, zone: DnsServer) -> None:
        zone.failing.add("9.9.9.9.secret-key.beta.test")
        told = (await client.get(LISTS, headers=ann)).text
        told += (await client.post(CHECK, json={"ip_address": BAD}, headers=ann)).text
        assert "secret-key" not in told

    async def test_lists_that_do_not(self, client: Any, ann: Any, zone: DnsServer) -> None:
        zone.records["1.0.0.127.alpha.test", "A"] = ["127.0.0.2"]
        zone.records["2.0.0.127.secret-key.beta.test", "A"] = ["127.255.255.254"]
        shown = await self.health(client, ann)
        assert {name: one["health"] for name, one in shown.items()} == {"alpha": "failing", "beta": "refused"}
        assert "127.0.0.1 is listed" in shown["alpha"]["detail"]

    async def test_it_is_believed_for_a_while(self, client: Any, ann: Any, zone: DnsServer, clock: Any) -> None:
        await self.health(client, ann)
        zone.asked.clear()
        await self.health(client, ann)
        assert zone.asked == []
        zone.silent.add("2.0.0.127.alpha.test")
        clock.advance(minutes=15)
        assert (await self.health(client, ann))["alpha"]["health"] == "failing"


class TestTheMonitor:
    async def told(self, db: Any) -> list[tuple[str, str]]:
        query = select(events.c.type, events.c.details).where(events.c.type.like("vmta.%")).order_by(events.c.id)
        async with db.reading() as connection:
            return [(row.type, row.details["list"]) for row in await connection.execute(query)]

    async def test_changes_are_told_once(
        self, client: Any, ann: Any, system: Any, db: Any, zone: DnsServer, clock: Any
    ) -> None:
        await add_vmta(client, ann, "mx1", BAD)
        system = dataclasses.replace(system, db=db)
        zone.records["9.9.9.9.alpha.test", "A"] = ["127.0.0.2"]
        await watch_listings(system)
        await watch_listings(system)
        assert await self.told(db) == [("vmta.listed", "alpha")]
        clock.advance(hours=25)
        zone.failing.add("9.9.9.9.alpha.test")
        await watch_listings(system)
        assert await self.told(db) == [("vmta.listed", "alpha")], "nobody could tell: it stays as it was"
        clock.advance(hours=25)
        zone.failing.clear()
        zone.records.pop(("9.9.9.9.alpha.test", "A"))
        await watch_listings(system)
        assert await self.told(db) == [("vmta.listed", "alpha"), ("vmta.delisted", "alpha")]

    async def test_both_addresses_of_a_pair_are_watched(
        self, client: Any, ann: Any, system: Any, db: Any, zone: DnsServer, clock: Any
    ) -> None:
        vmta_id = await add_vmta(client, ann, "mx1", GOOD, ipv6_address=SIX)
        system = dataclasses.replace(system, db=db)
        listed = f"{SIX_NIBBLES}.alpha.test", "A"
        zone.records[listed] = ["127.0.0.2"]
        await watch_listings(system)
        query = select(events.c.type, events.c.details).where(events.c.type.like("vmta.%")).order_by(events.c.id)
        async with db.reading() as connection:
            (told,) = await connection.execute(query)
        assert (told.type, told.details["ip_address"], told.details["vmta_id"]) == ("vmta.listed", SIX, vmta_id)
        shown = (await client.get("/api/v1/security/status", headers=ann)).json()["dnsbl"]["listings"]
        assert [(one["ip_address"], one["list"]) for one in shown] == [(SIX, "alpha")]
        clock.advance(hours=25)
        zone.records.pop(listed)
        await watch_listings(system)
        assert await self.told(db) == [("vmta.listed", "alpha"), ("vmta.delisted", "alpha")]

    async def test_two_processes_tell_once(self, client: Any, ann: Any, system: Any, db: Any, zone: DnsServer) -> None:
        await add_vmta(client, ann, "mx1", BAD)
        zone.records["9.9.9.9.alpha.test", "A"] = ["127.0.0.2"]
        system = dataclasses.replace(system, db=db)
        await asyncio.gather(*(watch_listings(system) for _ in range(5)))
        assert await self.told(db) == [("vmta.listed", "alpha")]

    async def test_a_list_gone_wrong_accuses_nobody(
        self, client: Any, ann: Any, system: Any, db: Any, zone: DnsServer
    ) -> None:
        await add_vmta(client, ann, "mx1", BAD)
        for name in ("9.9.9.9", "1.0.0.127"):
            zone.records[f"{name}.alpha.test", "A"] = ["127.0.0.2"]
        await watch_listings(dataclasses.replace(system, db=db))
        assert await self.told(db) == []

    async def test_it_is_off_unless_set(self, client: Any, ann: Any, system: Any, db: Any, zone: DnsServer) -> None:
        await add_vmta(client, ann, "mx1", BAD)
        settings = structs.replace(system.settings, dnsbl=structs.replace(system.settings.dnsbl, monitor_hours=0))
        assert await watch_listings(dataclasses.replace(system, settings=settings, db=db)) is False
        assert zone.asked == []


async def test_viewers_may_read_and_not_check(client: Any, ann: Any) -> None:
    viewer = await join(client, ann, "vi@acme.test", "viewer")
    assert (await client.get(LISTS, headers=viewer)).status_code == 200
    assert (await client.post(CHECK, json={"ip_address": GOOD}, headers=viewer)).status_code == 403
    assert (await client.post(CLEAR, json={"ip_address": GOOD}, headers=viewer)).status_code == 403
