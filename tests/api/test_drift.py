"""What is not as it was published: shown, and mended when somebody asks for it."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.features.policy.drift import watch_drift
from tests.api.test_policy import add, publish, running, the_node
from tests.fake_node import FakeNode


@pytest.fixture
async def node(client: Any, ann: Any, tmp_path: Path) -> AsyncIterator[FakeNode]:
    """A node that runs the first release."""
    with FakeNode(tmp_path / "node").serving() as node:
        await add(client, ann, node)
        await publish(client, ann)
        yield node


async def look(client: Any, headers: Any) -> Any:
    answer = await client.get("/api/v1/policy/drift", headers=headers)
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()
    return found


async def fix(client: Any, headers: Any) -> Any:
    answer = await client.post("/api/v1/policy/drift/fix", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def edit(path: Path, text: str) -> None:
    """As somebody in a hurry does, who is root."""
    if path.exists():
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    path.write_text(text)


async def test_nothing_differs_after_publishing(client: Any, ann: Any, node: FakeNode) -> None:
    found = await look(client, ann)
    assert (found["is_as_published"], found["release"], found["running_release"]) == (True, 1, 1)
    assert await fix(client, ann) == []


async def test_edits_by_hand_are_shown_and_kept_when_mended(client: Any, ann: Any, node: FakeNode) -> None:
    root = running(node)
    edit(root / "generated/pools.lua", "return {}")
    (root / "postmta/egress.lua").unlink()
    edit(root / "mine.lua", "-- a note")
    found = await look(client, ann)
    folder = f"releases/{root.name}"
    assert not found["is_as_published"]
    assert [(one["kind"], one["path"]) for one in found["files"]] == [
        ("changed", f"{folder}/generated/pools.lua"),
        ("extra", f"{folder}/mine.lua"),
        ("missing", f"{folder}/postmta/egress.lua"),
    ]
    assert (root / "generated/pools.lua").read_text() == "return {}", "looking changes nothing"
    (outcome,) = await fix(client, ann)
    assert outcome["ok"]
    assert (await look(client, ann))["is_as_published"]
    assert Bundle.read(running(node)).files["generated/pools.lua"] != b"return {}"
    kept = node.policy_dir / "edited" / f"{root.name}.1"
    assert (kept / "generated/pools.lua").read_text() == "return {}"
    assert sorted(path.name for path in (node.policy_dir / "releases").iterdir()) == [root.name]
    (entry,) = (await client.get("/api/v1/audit?action=node.drift_fixed", headers=ann)).json()["data"]
    assert f"{folder}/mine.lua" in entry["after"]["files"]


async def test_a_node_switched_or_started_otherwise(client: Any, ann: Any, node: FakeNode) -> None:
    edit(node.policy_dir / "current", "000099-0123456789ab\n")
    edit(node.policy_dir / "init.lua", "print 'mine'")
    node.running = 7
    words = " ".join((await look(client, ann))["problems"])
    assert "is switched to 000099-0123456789ab" in words
    assert "init.lua, which kumod is started with" in words
    assert "runs release 7" in words
    (outcome,) = await fix(client, ann)
    assert (outcome["ok"], (await look(client, ann))["is_as_published"]) == (True, True)


async def test_a_lost_key_is_named_and_written_again(client: Any, acme: Any, node: FakeNode) -> None:
    await publish(client, acme)
    keys = list((node.policy_dir / "keys/acme.test").iterdir())
    keys[0].unlink()
    assert "the DKIM key acme.test/" in (await look(client, acme))["problems"][0]
    await fix(client, acme)
    assert keys[0].exists()


async def test_holds_placed_on_the_node_itself_are_shown(client: Any, ann: Any, node: FakeNode) -> None:
    node.suspensions = [{"id": "by-hand", "reason": "spam run", "tenant": "acme"}]
    found = await look(client, ann)
    assert (found["is_as_published"], found["foreign_suspensions"]) == (False, ["spam run (tenant acme)"])


async def test_a_node_that_is_away_is_said_so(client: Any, ann: Any, tmp_path: Path) -> None:
    away = FakeNode(tmp_path / "away")
    with away.serving():
        await add(client, ann, away, "away")
        await publish(client, ann)
    found = await look(client, ann)
    assert "cannot connect" in found["problems"][0]
    assert found["files"] == []


async def test_the_job_notes_it_on_the_node_until_it_is_mended(client: Any, ann: Any, node: FakeNode) -> None:
    async def watch() -> Any:
        await asyncio.to_thread(client.blocking_portal.call, watch_drift, client.app.state.system)
        return (await the_node(client, ann))["last_error"]

    assert await watch() is None
    root = running(node)
    edit(root / "generated/pools.lua", "return {}")
    assert await watch() == f"drift: 1 file differs: releases/{root.name}/generated/pools.lua"
    await fix(client, ann)
    assert await watch() is None


async def test_before_the_first_release_there_is_nothing_to_differ_from(client: Any, ann: Any, tmp_path: Path) -> None:
    with FakeNode(tmp_path / "new").serving() as new:
        await add(client, ann, new, "new")
        assert (await look(client, ann))["release"] is None
