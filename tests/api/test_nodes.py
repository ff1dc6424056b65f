"""Nodes: added with their tokens, watched, removed."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from postmta_ctl.core import tokens
from postmta_ctl.errors import NodeFailed
from postmta_ctl.features.nodes import access, queries, service
from postmta_ctl.features.nodes.schemas import NodeCreate
from postmta_ctl.features.nodes.watch import watch_nodes
from postmta_ctl.settings import Settings
from tests.fake_node import FakeNode


def body(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    given = {"name": "mx-1", "admin_url": "http://127.0.0.1:9", "policy_dir": str(tmp_path / "node")}
    return given | changes


async def test_an_added_node_finds_its_tokens_in_its_folder(client: Any, ann: Any, tmp_path: Path) -> None:
    answer = await client.post("/api/v1/nodes", json=body(tmp_path), headers=ann)
    assert answer.status_code == 201, answer.text
    assert f"kumod --policy {tmp_path}/node/init.lua" in "\n".join(answer.json()["next_steps"])
    path = tmp_path / "node/node.json"
    assert path.stat().st_mode & 0o777 == 0o600
    own = json.loads(path.read_text())
    assert own["node"] == "mx-1"
    assert own["ingest_url"] == "http://127.0.0.1:8080/ingest/v1/logs"
    assert len(own["admin_token"]) == len(own["ingest_token"]) == 64
    assert own["admin_token"] != own["ingest_token"]
    assert own["admin_token"] not in answer.text
    assert own["ingest_token"] not in answer.text
    node = answer.json()["node"]
    listed = (await client.get("/api/v1/nodes", headers=ann)).json()["data"]
    shown = (await client.get(f"/api/v1/nodes/{node['id']}", headers=ann)).json()
    assert [node] == listed == [shown]
    assert (node["kind"], node["is_online"], node["published_release"]) == ("kumod", False, None)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "MX"}, "name"),
        ({"name": "sandbox"}, "name"),
        ({"admin_url": "127.0.0.1:8000"}, "admin_url"),
        ({"admin_url": "http://a:8000/api"}, "admin_url"),
        ({"admin_url": "http://user:secret@a:8000"}, "admin_url"),
        ({"policy_dir": "relative"}, "policy_dir"),
        ({"policy_dir": "/tmp/a;b"}, "policy_dir"),
        ({"policy_dir": "/proc/no"}, "policy_dir"),
        ({"file_owner": "no-such-user"}, "file_owner"),
        ({"kind": "sandbox"}, "kind"),
    ],
)
async def test_what_cannot_be_a_node_is_refused_by_field(
    client: Any, ann: Any, tmp_path: Path, changes: dict[str, Any], field: str
) -> None:
    answer = await client.post("/api/v1/nodes", json=body(tmp_path, **changes), headers=ann)
    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert (await client.get("/api/v1/nodes", headers=ann)).json()["data"] == []


@pytest.mark.parametrize("changes", [{"policy_dir": "/tmp/elsewhere"}, {"name": "mx-2"}])
async def test_names_and_folders_are_taken_once(client: Any, ann: Any, tmp_path: Path, changes: dict[str, Any]) -> None:
    await client.post("/api/v1/nodes", json=body(tmp_path), headers=ann)
    before = (tmp_path / "node/node.json").read_text()
    answer = await client.post("/api/v1/nodes", json=body(tmp_path, **changes), headers=ann)
    assert (answer.status_code, answer.json()["code"]) == (409, "already_exists")
    assert (tmp_path / "node/node.json").read_text() == before


async def test_a_removed_node_is_forgotten_and_its_files_stay(client: Any, ann: Any, tmp_path: Path) -> None:
    node = (await client.post("/api/v1/nodes", json=body(tmp_path), headers=ann)).json()["node"]
    assert (await client.delete(f"/api/v1/nodes/{node['id']}", headers=ann)).status_code == 204
    assert (await client.get(f"/api/v1/nodes/{node['id']}", headers=ann)).status_code == 404
    assert (await client.delete(f"/api/v1/nodes/{node['id']}", headers=ann)).status_code == 404
    assert (tmp_path / "node/init.lua").exists()


@pytest.mark.parametrize(("method", "path"), [("POST", ""), ("GET", ""), ("GET", "/x"), ("DELETE", "/x")])
async def test_nodes_are_for_operators(client: Any, bob: Any, tmp_path: Path, method: str, path: str) -> None:
    answer = await client.request(method, f"/api/v1/nodes{path}", headers=bob, json=body(tmp_path))
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
    assert not (tmp_path / "node").exists()


async def test_a_node_is_found_by_its_ingest_token_alone(system: Any, tmp_path: Path) -> None:
    await service.add(system, NodeCreate(**body(tmp_path)))
    own = json.loads((tmp_path / "node/node.json").read_text())
    async with system.db.reading() as connection:
        assert await queries.node_by_token_digest(connection, tokens.digest(own["ingest_token"])) == "mx-1"
        assert await queries.node_by_token_digest(connection, tokens.digest(own["admin_token"])) is None


async def test_sealed_tokens_open_in_their_own_column_only(system: Any, tmp_path: Path) -> None:
    await service.add(system, NodeCreate(**body(tmp_path)))
    async with system.db.transaction() as connection:
        (row,) = await queries.all_nodes(connection)
        await queries.change(connection, row.id, sealed_admin_token=row.sealed_ingest_token)
        (row,) = await queries.all_nodes(connection)
    with pytest.raises(NodeFailed, match="another place"):
        access.address(system, row)
    await watch_nodes(system)
    assert "another place" in (await service.get(system, row.id)).last_error


@pytest.mark.parametrize(
    ("settings", "kind", "expected"),
    [
        (Settings(public_url="https://mail.example.com/"), "kumod", "https://mail.example.com"),
        (Settings(public_url="https://mail.example.com/"), "sandbox", "http://127.0.0.1:8080"),
        (Settings(host="0.0.0.0", port=80), "sandbox", "http://127.0.0.1:80"),
        (Settings(host="::", port=80), "sandbox", "http://[::1]:80"),
        (Settings(host="10.0.0.7", port=80), "sandbox", "http://10.0.0.7:80"),
        (Settings(host="localhost", port=80), "sandbox", "http://localhost:80"),
    ],
)
def test_where_a_node_delivers_its_log_records(settings: Settings, kind: str, expected: str) -> None:
    assert access.ingest_url(settings, kind) == f"{expected}/ingest/v1/logs"


async def add_fake(system: Any, node: FakeNode) -> str:
    data = NodeCreate(name="mx-1", admin_url=node.url, policy_dir=str(node.policy_dir))
    return (await service.add(system, data)).node.id


async def test_a_node_is_watched(system: Any, clock: Any, tmp_path: Path) -> None:
    with FakeNode(tmp_path / "node").serving() as node:
        node_id = await add_fake(system, node)
        node.running = 4
        await watch_nodes(system)
        seen = await service.get(system, node_id)
        assert (seen.is_online, seen.running_release, seen.last_error) == (True, 4, None)
        assert (seen.last_seen_at, seen.online_since.isoformat()) == (clock(), "2026-11-22T11:00:00.123456+00:00")
        await watch_nodes(system)
        assert node.probes == 1, "a node that was not restarted need not be probed again"
        node.running, node.online_since = 5, "2026-11-22T12:00:00Z"
        await watch_nodes(system)
        assert (await service.get(system, node_id)).running_release == 5
    clock.advance(seconds=31)
    await watch_nodes(system)
    gone = await service.get(system, node_id)
    assert not gone.is_online
    assert "cannot connect" in gone.last_error


async def test_a_node_that_answers_garbage_is_in_trouble(system: Any, tmp_path: Path) -> None:
    with FakeNode(tmp_path / "node", garbage=b"<html>").serving() as node:
        node_id = await add_fake(system, node)
        await watch_nodes(system)
        seen = await service.get(system, node_id)
        assert not seen.is_online
        assert "not KumoMTA's" in seen.last_error


async def test_a_node_that_runs_another_policy_is_in_trouble(system: Any, tmp_path: Path) -> None:
    with FakeNode(tmp_path / "node").serving() as node:
        node_id = await add_fake(system, node)
        await watch_nodes(system)
        seen = await service.get(system, node_id)
        assert seen.is_online
        assert "took the probe for mail" in seen.last_error
        assert await service.addresses(system) == ()


async def test_mail_goes_to_nodes_that_said_what_they_run(system: Any, tmp_path: Path) -> None:
    with FakeNode(tmp_path / "node").serving() as node:
        node_id = await add_fake(system, node)
        assert await service.addresses(system) == ()
        node.running = 1
        await watch_nodes(system)
        system.node_addresses.clear()
        (address,) = await service.addresses(system)
        assert (address.name, address.admin_url) == ("mx-1", node.url)
        assert node.tokens == {f"Bearer {address.token}"}
        await service.remove(system, node_id)
        assert await service.addresses(system) == ()


async def test_health_knows_the_nodes(client: Any, ann: Any, clock: Any, tmp_path: Path) -> None:
    await client.post("/api/v1/nodes", json=body(tmp_path), headers=ann)
    clock.advance(seconds=timedelta(minutes=5).total_seconds())
    health = (await client.get("/health")).json()
    assert health["status"] == "degraded"
    assert health["parts"]["node:mx-1"]["status"] == "degraded"
