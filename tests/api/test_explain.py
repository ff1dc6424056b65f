"""Explanations: what a message would meet in the published policy, and what a past one met."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from postmta_ctl.core.ids import new_id
from postmta_ctl.features.ingest.service import ingest
from postmta_ctl.features.policy.publish import publish
from postmta_ctl.features.policy.releasing import By
from postmta_ctl.store.tables import blobs, credit_entries, events, messages, outbox, recipients, releases
from tests.conftest import join, verify_domain

PATH = "/api/v1/policy/explain"
QUESTION = {"from": "ann@acme.test", "to": "bob@example.org"}


@pytest.fixture
async def published(client: Any, acme: Any, system: Any, db: Any) -> Any:
    """Acme's three vMTAs, one new and one paused, on a published policy."""
    for name, address, warmup in (("mx1", "192.0.2.1", None), ("new", "192.0.2.2", {"daily_allowances": [40, 100]})):
        body = {"name": name, "ip_address": address, "ehlo_domain": f"{name}.acme.test"}
        answer = await client.post("/api/v1/vmtas", json=body | ({"warmup": warmup} if warmup else {}), headers=acme)
        assert answer.status_code == 201, answer.text
    body = {"name": "old", "ip_address": "192.0.2.3", "ehlo_domain": "old.acme.test"}
    old = (await client.post("/api/v1/vmtas", json=body, headers=acme)).json()["id"]
    answer = await client.post(f"/api/v1/vmtas/{old}/pause", json={"reason": "listed"}, headers=acme)
    assert answer.status_code == 200, answer.text
    here = dataclasses.replace(system, db=db)
    await publish(here, By("ann"))
    return here


async def explain(client: Any, auth: Any, **changes: Any) -> Any:
    answer = await client.get(PATH, params=QUESTION | changes, headers=auth)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_it_tells_the_way_with_odds_limits_signatures_and_retries(client: Any, acme: Any, published: Any) -> None:
    told = await explain(client, acme, tag="Spring Sale")
    assert (told["release"]["number"], told["release"]["is_latest"], told["organization"]) == (1, True, "acme")
    found = told["decision"]
    assert (found["outcome"], found["refusals"]) == ("sent", [])
    assert (found["tenant"], found["campaign"], found["pool"]) == ("acme", "spring-sale", "acme")
    assert found["queue"] == "spring-sale:acme@example.org"
    ways = {way["vmta"]: way for way in found["ways"]}
    assert {name: way["state"] for name, way in ways.items()} == {"mx1": "active", "new": "warming"}
    assert sum(way["share"] for way in ways.values()) == pytest.approx(1)
    assert {(key["domain"], key["algorithm"]) for key in found["dkim"]} == {
        ("acme.test", "rsa-sha256"),
        ("acme.test", "ed25519-sha256"),
    }
    assert found["absent"] == [{"vmta": "old", "reason": "paused by ann@acme.test: listed"}]
    (warmup,) = [limit for limit in ways["new"]["limits"] if limit["name"] == "warmup"]
    assert (warmup["value"], warmup["used_today"], warmup["left_today"]) == ("40/day", 0, 40)
    assert "stage 1 of 2" in warmup["note"]
    unknown = {limit["name"]: limit for limit in ways["mx1"]["limits"]}
    assert unknown["connection_limit"]["used_today"] is None
    retries = found["retries"]
    assert retries["after"] == sorted(set(retries["after"]))
    assert retries["is_all"]
    assert retries["after"][-1] <= retries["max_age"]


