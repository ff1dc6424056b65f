"""The sandbox's DNS: whatever we ask for is published."""

from __future__ import annotations

from typing import Any

import pytest
from litestar.testing import AsyncTestClient
from msgspec import structs

from postmta_ctl.app import create_app
from postmta_ctl.assembly import create_system
from postmta_ctl.clients.dns import SystemResolver
from postmta_ctl.features.domains.sandbox_dns import SandboxResolver
from tests.conftest import register


@pytest.fixture
def sandbox(settings: Any, db: Any) -> SandboxResolver:
    return SandboxResolver(db, settings)


async def claim(client: Any, headers: dict[str, str], domain: str) -> Any:
    return (await client.post("/api/v1/domains", json={"domain": domain}, headers=headers)).json()


async def test_every_record_of_a_claim_is_found(client: Any, ann: Any, sandbox: Any) -> None:
    made = await claim(client, ann, "acme.test")
    await claim(client, ann, "mail.acme.test")
    for record in made["dns_records"]:
        answer = await sandbox.lookup(record["name"].upper() + ".", record["type"])
        assert (answer.status, answer.values) == ("found", (record["value"],))


async def test_the_operator_has_done_everything_too(client: Any, settings: Any) -> None:
    async with AsyncTestClient(create_app(structs.replace(settings, dns="sandbox"), jobs=False)) as client:
        ann = await register(client)
        for name, address in (("mx1", "192.0.2.10"), ("mx2", "2001:db8::1")):
            body = {"name": name, "ip_address": address, "ehlo_domain": f"{name}.acme.test"}
            assert (await client.post("/api/v1/vmtas", json=body, headers=ann)).status_code == 201
        made = await claim(client, ann, "acme.test")
        shown = (await client.post(f"/api/v1/domains/{made['id']}/verify", headers=ann)).json()
    found = [(one["name"], one["verdict"]) for one in shown["checks"] if one["verdict"] != "missing"]
    assert found == [
        ("spf_evaluation", "ok"),
        ("bounce_spf", "ok"),
        ("dmarc_policy", "ok"),
        ("bounce_mx", "ok"),
        ("reverse_dns", "ok"),
        ("reverse_dns", "ok"),
    ]


async def test_what_nobody_asked_for_is_missing(client: Any, ann: Any, sandbox: Any) -> None:
    await claim(client, ann, "acme.test")
    for name, kind in [("acme.test", "MX"), ("x.acme.test", "TXT"), ("_postmta.bolt.test", "TXT"), ("", "TXT")]:
        assert (await sandbox.lookup(name, kind)).status == "missing"


async def test_of_two_claims_both_prove_ownership_and_the_holder_has_the_keys(
    client: Any, ann: Any, bob: Any, sandbox: Any
) -> None:
    first, second = await claim(client, ann, "acme.test"), await claim(client, bob, "acme.test")
    owned = await sandbox.lookup("_postmta.acme.test", "TXT")
    assert set(owned.values) == {made["dns_records"][0]["value"] for made in (first, second)}

    async def signing() -> tuple[str, ...]:
        return (await sandbox.lookup("pmta._domainkey.acme.test", "TXT")).values

    def key(made: Any) -> tuple[str]:
        [value] = [one["value"] for one in made["dns_records"] if one["name"] == "pmta._domainkey.acme.test"]
        return (value,)

    assert await signing() == key(second)
    await client.delete(f"/api/v1/domains/{second['id']}", headers=bob)
    assert await signing() == key(first)


async def test_a_claim_verifies_at_once(settings: Any) -> None:
    async with AsyncTestClient(create_app(structs.replace(settings, dns="sandbox"), jobs=False)) as client:
        ann = await register(client)
        made = await claim(client, ann, "acme.test")
        shown = (await client.post(f"/api/v1/domains/{made['id']}/verify", headers=ann)).json()
    assert shown["status"] == "verified"
    assert {record["check"]["verdict"] for record in shown["dns_records"]} == {"ok"}


@pytest.mark.parametrize(
    ("dns", "kind"), [("sandbox", SandboxResolver), ("system", SystemResolver), ("::1", SystemResolver)]
)
async def test_the_settings_choose_the_resolver(settings: Any, dns: str, kind: type) -> None:
    system = create_system(structs.replace(settings, dns=dns))
    try:
        assert isinstance(system.resolver, kind)
    finally:
        await system.kumod.close()
        await system.db.close()
