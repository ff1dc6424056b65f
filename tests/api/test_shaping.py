"""Rules of traffic shaping: operators make them, and the next release holds to them."""

from __future__ import annotations

from typing import Any

import pytest

SHAPING = "/api/v1/shaping"
GMAIL = {"kind": "provider", "target": "gmail", "limits": {"connection_limit": 3}}

pytestmark = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


async def add(client: Any, auth: Any, **body: Any) -> Any:
    answer = await client.post(SHAPING, json=GMAIL | body, headers=auth)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def plan(client: Any, auth: Any) -> Any:
    return (await client.get("/api/v1/policy/plan", headers=auth)).json()


async def test_a_rule_is_in_the_next_release_and_its_changes_are(client: Any, ann: Any, bob: Any) -> None:
    made = await add(client, ann, organization="bolt", note="theirs")
    await add(client, ann, kind="domain", target="Big.Example", limits={"max_message_rate": "10/min"})
    listed = (await client.get(SHAPING, headers=ann)).json()["data"]
    assert [(one["kind"], one["target"], one["organization"]) for one in listed] == [
        ("domain", "big.example", None),
        ("provider", "gmail", "bolt"),
    ]
    planned = await plan(client, ann)
    assert (planned["is_publishable"], planned["changes"][-2]["summary"]) == (
        True,
        "shaping of provider gmail for bolt created",
    )
    assert 'max_message_rate = "10/min"' in planned["diff"]
    await client.post("/api/v1/policy/publish", json={}, headers=ann)

    one = await client.get(f"{SHAPING}/{made['id']}", headers=ann)
    changed = {"limits": {"max_deliveries_per_connection": 7}}
    stale = {"If-Match": '"stale"'}
    assert (await client.put(f"{SHAPING}/{made['id']}", json=changed, headers=ann | stale)).status_code == 412
    fresh = {"If-Match": one.headers["ETag"]}
    answer = await client.put(f"{SHAPING}/{made['id']}", json=changed, headers=ann | fresh)
    assert (answer.status_code, answer.json()["limits"], answer.json()["note"]) == (200, changed["limits"], "theirs")
    planned = await plan(client, ann)
    assert (planned["change_class"]["kind"], len(planned["changes"])) == ("live", 1)
    assert "max_deliveries_per_connection = 7" in planned["diff"]
    assert (await client.delete(f"{SHAPING}/{made['id']}", headers=ann)).status_code == 204
    assert (await client.get(f"{SHAPING}/{made['id']}", headers=ann)).status_code == 404
    actions = [entry["action"] for entry in (await client.get("/api/v1/audit", headers=ann)).json()["data"]]
    assert {"shaping.created", "shaping.updated", "shaping.deleted"} <= set(actions)


async def test_what_makes_no_sense_is_refused(client: Any, ann: Any) -> None:
    await add(client, ann)
    for body, status, code in (
        (GMAIL, 409, "taken"),
        (GMAIL | {"target": "gmial"}, 422, "provider_unknown"),
        (GMAIL | {"organization": "nobody"}, 422, "organization_unknown"),
        (GMAIL | {"kind": "domain", "target": "no domain'"}, 422, None),
        (GMAIL | {"target": "yahoo", "limits": {}}, 422, "empty"),
        (GMAIL | {"target": "yahoo", "limits": {"max_message_rate": "100 per hour"}}, 422, "bad_rate"),
        (GMAIL | {"target": "yahoo", "limits": {"max_message_rate": "500/d"}}, 422, "no_max_burst"),
        (GMAIL | {"target": "yahoo", "limits": {"connection_limit": 0}}, None, None),
        (GMAIL | {"target": "yahoo", "limits": {"max_deliveries": 5}}, None, None),
    ):
        answer = await client.post(SHAPING, json=body, headers=ann)
        assert answer.status_code == status or (status is None and answer.status_code in (400, 422)), answer.text
        if code is not None:
            assert answer.json()["errors"][0]["code"] == code, answer.text
    assert len((await client.get(SHAPING, headers=ann)).json()["data"]) == 1


async def test_it_is_for_operators(client: Any, ann: Any, bob: Any) -> None:
    made = await add(client, ann, organization="bolt")
    for method, path in (("GET", SHAPING), ("GET", f"{SHAPING}/{made['id']}"), ("DELETE", f"{SHAPING}/{made['id']}")):
        assert (await client.request(method, path, headers=bob)).status_code == 403
    known = (await client.get(f"{SHAPING}/providers", headers=ann)).json()
    assert {"gmail", "outlook", "yahoo"} <= {one["name"] for one in known if one["limits"] and one["source"]}