async def test_it_names_the_lines_that_decided(client: Any, acme: Any, published: Any) -> None:
    found = (await explain(client, acme))["decision"]
    assert [step["event"] for step in found["steps"]][:3] == [
        "http_message_generated",
        "get_queue_config",
        "throttle_insert_ready_queue",
    ]
    first = found["steps"][0]
    assert {"R.http", "send_off", "sending_domain"} <= {one["function"] for one in first["functions"]}
    assert all(one["file"].startswith("postmta/") and one["source"] for one in first["functions"])
    async with published.db.reading() as connection:
        files = await connection.scalar(select(releases.c.files))
        kept = {row.digest: row.content for row in await connection.execute(select(blobs))}
    for one in [*first["functions"], *first["calls"]]:
        lines = kept[files[one["file"]]].decode().split("\n")
        assert lines[one["line"] - 1].strip() == one["source"]
    assert {rule["file"] for rule in found["rules"]} == {
        "data/domains/0000.json",
        "generated/tenants.lua",
        "generated/pools.lua",
        "generated/sources.lua",
        "generated/installation.lua",
    }
    (tenant,) = [rule for rule in found["rules"] if rule["file"] == "generated/tenants.lua"]
    assert tenant["text"].startswith("acme = ")
    shown = json.dumps(found["steps"])
    assert len(shown) < 50_000
    assert "data/domains/0000.json" in shown
    assert tempfile.gettempdir() not in shown


async def test_what_refuses_it_is_told_with_its_text(client: Any, acme: Any, published: Any) -> None:
    await client.post("/api/v1/suppressions", json={"address": "Eve@example.org"}, headers=acme)
    found = (await explain(client, acme, to="eve@example.org"))["decision"]
    assert found["outcome"] == "suppressed"
    assert [(one["by"], one["code"]) for one in found["refusals"]] == [
        ("postmta", "suppressed"),
        ("policy", "suppressed"),
    ]
    found = (await explain(client, acme, **{"from": "x@stranger.test"}))["decision"]
    assert found["outcome"] == "refused"
    assert [(one["by"], one["code"]) for one in found["refusals"]] == [
        ("postmta", "domain_not_verified"),
        ("policy", "foreign_domain"),
    ]
    assert "stranger.test is not a verified domain" in found["refusals"][1]["text"]
    last = found["steps"][0]["functions"][-1]
    assert (last["function"], last["source"][:11]) == ("refuse", "kumo.reject")
    found = (await explain(client, acme, vmta="nosuch"))["decision"]
    assert [one["code"] for one in found["refusals"]] == ["vmta_unknown", "unknown_tenant"]
    assert (await explain(client, acme, pool="nosuch"))["decision"]["refusals"][0]["code"] == "pool_unknown"


async def test_a_hold_lets_it_wait(client: Any, acme: Any, published: Any) -> None:
    answer = await client.post(
        "/api/v1/queues/acme@example.org/hold", json={"reason": "they asked us to"}, headers=acme
    )
    assert answer.status_code == 200, answer.text
    found = (await explain(client, acme))["decision"]
    assert (found["outcome"], found["refusals"][0]["code"]) == ("waits", "held")
    assert "they asked us to" in found["refusals"][0]["text"]


async def test_today_s_use_comes_from_what_was_counted(client: Any, acme: Any, published: Any) -> None:
    (vmta,) = [one for one in (await client.get("/api/v1/vmtas", headers=acme)).json()["data"] if one["name"] == "new"]
    for number in range(3):
        await ingest(published, "mx1", record("Delivery", new_id(published.now()), number, source="acme.new.r1"))
    found = (await explain(client, acme))["decision"]
    (way,) = [way for way in found["ways"] if way["vmta"] == vmta["name"]]
    assert way["today"] == {"provider": "other", "delivered": 3, "deferred": 0, "bounced": 0}
    (warmup,) = [limit for limit in way["limits"] if limit["name"] == "warmup"]
    assert (warmup["used_today"], warmup["left_today"]) == (3, 37)
    found = (await explain(client, acme, to="bob@gmail.com"))["decision"]
    assert {way["today"]["delivered"] for way in found["ways"]} == {0}


def record(kind: str, rid: str, number: int = 0, *, source: str | None = None, release: int | None = None) -> bytes:
    line: dict[str, Any] = {
        "type": kind,
        "id": f"{number:032x}",
        "sender": "b@bounce.postmta.test",
        "recipient": "bob@example.org",
        "queue": "acme@example.org",
        "event_time": f"2026-11-22T12:00:00.{number:09d}Z",
        "response": {"code": 250, "content": "ok"},
        "meta": {"x_rid": rid, "tenant": "acme"} | ({"x_release": release} if release else {}),
        "nodeid": "n",
    }
    if source is not None:
        line |= {"egress_source": source, "egress_pool": "acme"}
    return json.dumps(line).encode()


