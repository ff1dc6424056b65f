"""The operator's scenarios: kept through the API, tried by each plan, in the way of each publication."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

SCENARIOS = "/api/v1/policy/scenarios"
VMTA = {"name": "mx1", "ip_address": "192.0.2.11", "ehlo_domain": "mx1.acme.test"}
GOOD = """
# Comments stay.
[[scenario]]
name = "acme leaves by mx1"
organization = "acme"
from = "news@acme.test"
to = "bob@gmail.com"

[scenario.expect]
pool = "acme"
vmtas = ["mx1"]
"""


async def put(client: Any, auth: Any, text: str) -> Any:
    return await client.put(SCENARIOS, json={"toml": text}, headers=auth)


async def proof(client: Any, auth: Any) -> Any:
    plan = (await client.get("/api/v1/policy/plan", headers=auth)).json()
    return next(each for each in plan["proofs"] if each["name"] == "scenarios"), plan["is_publishable"]


async def test_they_are_kept_as_they_were_written(client: Any, ann: Any) -> None:
    assert (await client.get(SCENARIOS, headers=ann)).json()["toml"] == ""
    shown = (await put(client, ann, GOOD)).json()
    assert (shown["toml"], shown["updated_by"]) == (GOOD, "ann@acme.test")
    assert [each["from"] for each in shown["scenarios"]] == ["news@acme.test"]
    entries = (await client.get("/api/v1/audit", headers=ann)).json()["data"]
    assert "policy.scenarios_updated" in [each["action"] for each in entries]


async def test_a_plan_tries_them_and_a_publication_is_refused(client: Any, acme: Any) -> None:
    await client.post("/api/v1/vmtas", json=VMTA, headers=acme)
    assert (await proof(client, acme))[0]["ok"] is None
    await put(client, acme, GOOD)
    found, is_publishable = await proof(client, acme)
    assert (found["ok"], found["detail"], is_publishable) == (True, "1 hold", True)
    await put(client, acme, GOOD.replace('["mx1"]', '["mx2"]'))
    found, is_publishable = await proof(client, acme)
    assert (found["ok"], is_publishable) == (False, False)
    assert found["findings"][0]["where"] == "scenario acme leaves by mx1"
    assert found["findings"][0]["message"] == "vmtas: expected mx2, found mx1"
    refused = await client.post("/api/v1/policy/publish", headers=acme)
    assert (refused.status_code, refused.json()["code"]) == (422, "policy_refused")
    assert (await client.get("/api/v1/policy/releases", headers=acme)).json()["data"] == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_going_back_tells_what_will_not_hold_and_goes(client: Any, acme: Any) -> None:
    await client.post("/api/v1/policy/publish", headers=acme)
    await client.post("/api/v1/vmtas", json=VMTA, headers=acme)
    await put(client, acme, GOOD)
    await client.post("/api/v1/policy/publish", headers=acme)
    done = await client.post("/api/v1/policy/rollback", json={"release": 1}, headers=acme)
    assert (done.status_code, done.json()["release"]) == (200, 3), done.text
    proofs = (await client.get("/api/v1/policy/releases/3", headers=acme)).json()["proofs"]
    tried = next(each for each in proofs if each["name"] == "scenarios")
    assert (tried["ok"], tried["detail"]) == (True, "1 warning" if len(tried["findings"]) == 1 else "2 warnings")
    assert "vmtas: expected mx1, found none" in [each["message"] for each in tried["findings"]]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[[scenario", "toml.scenarios.toml"),
        ("colour = 1", "toml.scenarios.toml"),
        (GOOD.replace("pool =", "poool ="), "toml.scenario[0]"),
        (GOOD.replace('to = "bob@gmail.com"', 'to = "bob"'), "toml.scenario[0]"),
        (GOOD.replace('"bob@gmail.com"', r'"bob@gmail.com\r\nBcc: x@y.z"'), "toml.scenario[0]"),
        (GOOD.replace('organization = "acme"\n', ""), "toml.scenario[0].organization"),
        (GOOD.replace('organization = "acme"', 'organization = "a:b@c"'), "toml.scenario[0]"),
        (GOOD.partition("pool")[0], "toml.scenario[0].expect"),
        (GOOD + GOOD, "toml.scenario[1].name"),
        ("x = " + "[" * 5000, "toml.scenarios.toml"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_place(client: Any, ann: Any, text: str, field: str) -> None:
    answer = await put(client, ann, text)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field), answer.text


async def test_only_operators_see_and_change_them(client: Any, ann: Any, bob: Any) -> None:
    assert (await client.get(SCENARIOS, headers=bob)).status_code == 403
    assert (await put(client, bob, GOOD)).status_code == 403


async def test_of_two_editors_the_second_learns_of_the_first(client: Any, ann: Any) -> None:
    tag = (await client.get(SCENARIOS, headers=ann)).headers["ETag"]
    texts = [GOOD.replace("mx1", f"mx{number}") for number in range(3)]
    answers = await asyncio.gather(
        *(client.put(SCENARIOS, json={"toml": one}, headers=ann | {"If-Match": tag}) for one in texts)
    )
    assert sorted(one.status_code for one in answers) == [200, 412, 412]
