"""Imports carried out: on both engines, by the services of the API, wholly or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from postmta_ctl.core import dkim
from postmta_ctl.errors import Conflict, InvalidRequest
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.domains import keys
from postmta_ctl.features.importing import service
from postmta_ctl.features.importing.files import Files
from postmta_ctl.features.importing.schemas import Import
from postmta_ctl.importing import kumomta, powermta
from postmta_ctl.importing.wanted import Defaults
from postmta_ctl.store.engine import Database
from postmta_ctl.system import System
from tests.conftest import Client, FakeResolver
from tests.importing.support import folder

TABLES = ("vmtas", "pools", "pool_members", "pool_domains", "domains", "dkim_keys", "audit_log", "policy_changes")


async def counts(system: System) -> dict[str, int]:
    async with system.db.reading() as connection:
        return {name: await connection.scalar(text(f"SELECT COUNT(*) FROM {name}")) or 0 for name in TABLES}


class Importer:
    """Imports the fixtures for the organization ``acme``."""

    def __init__(self, system: System, place: Path) -> None:
        self.system = system
        self.folders = {name: folder(name, place) for name in ("powermta", "kumomta")}

    async def principal(self) -> Principal:
        return await service.principal_of(self.system, "acme", "op (command line)")

    def read(self, name: str) -> tuple[Any, Files]:
        files = Files(self.folders[name])
        if name == "powermta":
            return powermta.read("config", files, Defaults()), files
        return kumomta.read(files, Defaults()), files

    async def plan(self, name: str) -> Import:
        return await service.plan(self.system, await self.principal(), *self.read(name), "standard")

    async def apply(self, name: str, *, despite_findings: bool = False) -> Import:
        wanted, files = self.read(name)
        return await service.apply(
            self.system, await self.principal(), wanted, files, "standard", despite_findings=despite_findings
        )

    def mend(self) -> None:
        """Put right what the fixtures have wrong on purpose."""
        senders = self.folders["powermta"] / "conf.d" / "senders.conf"
        senders.write_text(senders.read_text().replace("    domain-key missing,shop.example,keys/none.pem\n", ""))
        data = self.folders["kumomta"] / "dkim_data.toml"
        data.write_text(data.read_text().replace('[domain."default.letter.example"]\n', ""))


@pytest.fixture
def parts(system: System, db: Database) -> System:
    """The parts with connections of the test's own event loop, beside the application's."""
    return replace(system, db=db)


@pytest.fixture
def importer(parts: System, tmp_path: Path, ann: dict[str, str]) -> Importer:
    return Importer(parts, tmp_path / "configurations")


@pytest.mark.parametrize("name", ["powermta", "kumomta"])
async def test_a_plan_writes_nothing_and_says_what_would_be(parts: System, importer: Importer, name: str) -> None:
    before = await counts(parts)
    planned = await importer.plan(name)
    assert await counts(parts) == before
    assert not planned.applied
    importer.mend()
    planned, done = await importer.plan(name), await importer.apply(name)
    assert (done.items, done.report) == (planned.items, planned.report)


@pytest.mark.parametrize("name", ["powermta", "kumomta"])
async def test_applying_twice_changes_nothing(parts: System, importer: Importer, name: str) -> None:
    importer.mend()
    first = await importer.apply(name)
    assert {one.action for one in first.items} == {"create"}
    after = await counts(parts)
    assert min(after["vmtas"], after["pools"], after["domains"]) > 0
    second = await importer.apply(name)
    assert {one.action for one in second.items} == {"unchanged"}
    assert await counts(parts) == after
    assert second.report == first.report


async def test_what_was_imported_is_what_the_api_shows(client: Client, ann: dict[str, str], importer: Importer) -> None:
    importer.mend()
    await importer.apply("powermta")
    vmtas = {one["name"]: one for one in (await client.get("/api/v1/vmtas", headers=ann)).json()["data"]}
    assert vmtas["receipts-1"]["ip_address"] == "192.0.2.11"
    assert (vmtas["news-cold"]["state"], vmtas["news-cold"]["warmup"]["schedule"]) == ("warming", "standard")
    pools = {one["name"]: one for one in (await client.get("/api/v1/pools", headers=ann)).json()["data"]}
    assert pools["receipts-pool"]["default"]
    assert pools["bulk"]["domains"] == ["news.shop.example"]
    audit = (await client.get("/api/v1/audit", headers=ann, params={"limit": 100})).json()["data"]
    made = {(one["action"], one["actor"]) for one in audit}
    assert {("vmta.created", "op (command line)"), ("pool.created", "op (command line)")} <= made
    assert ("domain.created", "op (command line)") in made


async def test_mail_is_signed_with_the_keys_that_it_was_signed_with(
    parts: System, client: Client, ann: dict[str, str], resolver: FakeResolver, importer: Importer
) -> None:
    importer.mend()
    await importer.apply("powermta")
    pem = (importer.folders["powermta"] / "keys" / "shop.pem").read_bytes()
    domains = (await client.get("/api/v1/domains", headers=ann)).json()["data"]
    (shop,) = [one for one in domains if one["domain"] == "shop.example"]
    for record in shop["dns_records"]:
        resolver.records[record["name"], record["type"]] = (record["value"],)
    assert resolver.records["s2026._domainkey.shop.example", "TXT"] == (dkim.public_record(pem),)
    answer = await client.post(f"/api/v1/domains/{shop['id']}/verify", headers=ann)
    assert answer.json()["status"] == "verified"
    async with parts.db.reading() as connection:
        (private,) = await keys.private_keys(parts, connection, ["shop.example"])
    assert dkim.public_record(private.pem) == dkim.public_record(pem)
    rotation = await client.post(f"/api/v1/domains/{shop['id']}/rotate-dkim", json={}, headers=ann)
    assert rotation.status_code in (200, 201, 202), rotation.text


async def test_private_keys_are_sealed_and_shown_nowhere(parts: System, importer: Importer) -> None:
    importer.mend()
    done = await importer.apply("kumomta")
    said = json.dumps([str(done), str(importer.read("kumomta")[0])])
    async with parts.db.reading() as connection:
        sealed = list(await connection.scalars(text("SELECT sealed_private_key FROM dkim_keys")))
        audited = str(list(await connection.execute(text("SELECT * FROM audit_log"))))
    body = "".join((importer.folders["kumomta"] / "keys" / "letter.pem").read_text().splitlines()[1:3])
    assert len(sealed) == 2
    assert all(b"PRIVATE" not in bytes(one) for one in sealed)
    assert body[:40] not in said + audited


@pytest.mark.parametrize("name", ["powermta", "kumomta"])
async def test_nothing_is_written_while_there_are_findings(parts: System, importer: Importer, name: str) -> None:
    before = await counts(parts)
    with pytest.raises(Conflict) as refused:
        await importer.apply(name)
    assert refused.value.code == "import_findings"
    assert await counts(parts) == before
    done = await importer.apply(name, despite_findings=True)
    left_out = [one.name for one in done.items if one.action == "conflict"]
    assert left_out == ["shop.example" if name == "powermta" else "default.letter.example"]
    assert (await counts(parts))["vmtas"] > 0


async def test_an_address_of_another_organization_is_a_finding(
    client: Client, bob: dict[str, str], importer: Importer
) -> None:
    body = {"name": "mine", "ip_address": "192.0.2.11", "ehlo_domain": "mx.bolt.test"}
    assert (await client.post("/api/v1/vmtas", json=body, headers=bob)).status_code == 201
    planned = await importer.plan("powermta")
    (vmta,) = [one for one in planned.items if one.kind == "vmta" and one.action == "conflict"]
    assert vmta.name == "receipts-1"
    assert "belongs to one only" in vmta.detail
    (line,) = [one for one in planned.report if one.directive.startswith("smtp-source-host 192.0.2.11 r1")]
    assert line.outcome == "not_supported"
    pools = {one.name: one.action for one in planned.items if one.kind == "pool"}
    assert pools == {"receipts-pool": "conflict", "bulk": "create", "receipts-1": "conflict"}


async def test_what_is_there_under_a_name_stays_as_it_is(
    client: Client, ann: dict[str, str], importer: Importer
) -> None:
    body = {"name": "trial", "ip_address": "192.0.2.250", "ehlo_domain": "mx.acme.test"}
    await client.post("/api/v1/vmtas", json=body, headers=ann)
    await client.post("/api/v1/domains", json={"domain": "shop.example"}, headers=ann)
    done = await importer.apply("powermta", despite_findings=True)
    assert {one.name for one in done.items if one.action == "conflict"} == {"trial", "bulk", "shop.example"}
    vmtas = {one["name"]: one for one in (await client.get("/api/v1/vmtas", headers=ann)).json()["data"]}
    assert vmtas["trial"]["ip_address"] == "192.0.2.250"


@pytest.mark.parametrize(
    ("pem", "why"),
    [
        (b"", "no private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no private key"),
        (b"\xff" * 100, "no private key"),
    ],
)
async def test_a_key_that_is_none_is_a_finding(importer: Importer, pem: bytes, why: str) -> None:
    importer.mend()
    (importer.folders["powermta"] / "keys" / "news.pem").write_bytes(pem)
    planned = await importer.plan("powermta")
    (found,) = [one for one in planned.items if one.action == "conflict"]
    assert (found.name, why in found.detail) == ("news.shop.example", True)


async def test_what_cannot_be_read_is_a_finding(importer: Importer) -> None:
    importer.mend()
    with (importer.folders["powermta"] / "config").open("a") as file:
        file.write("<domain open.example>\n")
    with pytest.raises(Conflict) as refused:
        await importer.apply("powermta")
    assert "cannot be read" in refused.value.errors[0].message


async def test_the_organization_must_be_there_and_be_clear(parts: System, bob: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest, match="no organization of this slug"):
        await service.principal_of(parts, "nobody", "op")
    with pytest.raises(InvalidRequest, match="acme, bolt"):
        await service.principal_of(parts, None, "op")