async def test_nothing_is_sent_stored_or_charged(client: Any, acme: Any, published: Any, db: Any) -> None:
    async with db.reading() as connection:
        charged = await connection.scalar(select(func.count()).select_from(credit_entries))
    await explain(client, acme)
    async with db.reading() as connection:
        for table in (messages, recipients, outbox, events):
            assert await connection.scalar(select(func.count()).select_from(table)) == 0
        assert await connection.scalar(select(func.count()).select_from(credit_entries)) == charged


async def test_an_older_release_can_be_asked(client: Any, acme: Any, published: Any, resolver: Any) -> None:
    await verify_domain(client, resolver, acme, "later.test")
    now = await explain(client, acme, **{"from": "ann@later.test"})
    assert [one["code"] for one in now["decision"]["refusals"]] == ["foreign_domain"]
    assert "not published yet" in now["notes"][0]
    await publish(published, By("ann"))
    assert (await explain(client, acme, **{"from": "ann@later.test"}))["decision"]["outcome"] == "sent"
    then = await explain(client, acme, release="1", **{"from": "ann@later.test"})
    assert (then["release"]["is_latest"], then["decision"]["outcome"]) == (False, "refused")
    gone = await client.get(PATH, params=QUESTION | {"release": "99"}, headers=acme)
    assert gone.status_code == 404


async def test_an_organization_sees_its_own_and_operators_see_any(
    client: Any, acme: Any, bob: Any, published: Any
) -> None:
    theirs = await client.get(PATH, params=QUESTION | {"organization": "acme"}, headers=bob)
    assert (theirs.status_code, theirs.json()["code"]) == (403, "not_operator")
    unknown = await client.get(PATH, params=QUESTION | {"organization": "nobody"}, headers=bob)
    assert unknown.status_code == 403
    assert (await client.get(PATH, params=QUESTION | {"organization": "nobody"}, headers=acme)).status_code == 404
    told = await explain(client, bob)
    assert told["decision"]["outcome"] == "refused"
    assert (told["decision"]["ways"], told["decision"]["dkim"], told["decision"]["absent"]) == ([], [], [])
    assert not [rule for rule in told["decision"]["rules"] if "acme" in rule["text"]]
    assert (await explain(client, acme, organization="bolt"))["organization"] == "bolt"
    viewer = await join(client, bob, "vic@bolt.test", "viewer")
    assert (await explain(client, viewer))["organization"] == "bolt"


@pytest.mark.parametrize(
    "changes",
    [
        {"from": "ann@acme.test\r\nBcc: x@y.test"},
        {"from": ""},
        {"from": "ann"},
        {"to": "a@b@c"},
        {"to": '"\n"@example.org'},
        {"to": "x" * 999 + "@example.org"},
        {"to": "a\0@example.org"},
        {"tag": "x" * 101},
        {"vmta": "x" * 64},
        {"release": "0"},
        {"release": str(2**63)},
        {"release": "one"},
    ],
)
async def test_what_is_no_question_is_refused(client: Any, acme: Any, published: Any, changes: Any) -> None:
    answer = await client.get(PATH, params=QUESTION | changes, headers=acme)
    assert answer.status_code in (400, 422), answer.text


@pytest.mark.parametrize(
    "changes",
    [
        {"tag": "\"]] .. os.exit() --\n'"},
        {"tag": "🚀"},
        {"vmta": "x\"\n]]'"},
        {"vmta": "../../etc"},
        {"pool": "x'; DROP TABLE vmtas"},
        {"to": '"a b\\"c"@example.org'},
        {"to": "ann@bücher.example"},
        {"from": "ann@BÜCHER.example"},
        {"from": "Änn 'q' <ann@acme.test>"},
        {"organization": "acme"},
    ],
)
async def test_odd_values_are_answered_by_the_policy(client: Any, acme: Any, published: Any, changes: Any) -> None:
    told = await explain(client, acme, **changes)
    assert told["decision"]["outcome"] in ("sent", "refused")
    assert not any("fails" in one["text"] for one in told["decision"]["refusals"])


