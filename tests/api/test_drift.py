"""What is not as it was published: shown, and mended when somebody asks for it."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.features.nodes.watch import watch_nodes
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


async def hold(client: Any, headers: Any, queue: str) -> None:
    answer = await client.post(f"/api/v1/queues/{queue}/hold", json={"reason": "a spam run"}, headers=headers)
    assert answer.status_code == 200, answer.text


def call(client: Any, job: Any) -> Any:
    return client.blocking_portal.call(job, client.app.state.system)


async def test_suspensions_of_others_are_shown_and_stay(client: Any, ann: Any, node: FakeNode) -> None:
    by_hand = {"id": "by-hand", "reason": "spam run", "tenant": "acme"}
    site = "acme.mx1.r1->mx.example.net@smtp_client"
    of_tsa = {"reason": "automation rule: 421 too many (rule_hash=abc)", "expires": "2027-01-01T00:00:00Z"}
    node.suspensions = [by_hand]
    node.ready_suspensions = [{"id": "tsa", "name": site, **of_tsa}]
    found = await look(client, ann)
    assert (found["is_as_published"], found["foreign_suspensions"]) == (False, ["spam run (tenant acme)"])
    assert found["automatic_suspensions"] == [f"{of_tsa['reason']} (ready queue {site})"]
    (outcome,) = await fix(client, ann)
    assert (outcome["ok"], "spam run" in outcome["detail"]) == (False, True), "what cannot be mended is said"
    assert (node.suspensions, len(node.ready_suspensions)) == ([by_hand], 1)
    node.suspensions = []
    assert (await look(client, ann))["is_as_published"], "what the automation does is no drift"


async def test_holds_and_pauses_that_a_node_lost_are_placed_again(client: Any, acme: Any, node: FakeNode) -> None:
    body = {"name": "mx1", "ip_address": "198.51.100.7", "ehlo_domain": "mx1.acme.test"}
    vmta = (await client.post("/api/v1/vmtas", json=body, headers=acme)).json()["id"]
    await publish(client, acme)
    node.ready_queues = ["acme.mx1.r1->mx.example.net@smtp_client"]
    call(client, watch_nodes)
    await hold(client, acme, "acme@example.net")
    answer = await client.post(f"/api/v1/vmtas/{vmta}/pause", json={"reason": "listed"}, headers=acme)
    assert answer.status_code == 200, answer.text
    await publish(client, acme)
    found = await look(client, acme)
    assert (found["is_as_published"], found["foreign_suspensions"]) == (True, []), found
    node.suspensions.clear()
    node.ready_suspensions.clear()
    found = await look(client, acme)
    assert found["missing_suspensions"] == [
        "the hold of acme@example.net: a spam run",
        f"the pause of {node.ready_queues[0]}",
    ]
    (outcome,) = await fix(client, acme)
    assert outcome["ok"], outcome
    assert [one["reason"] for one in node.suspensions] == ["a spam run"]
    assert [one["name"] for one in node.ready_suspensions] == node.ready_queues
    assert (await look(client, acme))["is_as_published"]


async def test_what_was_released_and_is_still_there(client: Any, acme: Any, node: FakeNode) -> None:
    await publish(client, acme)
    call(client, watch_nodes)
    await hold(client, acme, "acme@example.net")
    left = list(node.suspensions)
    node.garbage = b"nothing of KumoMTA's"
    await client.post("/api/v1/queues/acme@example.net/release", headers=acme)
    node.garbage = None
    assert (await look(client, acme))["problems"] == ["acme@example.net is held, and was released"]
    assert node.suspensions == left
    (outcome,) = await fix(client, acme)
    assert (outcome["ok"], node.suspensions) == (True, [])


async def test_paths_are_resolved_as_the_published_policy_says(client: Any, acme: Any, node: FakeNode) -> None:
    body = {"name": "mx1", "ip_address": "198.51.100.7", "ehlo_domain": "mx1.acme.test"}
    await client.post("/api/v1/vmtas", json=body, headers=acme)
    await publish(client, acme)
    paths = (await look(client, acme))["paths"]
    assert (paths["compared"], paths["not_compared"]) == (0, "not offered by this node")
    # As KumoMTA writes them: limits as objects, durations in its own units; and a default of a later version.
    later = {"idle_timeout": "7s", "unheard_of": True}
    limits = {"connection_limit": {"limit": 20, "force_local": False}, "max_deliveries_per_connection": 100}
    node.paths = dict.fromkeys(("outlook.com", "yahoo.com", "example.net"), later | {"connect_timeout": "1m"})
    node.paths["gmail.com"] = later | limits | {"provider_name": "gmail"}
    found = await look(client, acme)
    assert (found["is_as_published"], found["paths"]["compared"]) == (True, 4), found
    node.paths["gmail.com"] |= {"max_deliveries_per_connection": 7}
    found = await look(client, acme)
    (difference,) = found["paths"]["differences"]
    assert difference == {
        "source": "acme.mx1.r1",
        "domain": "gmail.com",
        "option": "max_deliveries_per_connection",
        "wanted": "100",
        "found": "7",
    }
    assert not found["is_as_published"]
    (outcome,) = await fix(client, acme)
    assert outcome["detail"] == ("still differs: acme.mx1.r1 to gmail.com: max_deliveries_per_connection is 7, not 100")


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
