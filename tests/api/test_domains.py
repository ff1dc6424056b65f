"""Sending domains: claimed, verified by DNS, listed, deleted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from postmta_ctl.core.secrets import SealError
from postmta_ctl.features.domains import keys, queries
from postmta_ctl.store.tables import dkim_keys, outbox, policy_changes


async def make(client: Any, headers: dict[str, str], **changes: Any) -> Any:
    body = {"domain": "acme.test", "dkim_selector": "pmta"} | changes
    return await client.post("/api/v1/domains", json=body, headers=headers)


def publish(resolver: Any, domain: dict[str, Any], *, only_required: bool = False) -> None:
    """Do what the answer asks for; records of one name and type stand side by side, as in a zone."""
    for record in domain["dns_records"]:
        if record["required"] or not only_required:
            key = (record["name"], record["type"])
            resolver.records[key] = (*resolver.records.get(key, ()), record["value"])


async def verify(client: Any, headers: dict[str, str], domain: dict[str, Any]) -> Any:
    return await client.post(f"/api/v1/domains/{domain['id']}/verify", headers=headers)


async def changes_of(db: Any) -> list[tuple[str, str]]:
    async with db.reading() as connection:
        query = select(policy_changes.c.author, policy_changes.c.summary).order_by(policy_changes.c.id)
        return [tuple(row) for row in await connection.execute(query)]


async def test_a_claim_answers_the_records_to_publish(client: Any, ann: Any) -> None:
    answer = await make(client, ann, domain="Acme.Test.", dkim_selector="PMTA")
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["domain"], made["status"], made["verified_at"]) == ("acme.test", "pending", None)
    assert [(key["selector"], key["algorithm"]) for key in made["dkim_keys"]] == [
        ("pmta", "rsa-sha256"),
        ("pmta-ed25519", "ed25519-sha256"),
    ]
    names = {(record["name"], record["type"]): record for record in made["dns_records"]}
    required = {name for (name, _), record in names.items() if record["required"]}
    assert required == {"_postmta.acme.test", "pmta._domainkey.acme.test", "pmta-ed25519._domainkey.acme.test"}
    assert names["pmta._domainkey.acme.test", "TXT"]["value"].startswith("v=DKIM1; k=rsa; p=MII")
    assert names["pmta-ed25519._domainkey.acme.test", "TXT"]["value"].startswith("v=DKIM1; k=ed25519; p=")
    assert names["acme.test", "TXT"]["value"].startswith("v=spf1 ")
    assert names["_dmarc.acme.test", "TXT"]["value"].startswith("v=DMARC1;")
    assert all(record["check"] is None for record in made["dns_records"])
    assert (await client.get(f"/api/v1/domains/{made['id']}", headers=ann)).json() == made
    assert (await client.get("/api/v1/domains", headers=ann)).json() == {"data": [made], "next_cursor": None}


async def test_the_selector_is_pmta_unless_given(client: Any, ann: Any) -> None:
    answer = await client.post("/api/v1/domains", json={"domain": "acme.test"}, headers=ann)
    assert answer.json()["dkim_keys"][0]["selector"] == "pmta"


async def test_an_international_name_is_kept_in_a_labels(client: Any, ann: Any) -> None:
    assert (await make(client, ann, domain="Bücher.example")).json()["domain"] == "xn--bcher-kva.example"
    answer = await make(client, ann, domain="xn--bcher-kva.example")
    assert (answer.status_code, answer.json()["code"]) == (409, "already_exists")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"domain": ""}, "domain"),
        ({"domain": "test"}, "domain"),
        ({"domain": "192.0.2.1"}, "domain"),
        ({"domain": "[192.0.2.1]"}, "domain"),
        ({"domain": "acme.test\r\nX: y"}, "domain"),
        ({"domain": "acme.test\x00"}, "domain"),
        ({"domain": "ann@acme.test"}, "domain"),
        ({"domain": "*.acme.test"}, "domain"),
        ({"domain": "a" * 64 + ".test"}, "domain"),
        ({"domain": "a." * 111 + "acme.test"}, "domain"),
        ({"domain": "a." * 1_000_000 + "test"}, "domain"),
        ({"domain": 5}, "domain"),
        ({"domain": None}, "domain"),
        ({"dkim_selector": ""}, "dkim_selector"),
        ({"dkim_selector": "a.b"}, "dkim_selector"),
        ({"dkim_selector": "../../etc/passwd"}, "dkim_selector"),
        ({"dkim_selector": "a\r\nb"}, "dkim_selector"),
        ({"dkim_selector": "a" * 56}, "dkim_selector"),
        ({"dkim_selector": "a" * 1_000_000}, "dkim_selector"),
        ({"dkim_selector": None}, "dkim_selector"),
        ({"status": "verified"}, "status"),
    ],
)
async def test_a_bad_field_is_named(client: Any, ann: Any, change: dict[str, Any], field: str) -> None:
    answer = await make(client, ann, **change)
    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert len(answer.text) < 1000
    assert (await client.get("/api/v1/domains", headers=ann)).json()["data"] == []


async def test_half_a_surrogate_pair_is_refused(client: Any, ann: Any) -> None:
    headers = ann | {"Content-Type": "application/json"}
    answer = await client.post("/api/v1/domains", content=b'{"domain":"\\ud800.test"}', headers=headers)
    assert answer.status_code in (400, 422)


async def test_of_parallel_claims_one_succeeds(client: Any, ann: Any) -> None:
    answers = await asyncio.gather(*(make(client, ann) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert len((await client.get("/api/v1/domains", headers=ann)).json()["data"]) == 1


async def test_private_keys_are_sealed_and_never_shown(
    client: Any, ann: Any, system: Any, db: Any, resolver: Any
) -> None:
    made = (await make(client, ann)).json()
    publish(resolver, made)
    answers = [await verify(client, ann, made), await client.get("/api/v1/domains", headers=ann)]
    async with db.reading() as connection:
        opened = await keys.private_keys(system, connection, ["acme.test"])
        kept = list(await connection.scalars(select(dkim_keys.c.sealed_private_key)))
    assert [key.file[:2] for key in opened] == [("acme.test", "pmta"), ("acme.test", "pmta-ed25519")]
    for key in opened:
        assert key.pem.startswith(b"-----BEGIN PRIVATE KEY-----")
        assert "PRIVATE" not in repr(key)
        body = key.pem.splitlines()[1]
        assert all(body not in sealed for sealed in kept)
        assert all(body.decode() not in answer.text for answer in answers)


async def test_a_sealed_key_opens_in_its_own_row_only(
    client: Any, ann: Any, system: Any, db: Any, resolver: Any
) -> None:
    for name in ("acme.test", "other.test"):
        made = (await make(client, ann, domain=name)).json()
        publish(resolver, made)
        await verify(client, ann, made)
    async with db.transaction() as connection:
        stolen = await connection.scalar(select(dkim_keys.c.sealed_private_key).order_by(dkim_keys.c.id).limit(1))
        await connection.execute(dkim_keys.update().values(sealed_private_key=stolen))
    async with db.reading() as connection:
        with pytest.raises(SealError):
            await keys.private_keys(system, connection, ["other.test"])


async def test_published_records_verify_a_domain(client: Any, ann: Any, db: Any, resolver: Any, clock: Any) -> None:
    made = (await make(client, ann)).json()
    publish(resolver, made)
    clock.advance(minutes=5)
    answer = await verify(client, ann, made)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["status"], shown["verified_at"], shown["checked_at"]) == ("verified", *["2026-11-22T12:05:00Z"] * 2)
    for record in shown["dns_records"]:
        assert record["check"]["verdict"] == "ok", record
        assert record["check"]["found"] == [record["value"]]
    assert (await client.get(f"/api/v1/domains/{made['id']}", headers=ann)).json() == shown
    assert await changes_of(db) == [("ann@acme.test", "domain acme.test verified")]
    await verify(client, ann, made)
    assert len(await changes_of(db)) == 1


async def test_the_recommended_records_are_not_needed(client: Any, ann: Any, resolver: Any) -> None:
    made = (await make(client, ann)).json()
    publish(resolver, made, only_required=True)
    shown = (await verify(client, ann, made)).json()
    assert shown["status"] == "verified"
    verdicts = {record["required"]: record["check"]["verdict"] for record in shown["dns_records"]}
    assert verdicts == {True: "ok", False: "missing"}


@pytest.mark.parametrize("name", ["_postmta", "pmta._domainkey", "pmta-ed25519._domainkey"])
async def test_each_required_record_is_needed(client: Any, ann: Any, db: Any, resolver: Any, name: str) -> None:
    made = (await make(client, ann)).json()
    publish(resolver, made)
    resolver.records[f"{name}.acme.test", "TXT"] = ("v=DKIM1; k=rsa; p=",)
    shown = (await verify(client, ann, made)).json()
    assert shown["status"] == "pending"
    [check] = [record["check"] for record in shown["dns_records"] if record["name"] == f"{name}.acme.test"]
    assert check["verdict"] in ("wrong", "missing")
    assert check["found"] == ["v=DKIM1; k=rsa; p="]
    assert check["explanation"]
    assert await changes_of(db) == []


async def test_only_a_verified_domain_of_ones_own_may_send(
    client: Any, ann: Any, bob: Any, db: Any, resolver: Any
) -> None:
    async def may_send(headers: dict[str, str]) -> bool:
        organization = (await client.get("/api/v1/auth/me", headers=headers)).json()["organization"]
        async with db.reading() as connection:
            return await queries.verified_domain(connection, organization["id"], "acme.test") is not None

    made = (await make(client, ann)).json()
    assert not await may_send(ann)
    publish(resolver, made)
    await verify(client, ann, made)
    assert await may_send(ann)
    assert not await may_send(bob)


async def test_the_policy_gets_verified_domains_with_both_keys(
    client: Any, ann: Any, system: Any, db: Any, resolver: Any
) -> None:
    await make(client, ann, domain="claimed.test")
    made = (await make(client, ann)).json()
    publish(resolver, made)
    await verify(client, ann, made)
    async with db.reading() as connection:
        [domain] = await queries.all_signing_keys(connection)
        assert await keys.private_keys(system, connection, ["claimed.test"]) == []
    assert (domain.name, domain.organization) == ("acme.test", "acme")
    assert [(key.selector, key.algorithm) for key in domain.keys] == [
        ("pmta", "rsa-sha256"),
        ("pmta-ed25519", "ed25519-sha256"),
    ]


async def test_a_failed_look_up_takes_no_verification_back(client: Any, ann: Any, db: Any, resolver: Any) -> None:
    made = (await make(client, ann)).json()
    publish(resolver, made)
    await verify(client, ann, made)
    resolver.broken |= {record["name"] for record in made["dns_records"]}
    shown = (await verify(client, ann, made)).json()
    assert shown["status"] == "verified"
    assert {record["check"]["verdict"] for record in shown["dns_records"]} == {"unknown"}
    assert len(await changes_of(db)) == 1


async def test_a_record_that_is_gone_stops_sending_until_it_is_back(
    client: Any, ann: Any, db: Any, resolver: Any
) -> None:
    made = (await make(client, ann)).json()
    publish(resolver, made)
    since = (await verify(client, ann, made)).json()["verified_at"]
    record = resolver.records.pop(("pmta._domainkey.acme.test", "TXT"))
    assert (await verify(client, ann, made)).json()["status"] == "failing"
    async with db.reading() as connection:
        assert await queries.all_signing_keys(connection) == ()
    resolver.records["pmta._domainkey.acme.test", "TXT"] = record
    shown = (await verify(client, ann, made)).json()
    assert (shown["status"], shown["verified_at"]) == ("verified", since)
    summaries = [summary for _, summary in await changes_of(db)]
    assert summaries == ["domain acme.test verified", "domain acme.test failing", "domain acme.test verified"]


async def test_a_claim_keeps_nobody_else_out(client: Any, ann: Any, bob: Any, resolver: Any) -> None:
    await make(client, ann)
    mine = await make(client, bob, dkim_selector="bolt")
    assert mine.status_code == 201
    publish(resolver, mine.json())
    assert (await verify(client, bob, mine.json())).json()["status"] == "verified"


async def test_a_verified_name_is_taken_while_its_ownership_stands(
    client: Any, ann: Any, bob: Any, db: Any, resolver: Any
) -> None:
    first, second = (await make(client, ann)).json(), (await make(client, bob, dkim_selector="bolt")).json()
    publish(resolver, first)
    await verify(client, ann, first)
    publish(resolver, second)
    answer = await verify(client, bob, second)
    assert (answer.status_code, answer.json()["code"]) == (409, "domain_taken")
    assert "acme:" not in answer.text
    assert "ann" not in answer.text
    assert (await client.get(f"/api/v1/domains/{first['id']}", headers=ann)).json()["status"] == "verified"
    assert len(await changes_of(db)) == 1


async def test_a_name_goes_to_who_proves_it_when_the_holder_cannot(
    client: Any, ann: Any, bob: Any, db: Any, resolver: Any
) -> None:
    first, second = (await make(client, ann)).json(), (await make(client, bob, dkim_selector="bolt")).json()
    publish(resolver, first)
    await verify(client, ann, first)
    resolver.records.clear()
    publish(resolver, second)
    assert (await verify(client, bob, second)).json()["status"] == "verified"
    lost = (await client.get(f"/api/v1/domains/{first['id']}", headers=ann)).json()
    assert (lost["status"], lost["verified_at"]) == ("pending", None)
    async with db.reading() as connection:
        [domain] = await queries.all_signing_keys(connection)
    assert domain.organization == "bolt"
    assert await changes_of(db) == [
        ("ann@acme.test", "domain acme.test verified"),
        ("dns", "domain acme.test released: its ownership record is gone"),
        ("bob@bolt.test", "domain acme.test verified"),
    ]


async def test_another_organizations_domain_is_not_found(client: Any, ann: Any, bob: Any) -> None:
    made = (await make(client, ann)).json()
    assert (await client.get(f"/api/v1/domains/{made['id']}", headers=bob)).status_code == 404
    assert (await verify(client, bob, made)).status_code == 404
    assert (await client.delete(f"/api/v1/domains/{made['id']}", headers=bob)).status_code == 404
    assert (await client.get("/api/v1/domains", headers=bob)).json()["data"] == []
    assert (await client.get(f"/api/v1/domains/{made['id']}", headers=ann)).status_code == 200


@pytest.mark.parametrize("domain_id", ["x", "%00", "%0d%0a", "x" * 5000, "00000000-0000-7000-8000-000000000000"])
async def test_an_unknown_id_is_not_found(client: Any, ann: Any, domain_id: str) -> None:
    assert (await client.get(f"/api/v1/domains/{domain_id}", headers=ann)).status_code == 404
    assert (await client.delete(f"/api/v1/domains/{domain_id}", headers=ann)).status_code == 404
    assert (await client.post(f"/api/v1/domains/{domain_id}/verify", headers=ann)).status_code == 404


async def test_a_deleted_domain_leaves_the_policy(client: Any, ann: Any, db: Any, resolver: Any) -> None:
    made = (await make(client, ann)).json()
    publish(resolver, made)
    await verify(client, ann, made)
    assert (await client.delete(f"/api/v1/domains/{made['id']}", headers=ann)).status_code == 204
    assert (await verify(client, ann, made)).status_code == 404
    async with db.reading() as connection:
        assert await queries.all_signing_keys(connection) == ()
        assert (await connection.execute(select(dkim_keys))).all() == []
    assert [summary for _, summary in await changes_of(db)][1:] == ["domain acme.test deleted"]
    again = await make(client, ann)
    assert again.status_code == 201
    assert again.json()["dns_records"] != made["dns_records"]


async def test_deleting_a_claim_changes_no_policy(client: Any, ann: Any, db: Any) -> None:
    made = (await make(client, ann)).json()
    assert (await client.delete(f"/api/v1/domains/{made['id']}", headers=ann)).status_code == 204
    assert await changes_of(db) == []


async def test_a_domain_whose_accepted_mail_waits_stays(client: Any, acme: Any, db: Any) -> None:
    [made] = (await client.get("/api/v1/domains", headers=acme)).json()["data"]
    mail = {"from": "ann@acme.test", "to": ["bob@bolt.test"], "subject": "Hi", "text": "Hi"}
    assert (await client.post("/api/v1/messages/send", json=mail, headers=acme)).status_code == 202
    answer = await client.delete(f"/api/v1/domains/{made['id']}", headers=acme)
    assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
    async with db.transaction() as connection:
        await connection.execute(outbox.delete())
    assert (await client.delete(f"/api/v1/domains/{made['id']}", headers=acme)).status_code == 204


async def test_of_two_that_prove_a_name_at_once_one_gets_it(
    client: Any, ann: Any, bob: Any, db: Any, resolver: Any
) -> None:
    first, second = (await make(client, ann)).json(), (await make(client, bob, dkim_selector="bolt")).json()
    publish(resolver, first)
    publish(resolver, second)
    answers = await asyncio.gather(*(verify(client, *one) for one in [(ann, first), (bob, second)] * 3))
    winner = "acme" if answers[0].status_code == 200 else "bolt"
    expected = [200, 409] if winner == "acme" else [409, 200]
    assert [answer.status_code for answer in answers] == expected * 3
    async with db.reading() as connection:
        assert [domain.organization for domain in await queries.all_signing_keys(connection)] == [winner]