async def test_without_a_release_or_with_its_files_gone_it_says_so(
    client: Any, acme: Any, system: Any, db: Any
) -> None:
    before = await client.get(PATH, params=QUESTION, headers=acme)
    assert (before.status_code, before.json()["code"]) == (409, "no_release")
    await publish(dataclasses.replace(system, db=db), By("ann"))
    waiting = (await explain(client, acme))["decision"]
    assert (waiting["outcome"], waiting["ways"], waiting["delayed_share"]) == ("waits", [], 1.0)
    async with db.transaction() as connection:
        await connection.execute(delete(blobs))
    answer = await client.get(PATH, params=QUESTION, headers=acme)
    assert (answer.status_code, answer.json()["code"]) == (404, "release_gone")


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("postmta/reception.lua", b"return {"),
        ("postmta/egress.lua", b"return { new = function() while true do end end }"),
        ("generated/pools.lua", b"return 7"),
        ("generated/tenants.lua", b"error('\xff\xfe')"),
        ("generated/tenants.lua", b"return { acme = { organization = 'acme', pool = '\xff' } }"),
        ("generated/sources.lua", b"return { ['acme.mx1'] = { source = { source_address = 'x' }, path = {} } }"),
        ("data/domains/0000.json", b"{"),
        ("data/domains/0000.json", b'{"acme.test": {"organization": "acme", "keys": 7}}'),
        (
            "data/domains/0000.json",
            (
                b'{"acme.test": {"organization": "acme", "keys": [{"selector": "../../../x", "id": "1",'
                b' "algorithm": "rsa-sha256"}]}}'
            ),
        ),
    ],
)
async def test_a_release_broken_by_hand_is_explained_as_broken(
    client: Any, acme: Any, published: Any, db: Any, path: str, content: bytes
) -> None:
    async with db.transaction() as connection:
        files = await connection.scalar(select(releases.c.files))
        await connection.execute(update(blobs).where(blobs.c.digest == files[path]).values(content=content))
    found = (await explain(client, acme))["decision"]
    assert (found["outcome"], found["refusals"][0]["code"]) == ("refused", "policy_failed")
    assert (await client.post("/api/v1/messages/simulate-delivery", json=MAIL, headers=acme)).status_code == 200


MAIL = {"from": "ann@acme.test", "to": ["bob@example.org"], "subject": "Hi", "text": "Hi", "tags": ["Spring"]}


async def test_an_explanation_takes_less_than_a_second(client: Any, acme: Any, published: Any) -> None:
    await explain(client, acme)
    begun = time.process_time()
    await explain(client, acme)
    assert time.process_time() - begun < 1


async def test_a_past_message_is_explained_by_the_release_that_it_met(
    client: Any, acme: Any, published: Any, resolver: Any, db: Any
) -> None:
    sent = (await client.post("/api/v1/messages/send", json=MAIL | {"vmta": "mx1"}, headers=acme)).json()
    path, rid = f"/api/v1/messages/{sent['id']}/explain", sent["recipients"][0]["id"]
    (waiting,) = (await client.get(path, headers=acme)).json()["recipients"]
    assert (waiting["release"], waiting["decision"]) == (None, None)
    assert waiting["not_explained"].startswith("No node has had it yet")
    await ingest(published, "mx1", record("Reception", rid, 1, release=1))
    await ingest(published, "mx1", record("Delivery", rid, 2, source="acme.new.r1", release=1))
    await verify_domain(client, resolver, acme, "later.test")
    await publish(published, By("ann"))
    told = (await client.get(path, headers=acme)).json()
    (one,) = told["recipients"]
    assert (one["release"]["number"], one["release"]["is_latest"], one["status"]) == (1, False, "delivered")
    assert (one["decision"]["tenant"], one["decision"]["queue"]) == ("acme.mx1", "spring:acme.mx1@example.org")
    assert [way["vmta"] for way in one["decision"]["ways"]] == ["mx1"]
    assert one["decision"]["ways"][0]["today"] is None
    assert [event["type"] for event in one["happened"]] == ["message.accepted", "message.delivered"]
    assert one["happened"][1]["reply"] == "ok"
    assert len(one["differences"]) == 2
    assert any("tried by new" in text for text in one["differences"])
    async with db.transaction() as connection:
        await connection.execute(delete(blobs))
    (gone,) = (await client.get(path, headers=acme)).json()["recipients"]
    assert gone["decision"] is None
    assert "kept no more" in gone["not_explained"]
    assert len(gone["happened"]) == 2


