"""What agents are told: each of its own node alone, signed, and of the release that this node is to run."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.release_order import OrderRefused, SignedOrder, require_newer, verify
from postmta_ctl.core import live_data
from postmta_ctl.features.agents import service
from postmta_ctl.features.live_data.jobs import refresh_live_data
from postmta_ctl.features.nodes import queries as nodes
from postmta_ctl.features.policy import bringing, drift, queries, rollout
from postmta_ctl.features.policy.canaries import CanaryRequest
from postmta_ctl.features.policy.publish import publish
from postmta_ctl.features.policy.releasing import ITSELF


@pytest.fixture
def here(system: Any, db: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(bringing, "PROBE_SECONDS", 0.1)
    return dataclasses.replace(system, db=db)


async def add(client: Any, ann: Any, name: str, folder: str = "/nowhere/policy") -> dict[str, str]:
    """Add a node with an agent; the headers of its agent."""
    body = {"name": name, "admin_url": "http://127.0.0.1:1", "policy_dir": folder, "transport": "agent"}
    answer = await client.post("/api/v1/nodes", json=body | {"file_owner": "somebody-there"}, headers=ann)
    assert answer.status_code == 201, answer.text
    assert answer.json()["node"]["transport"] == "agent"
    assert not Path(folder).exists()
    return {"Authorization": f"Bearer {answer.json()['agent_token']}"}


async def order_of(client: Any, headers: dict[str, str]) -> tuple[str, SignedOrder]:
    answer = await client.get("/agent/v1/release", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.headers["etag"], SignedOrder(**answer.json())


async def test_a_token_opens_its_own_node_only(client: Any, ann: Any, here: Any) -> None:
    first, second = await add(client, ann, "mx-1"), await add(client, ann, "mx-2")
    await publish(here, ITSELF)
    key = service.signing_key(here).public_key()
    _, order = await order_of(client, first)
    assert verify(order, key, "mx-1").manifest.release == 1
    with pytest.raises(OrderRefused, match="for the node mx-1"):
        verify(order, key, "mx-2")
    for wrong in ({}, {"Authorization": "Bearer nobody"}, ann, {"Authorization": first["Authorization"] + "0"}):
        for path in ("release", "blobs/" + "0" * 64, "keys", "files"):
            assert (await client.get(f"/agent/v1/{path}", headers=wrong)).status_code == 401, (wrong, path)
        assert (await client.post("/agent/v1/report", json={}, headers=wrong)).status_code == 401
    own = (await client.get("/agent/v1/files", headers=second)).json()["own"]
    assert own["node_name"] == "mx-2"
    assert (await client.post("/ingest/v1/logs", content=b"", headers=second)).status_code == 401
    assert (await client.get("/api/v1/nodes", headers=second)).status_code == 401


async def test_the_token_is_not_at_rest(client: Any, ann: Any, here: Any) -> None:
    headers = await add(client, ann, "mx-1")
    async with here.db.reading() as connection:
        (row,) = await nodes.all_nodes(connection)
    assert headers["Authorization"].split()[1] not in repr(row)
    assert "agent_token" not in (await client.get("/api/v1/nodes", headers=ann)).text


async def test_an_order_is_said_once(client: Any, ann: Any, here: Any) -> None:
    headers = await add(client, ann, "mx-1")
    assert (await client.get("/agent/v1/release", headers=headers)).status_code == 404
    published = await publish(here, ITSELF)
    assert [(one.ok, one.detail) for one in published.nodes] == [(False, "waits for its agent")]
    tag, _ = await order_of(client, headers)
    known = headers | {"If-None-Match": tag}
    answer = await client.get("/agent/v1/release?wait=0.6", headers=known)
    assert (answer.status_code, answer.content) == (304, b"")


async def test_files_of_its_own_release_only(client: Any, acme: Any, here: Any) -> None:
    first, second = await add(client, acme, "mx-1"), await add(client, acme, "mx-2")
    await publish(here, ITSELF)
    vmta = {"name": "mx1", "ip_address": "192.0.2.1", "ehlo_domain": "mx1.acme.test"}
    answer = await client.post("/api/v1/vmtas", json=vmta, headers=acme)
    assert answer.status_code == 201, answer.text
    async with here.db.reading() as connection:
        before = set((await queries.files_of(connection, 1)).values())
    canary = CanaryRequest(nodes=("mx-2",))
    # It does not run on its node within the time, so it is over at once: its node is to run the first one again.
    outcome = await publish(here, ITSELF, canary=canary)
    assert outcome.outcome == "stopped"
    async with here.db.reading() as connection:
        new = sorted(set((await queries.files_of(connection, 2)).values()) - before)
    assert new
    key = service.signing_key(here).public_key()
    for headers, name in ((first, "mx-1"), (second, "mx-2")):
        order = verify((await order_of(client, headers))[1], key, name)
        assert order.manifest.release == 1
        assert (await client.get(f"/agent/v1/blobs/{new[0]}", headers=headers)).status_code == 404
        for digest in order.manifest.files.values():
            answer = await client.get(f"/agent/v1/blobs/{digest}", headers=headers)
            assert answer.status_code == 200
    async with here.db.transaction() as connection:
        (_, row) = await nodes.all_nodes(connection)
        await nodes.change(connection, row.id, published_release=2)
    assert (await client.get(f"/agent/v1/blobs/{new[0]}", headers=second)).status_code == 200
    assert (await client.get(f"/agent/v1/blobs/{new[0]}", headers=first)).status_code == 404


async def test_going_back_is_a_newer_order(client: Any, ann: Any, here: Any, clock: Any) -> None:
    headers = await add(client, ann, "mx-1")
    await publish(here, ITSELF)
    key = service.signing_key(here).public_key()
    first = verify((await order_of(client, headers))[1], key, "mx-1")
    clock.advance(seconds=-3600)
    async with here.db.reading() as connection:
        (row,) = await nodes.all_nodes(connection)
    target = rollout.Target(number=1, bundle=Bundle.of({}))
    async with here.db.transaction() as connection:
        await nodes.change(connection, row.id, published_release=7)
        (row,) = await nodes.all_nodes(connection)
    await rollout.deliver(here, target, row)
    second = verify((await order_of(client, headers))[1], key, "mx-1")
    require_newer(second, first)
    with pytest.raises(OrderRefused, match="older than one that was followed"):
        require_newer(first, second)


async def test_live_data_since_a_version(client: Any, ann: Any, here: Any) -> None:
    headers = await add(client, ann, "mx-1")
    await refresh_live_data(here)
    answer = await client.get("/agent/v1/files", headers=headers)
    version, tag = answer.json()["version"], answer.headers["etag"]
    await client.post("/api/v1/suppressions", json={"address": "gone@example.org", "reason": "manual"}, headers=ann)
    await refresh_live_data(here)
    found = (await client.get(f"/agent/v1/files?version={version}", headers=headers | {"If-None-Match": tag})).json()
    path = live_data.suppression_path(live_data.suppression_shard("gone@example.org"))
    digest = live_data.suppression_digest("acme", "gone@example.org")
    assert found["changed"] == [{"path": path, "content": f"{digest}\n"}]
    later = (await client.get(f"/agent/v1/files?version={found['version']}", headers=headers)).json()
    assert later["changed"] == []
    lost = (await client.get("/agent/v1/files?version=99999", headers=headers)).json()
    assert path in {one["path"] for one in lost["changed"]}, "a node of a future that was undone gets all of it"


async def test_keys_are_opened_for_agents(client: Any, acme: Any, here: Any) -> None:
    headers = await add(client, acme, "mx-1")
    names = (await client.get("/agent/v1/keys", headers=headers)).json()
    assert {one["domain"] for one in names} == {"acme.test"}
    stranger = {"domain": "acme.test", "selector": names[0]["selector"], "key_id": "another"}
    answer = await client.post("/agent/v1/keys", json={"keys": [names[0], stranger]}, headers=headers)
    (key,) = answer.json()
    assert key["pem"].startswith("-----BEGIN PRIVATE KEY")
    assert key["key_id"] == names[0]["key_id"]


async def test_a_report_is_what_is_known(client: Any, ann: Any, here: Any) -> None:
    headers = await add(client, ann, "mx-1")
    report = {"running_release": 3, "online_since": "2026-11-22T11:00:00Z", "error": None}
    assert (await client.post("/agent/v1/report", json=report, headers=headers)).status_code == 204
    (node,) = (await client.get("/api/v1/nodes", headers=ann)).json()["data"]
    assert (node["running_release"], node["is_online"], node["last_error"]) == (3, True, None)
    await client.post("/agent/v1/report", json={"error": "disk full"}, headers=headers)
    (node,) = (await client.get("/api/v1/nodes", headers=ann)).json()["data"]
    assert (node["running_release"], node["last_error"]) == (3, "disk full")
    wrong: list[Any] = [{"running_release": -1}, {"running_release": "x"}, {"more": 1}, [], {"error": "x" * 5000}]
    for bad in wrong:
        answer = await client.post("/agent/v1/report", content=json.dumps(bad), headers=headers)
        assert answer.status_code in (400, 422), (bad, answer.text)


async def test_drift_is_not_looked_for_in_a_folder_of_another_host(client: Any, ann: Any, here: Any) -> None:
    await add(client, ann, "mx-1")
    await publish(here, ITSELF)
    (found,) = await drift.look(here)
    assert (found.release, found.files) == (1, [])
    assert not any("init.lua" in problem for problem in found.problems)
    assert any("cannot connect" in problem for problem in found.problems), "what the node itself says still counts"
