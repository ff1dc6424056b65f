"""The overview of everything about security: each part by its own state."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from postmta_ctl.clients.clamd import ClamdClient
from postmta_ctl.clients.dns import SystemResolver
from postmta_ctl.core.peer_address import parse_peer
from postmta_ctl.features.security.blocklists.monitor import watch_listings
from postmta_ctl.settings import Settings
from tests.api.blocklists_support import BAD, add_vmta, asking_two_lists, two_lists
from tests.api.test_dnsbl import CHECK, LISTS
from tests.api.test_greylisting import CONFIG, post, rejection
from tests.api.test_ingest import add_node
from tests.dns_server import DnsServer

STATUS = "/api/v1/security/status"


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


async def shown(client: Any, auth: Any) -> Any:
    answer = await client.get(STATUS, headers=auth)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_of_a_fresh_installation(client: Any, ann: Any, zone: DnsServer) -> None:
    found = await shown(client, ann)
    assert (found["greylisting"]["enabled"], set(found["greylisting"]["last_24h"].values())) == (False, {0})
    assert {one["health"] for one in found["dnsbl"]["lists"]} == {"unknown"}
    assert (found["dnsbl"]["last_check_at"], found["dnsbl"]["listings"]) == (None, [])
    assert found["auto_block"]["active_blocks"] == 0
    assert found["last_24h"] == {"dnsbl_checks": 0, "spam_checks": 0, "av_scans": 0}
    assert {found[name]["name"] for name in ("spam", "antivirus")} == {"builtin"}
    assert "no antivirus engine is configured" in found["antivirus"]["detail"]
    assert zone.asked == [], "looking at it asks no list"


async def test_an_engine_that_is_away_is_told_so(client: Any, ann: Any, system: Any) -> None:
    away = ClamdClient(parse_peer("127.0.0.1:1"))
    client.app.state.system = dataclasses.replace(system, antivirus=away)
    found = (await shown(client, ann))["antivirus"]
    assert (found["name"], found["reachable"]) == ("clamd", False)


async def test_greylisting_by_its_records(client: Any, ann: Any, db: Any, clock: Any) -> None:
    await client.put(CONFIG, json={"enabled": True}, headers=ann)
    await add_node(db)
    lines = [rejection(clock.moment - timedelta(hours=age), "Greylisted, try again in 9 seconds") for age in (1, 30)]
    await post(client, lines)
    found = (await shown(client, ann))["greylisting"]
    assert (found["enabled"], found["last_24h"]["greylisted_new"]) == (True, 1)


async def test_blocklists_by_their_tests_and_vmtas_by_the_monitor(
    client: Any,
    ann: Any,
    bob: Any,
    system: Any,
    db: Any,
    zone: DnsServer,
) -> None:
    vmta_id = await add_vmta(client, ann, "mx1", BAD)
    zone.records["9.9.9.9.alpha.test", "A"] = ["127.0.0.2"]
    await client.get(LISTS, headers=ann)
    await client.post(CHECK, json={"ip_address": BAD}, headers=ann)
    await watch_listings(dataclasses.replace(system, db=db))
    found = await shown(client, ann)
    assert [(one["id"], one["health"]) for one in found["dnsbl"]["lists"]] == [
        ("alpha", "working"),
        ("beta", "working"),
    ]
    assert [(one["vmta_id"], one["list"]) for one in found["dnsbl"]["listings"]] == [(vmta_id, "alpha")]
    assert (found["dnsbl"]["vmtas_checked"], found["last_24h"]["dnsbl_checks"]) == (1, 1)
    others = await shown(client, bob)
    assert (others["dnsbl"]["listings"], others["dnsbl"]["vmtas_checked"]) == ([], 0)
    assert (others["last_24h"]["dnsbl_checks"], others["greylisting"]["last_24h"]) == (0, None)