async def test_many_recipients_are_bounded_and_one_can_be_asked_for(
    client: Any, acme: Any, published: Any, db: Any
) -> None:
    people = [f"r{number}@example.org" for number in range(12)]
    sent = (await client.post("/api/v1/messages/send", json=MAIL | {"to": people}, headers=acme)).json()
    path = f"/api/v1/messages/{sent['id']}/explain"
    told = (await client.get(path, headers=acme)).json()
    assert (len(told["recipients"]), told["left_out"]) == (10, 2)
    last = sent["recipients"][-1]
    async with db.transaction() as connection:
        await connection.execute(update(recipients).where(recipients.c.id == last["id"]).values(release=1))
    told = (await client.get(path, params={"recipient": last["id"]}, headers=acme)).json()
    assert [one["address"] for one in told["recipients"]] == [last["address"]]
    assert told["recipients"][0]["decision"]["outcome"] == "sent"
    for odd in ("x", sent["id"], "' OR 1=1 --"):
        assert (await client.get(path, params={"recipient": odd}, headers=acme)).status_code == 404


async def test_a_foreign_message_is_not_found(client: Any, acme: Any, bob: Any, published: Any) -> None:
    sent = (await client.post("/api/v1/messages/send", json=MAIL, headers=acme)).json()
    path = f"/api/v1/messages/{sent['id']}/explain"
    theirs = await client.get(path, params={"organization": "acme"}, headers=bob)
    assert (theirs.status_code, theirs.json()["code"]) == (403, "not_operator")
    assert (await client.get(path, params={"organization": "bolt"}, headers=acme)).status_code == 404
    assert (await client.get(path, params={"organization": "acme"}, headers=acme)).status_code == 200
    for odd in (sent["id"], "x", new_id(published.now())):
        assert (await client.get(f"/api/v1/messages/{odd}/explain", headers=bob)).status_code == 404


async def test_the_command_shows_it_as_a_table_and_as_json(
    client: Any, acme: Any, published: Any, settings: Any, tmp_path: Any
) -> None:
    def postmta(*arguments: str, status: int = 0) -> str:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("POSTMTA_", "KUMOD"))}
        own = {"POSTMTA_DATA_DIR": str(settings.data_dir), "POSTMTA_DATABASE_URL": settings.database_url}
        command = [Path(sys.executable).with_name("postmta"), *arguments]
        done = subprocess.run(command, env=inherited | own, cwd=tmp_path, text=True, capture_output=True, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    text = postmta("explain", "--from", "Ann <ann@acme.test>", "--to", "bob@example.org", "--tag", "Spring")
    assert "From ann@acme.test to bob@example.org, of acme, by release 1" in text
    for words in ("Outcome: sent", "queue spring:acme@example.org", "40/day", "0, 40 left", "unknown", "R.http"):
        assert words in text
    told = json.loads(postmta("policy", "explain", "--from", "ann@acme.test", "--to", "bob@example.org", "--json"))
    assert told["decision"]["pool"] == "acme"
    text = postmta("explain", "--from", "a@x.test", "--to", "b@y.test", "--organization", "acme", status=1)
    assert "policy foreign_domain: 550 5.7.1" in text
    assert "no organization" in postmta("explain", "--from", "a@x.test", "--to", "b@y.test", status=1).lower()
    assert "--message" in postmta("explain", "--from", "a@x.test", status=2)
    sent = (await client.post("/api/v1/messages/send", json=MAIL, headers=acme)).json()
    await ingest(published, "mx1", record("Reception", sent["recipients"][0]["id"], 1, release=1))
    text = postmta("explain", "--message", sent["id"], "--steps")
    for words in ("bob@example.org: accepted", "By release 1", "message.accepted", "send_off"):
        assert words in text
    assert "There is no such message" in postmta("explain", "--message", "x", status=1)
