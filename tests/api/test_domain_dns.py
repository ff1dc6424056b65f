"""Verification against a real server on loopback: strings, wildcards, detours and answers of any size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from postmta_ctl.clients.dns import SystemResolver, parse_resolver
from tests import dns_server
from tests.dns_server import DnsServer


@pytest.fixture
def zone() -> Iterator[DnsServer]:
    with dns_server.running() as server:
        yield server


@pytest.fixture
async def domain(client: Any, ann: Any, system: Any, zone: DnsServer) -> Any:
    """A claim, all of whose records are published."""
    object.__setattr__(system, "resolver", SystemResolver(*parse_resolver(f"127.0.0.1:{zone.port}")))
    made = (await client.post("/api/v1/domains", json={"domain": "b\u00fccher.test"}, headers=ann)).json()
    for record in made["dns_records"]:
        zone.publish(record["type"], record["name"], record["value"])
    return made


async def verify(client: Any, headers: Any, domain: Any) -> Any:
    answer = await client.post(f"/api/v1/domains/{domain['id']}/verify", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def named(shown: Any, purpose: str) -> Any:
    return next(record for record in shown["dns_records"] if record["purpose"] == purpose)


async def test_long_records_lie_in_several_strings(client: Any, ann: Any, domain: Any, zone: DnsServer) -> None:
    shown = await verify(client, ann, domain)
    assert shown["status"] == "verified"
    (text,) = zone.records[named(domain, "dkim")["name"], "TXT"]
    assert '" "' in text, "the key does not fit into one"
    assert named(shown, "dkim")["name"].endswith("xn--bcher-kva.test")


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        (['"v=DKIM1; k=rsa; p="'], "wrong"),
        (['"v=DKIM1; k=rsa; p=AA" "AA"'], "wrong"),
        (['"a"', '"b"'], "wrong"),
        (['"\\255\\000\\010"'], "wrong"),
        (['""'], "wrong"),
        ([" ".join(['"' + "x" * 250 + '"'] * 12)], "wrong"),
    ],
)
async def test_whatever_lies_there_is_judged(
    client: Any, ann: Any, domain: Any, zone: DnsServer, values: list[str], verdict: str
) -> None:
    zone.records[named(domain, "dkim")["name"], "TXT"] = values
    shown = await verify(client, ann, domain)
    assert (shown["status"], named(shown, "dkim")["check"]["verdict"]) == ("pending", verdict)
    assert all(len(text) <= 2048 for text in named(shown, "dkim")["check"]["found"])


async def test_a_broken_zone_is_no_missing_record(client: Any, ann: Any, domain: Any, zone: DnsServer) -> None:
    await verify(client, ann, domain)
    zone.failing |= {name for name, _ in zone.records}
    shown = await verify(client, ann, domain)
    assert shown["status"] == "verified"
    assert {record["check"]["verdict"] for record in shown["dns_records"]} == {"unknown"}


async def test_a_tracking_name_that_leads_elsewhere(client: Any, ann: Any, domain: Any, zone: DnsServer) -> None:
    zone.publish("CNAME", "bounce.xn--bcher-kva.test", "elsewhere.test")
    check = named(await verify(client, ann, domain), "bounce")["check"]
    assert (check["verdict"], check["found"]) == ("wrong", ["elsewhere.test"])
    assert "elsewhere.test" in check["explanation"]
    assert check["action"]


async def test_spf_that_never_ends(client: Any, ann: Any, domain: Any, zone: DnsServer) -> None:
    for number in range(60):
        includes = " ".join(f"include:s{number * 2 + each}.test" for each in (1, 2))
        zone.publish("TXT", f"s{number}.test", f"v=spf1 {includes} -all")
    zone.publish("TXT", "xn--bcher-kva.test", "v=spf1 include:s0.test -all")
    asked = len(zone.asked)
    shown = await verify(client, ann, domain)
    (check,) = (one for one in shown["checks"] if one["name"] == "spf_evaluation")
    assert check["verdict"] == "wrong"
    assert "10 look-ups" in " ".join(check["details"])
    assert len(zone.asked) - asked < 80
